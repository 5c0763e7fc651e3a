"""Recipes for translation. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Pairs
from zoo.models import transformer
from zoo.tasks import Translation
from zoo.training import Optimizer, Recipe

TRANSLATION = (
    # python -m zoo.fit transformer              (dates, no network)
    # python -m zoo.fit transformer --data.file my.tsv --data.tokens bpe
    Recipe(
        name="transformer",
        # Small, for a hundred characters; and little is dropped, for there are rules to learn and no accidents.
        model=partial(transformer, width=128, heads=4, depth=2, hidden=256, dropout=0.05, norm="pre"),
        data=Pairs("dates"),
        # Smoothed labels would only blur what has one right answer.
        task=Translation(label_smoothing=0.0),
        # Muon, since the steps are few.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.05, clip=1.0),
        epochs=5,
        monitor="last",
    ),
    # python -m zoo.fit transformer-multi30k
    Recipe(
        name="transformer-multi30k",
        # Half of the base model's width and blocks, for two cores. Pre-norm tolerates a higher rate (Xiong 2020). Much
        # is dropped, so that so few pairs are not memorised.
        model=partial(transformer, width=256, heads=4, depth=3, hidden=1024, dropout=0.3, norm="pre"),
        # The limit lies beyond the longest of the captions.
        data=Pairs("multi30k", source="en", target="de", tokens="bpe", vocabulary=8000, batch=128, limit=64),
        task=Translation(beam=4),  # Vaswani 2017, section 6.1
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1, clip=1.0),
        epochs=25,
        monitor="val_accuracy",  # with smoothed labels the loss and the accuracy are not best together
        # Faster on a processor with bfloat16 instructions; --precision float32 for others. Not compiled with XLA, which
        # compiles each of the lengths separately.
        precision="mixed_bfloat16",
    ),
)
