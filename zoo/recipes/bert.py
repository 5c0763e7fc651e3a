"""Recipes for BERT, which fills in hidden words or tells texts apart. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Masked, Texts
from zoo.models import bert, bert_masked
from zoo.tasks import Classification, MaskedLanguageModel
from zoo.training import Optimizer, Recipe

BERT = (
    # python -m zoo.fit bert                     (pydocs, no network)
    # python -m zoo.fit bert --data.file my.txt
    Recipe(
        name="bert",
        model=partial(bert_masked, variant="tiny"),
        data=Masked("pydocs", context=64),
        task=MaskedLanguageModel(),
        # So small a network tolerates ten times the rate of the paper (1e-4, section A.2); decay is the paper's.
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=30,
        xla="on",  # fuses the many small operations
    ),
    # python -m zoo.fit bert-imdb
    # 5 epochs of 10,240 windows are fewer tokens than the reviews have: more would help, and take longer on two cores.
    Recipe(
        name="bert-imdb",
        model=partial(bert_masked, dropout=0.0),  # hardly a word is read twice, so there is nothing to overfit
        # So few hidden words are enough for the more frequent parts only.
        data=Masked("imdb_reviews", vocabulary=8_000, batch=32, windows=10_240),
        task=MaskedLanguageModel(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=5,
        monitor="last",
        xla="on",
    ),
    # python -m zoo.fit bert-languages           (no network)
    # For comparison with a network that was trained on hidden words first:
    # python -m zoo.fit bert-languages --data.file my.csv --data.tokenizer logs/bert-imdb-XXXXXX/tokenizer.json
    #     --data.length 128 --model.variant mini --model.pooling mean
    Recipe(
        name="bert-languages",
        model=partial(bert, variant="tiny"),
        data=Texts("languages", tokens="wordpiece", vocabulary=4000, length=24),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=3,
    ),
)
