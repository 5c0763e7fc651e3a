"""Recipes for tags of spans in texts. `python -m zoo.fit NAME`."""

from zoo.data import Tags
from zoo.models import tagger
from zoo.tasks import Tagging
from zoo.training import Optimizer, Recipe

TAGS = (
    # python -m zoo.fit tagger                   (date_parts, no network)
    # python -m zoo.fit tagger --data.file train.conll
    Recipe(
        name="tagger",
        model=tagger,  # as in the paper
        data=Tags("date_parts", batch=64),
        task=Tagging(),
        optimizer=Optimizer("adamw", rate=3e-3, warmup=0.1, weight_decay=0.01, clip=5.0),  # the norm is the paper's
        epochs=3,
        monitor="val_f1",
    ),
    # python -m zoo.fit tagger-wnut17
    Recipe(
        name="tagger-wnut17",
        model=tagger,
        data=Tags("wnut17"),
        task=Tagging(),
        optimizer=Optimizer("adamw", rate=3e-3, warmup=0.1, weight_decay=0.01, clip=5.0),
        epochs=30,
        monitor="val_f1",
    ),
)
