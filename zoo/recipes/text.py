"""Recipes for text. `python -m zoo.fit NAME`."""

from zoo.data import Text
from zoo.models import gpt
from zoo.training import LanguageModel, Optimizer, Recipe

TEXT = (
    # python -m zoo.fit gpt                      (pydocs, no network)
    # python -m zoo.fit gpt --data.file my.txt
    Recipe(
        name="gpt",
        model=gpt,
        data=Text("pydocs"),
        task=LanguageModel(),
        # Four times the usual rate, which so small a network bears, with nanoGPT's decay and clipping.
        optimizer=Optimizer("adamw", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=5,
        xla="on",  # joins the many small operations
    ),
    # python -m zoo.fit gpt-shakespeare
    # nanoGPT's setting for two cores (Karpathy 2022): 2,000 steps of 12 windows; validation loss 1.88 there.
    Recipe(
        name="gpt-shakespeare",
        model=gpt,
        data=Text("tiny_shakespeare", windows=12 * 200),
        task=LanguageModel(),
        # Muon, since the steps are few.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=10,
        monitor="last",
        xla="on",
    ),
)
