"""Recipes for text. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Text
from zoo.models import gpt
from zoo.training import LanguageModel, Optimizer, Recipe

TEXT = (
    # python -m zoo.fit gpt                      (pydocs, no network)
    # python -m zoo.fit gpt --data.file my.txt
    Recipe(
        name="gpt",
        model=partial(gpt),
        data=Text("pydocs"),
        task=LanguageModel(),
        optimizer=Optimizer("adamw", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=5,
        xla="on",  # joins the many small operations
    ),
    # python -m zoo.fit gpt-shakespeare
    # nanoGPT's setting for two cores (Karpathy 2022): 2,000 steps of 12 windows; validation loss 1.88 there.
    Recipe(
        name="gpt-shakespeare",
        model=partial(gpt),
        data=Text("tiny_shakespeare", epoch=12 * 200),
        task=LanguageModel(),
        # The steps are few, and muon makes more of each than adamw.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=10,
        monitor="last",
        xla="on",
    ),
)
