"""Recipes for networks that fill in hidden words. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Masked
from zoo.models import bert_masked
from zoo.tasks import MaskedLanguageModel
from zoo.training import Optimizer, Recipe

MASKED = (
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
    # About half an hour on two cores: 12 epochs of 10,240 windows, which is less than all the reviews once.
    Recipe(
        name="bert-imdb",
        model=partial(bert_masked, dropout=0.0),  # hardly a word is read twice, so there is nothing to overfit
        data=Masked("imdb_reviews", vocabulary=16_000, batch=32, windows=10_240),
        task=MaskedLanguageModel(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=12,
        monitor="last",
        xla="on",
    ),
)
