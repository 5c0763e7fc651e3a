"""Recipes for tags of spans in texts. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Tags
from zoo.models import tagger
from zoo.tasks import Tagging
from zoo.training import Optimizer, Recipe

TAGS = (
    # python -m zoo.fit tagger                   (date_parts, no network)
    # python -m zoo.fit tagger --data.file train.conll
    Recipe(
        name="tagger",
        # Characters need smaller vectors than words. They follow strict rules, so there is little dropout.
        model=partial(tagger, width=32, units=64, dropout=0.1),
        data=Tags("date_parts", batch=64),
        task=Tagging(),
        optimizer=Optimizer("adamw", rate=4e-3, warmup=0.1, weight_decay=0.01, clip=5.0),
        epochs=3,
        monitor="val_f1",
    ),
    # python -m zoo.fit tagger-wnut17
    Recipe(
        name="tagger-wnut17",
        model=tagger,  # as in the paper
        data=Tags("wnut17"),
        task=Tagging(),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01, clip=5.0),
        epochs=20,
        monitor="val_f1",
    ),
)
