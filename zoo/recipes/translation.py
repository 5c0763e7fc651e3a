"""Recipes for translation. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Pairs, Spans
from zoo.models import seq2seq, t5, transformer
from zoo.tasks import Translation
from zoo.training import Optimizer, Recipe

TRANSLATION = (
    # python -m zoo.fit transformer              (dates, no network)
    # python -m zoo.fit transformer --data.file my.tsv --data.tokens bpe
    Recipe(
        name="transformer",
        # Small, for a vocabulary of a hundred characters; with little dropout, because the data follow exact rules.
        model=partial(transformer, width=128, heads=4, depth=2, hidden=256, dropout=0.05, norm="pre"),
        data=Pairs("dates"),
        # No label smoothing, because each date has exactly one right answer.
        task=Translation(label_smoothing=0.0),
        # Muon, since there are few steps.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.05, clip=1.0),
        epochs=5,
        monitor="last",
    ),
    # python -m zoo.fit transformer-multi30k
    Recipe(
        name="transformer-multi30k",
        # Half the width and blocks of the base model, for two cores. Pre-norm tolerates a higher rate (Xiong 2020).
        # Much dropout keeps it from memorising so few pairs.
        model=partial(transformer, width=256, heads=4, depth=3, hidden=1024, dropout=0.3, norm="pre"),
        # The limit is above the length of the longest caption.
        data=Pairs("multi30k", source="en", target="de", tokens="bpe", vocabulary=8000, batch=128, limit=64),
        task=Translation(beam=4),  # Vaswani 2017, section 6.1
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1, clip=1.0),
        epochs=25,
        monitor="val_accuracy",  # with label smoothing, loss and accuracy are not best in the same epoch
        # Faster on a processor with bfloat16 instructions; for others, use --precision float32. XLA is left off, as it
        # would compile each of the lengths separately.
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit seq2seq                  (dates, no network)
    # python -m zoo.fit seq2seq --model.variant sutskever
    Recipe(
        name="seq2seq",
        model=partial(seq2seq, width=64, units=128, dropout=0.05),
        data=Pairs("dates"),
        task=Translation(label_smoothing=0.0),
        optimizer=Optimizer("adamw", rate=4e-3, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=5,
        monitor="last",
    ),
    # python -m zoo.fit seq2seq-multi30k
    # python -m zoo.fit seq2seq-multi30k --model.variant sutskever
    Recipe(
        name="seq2seq-multi30k",
        model=partial(seq2seq, dropout=0.4),
        data=Pairs("multi30k", source="en", target="de", tokens="bpe", vocabulary=8000, batch=128, limit=64),
        task=Translation(beam=4),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.05, weight_decay=0.05, clip=1.0),
        epochs=8,
        monitor="val_accuracy",
    ),
    # python -m zoo.fit t5                       (dates and number words, no network)
    # python -m zoo.fit t5 --data.file my.tsv --data.tokens bpe
    Recipe(
        name="t5",
        # Small, for characters; with little dropout, because the data follow exact rules.
        model=partial(t5, variant="nano", dropout=0.05),
        data=Pairs("dates_and_numbers"),
        # No label smoothing, because each text has exactly one right answer.
        task=Translation(label_smoothing=0.0),
        # Muon, since there are few steps.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.05, clip=1.0),
        epochs=6,
        monitor="last",
    ),
    # python -m zoo.fit t5-spans                 (pydocs, no network)
    # python -m zoo.fit t5-spans --data.file my.txt
    Recipe(
        name="t5-spans",
        model=partial(t5, variant="nano"),
        data=Spans("pydocs"),
        task=Translation(label_smoothing=0.0),
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.05, clip=1.0),
        epochs=40,
    ),
)
