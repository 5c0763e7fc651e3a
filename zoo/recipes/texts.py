"""Recipes for texts with one class each. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Texts
from zoo.models import textcnn
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

TEXTS = (
    # python -m zoo.fit textcnn                  (languages, no network)
    Recipe(
        name="textcnn",
        # Characters need smaller vectors than words: 64 numbers each. Names are short, so there is little dropout.
        model=partial(textcnn, width=64, windows=(2, 3, 4, 5), dropout=0.2),
        data=Texts("languages"),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01),
        epochs=8,
    ),
)
