"""Recipes for rows of a table. `python -m zoo.fit NAME`."""

from zoo.data import Rows
from zoo.models import mlp
from zoo.tasks import RowClassification
from zoo.training import Optimizer, Recipe

ROWS = (
    # python -m zoo.fit mlp                      (breast_cancer, no network)
    # python -m zoo.fit mlp --data.csv people.csv --data.label survived
    Recipe(
        name="mlp",
        model=mlp,
        data=Rows("breast_cancer"),
        task=RowClassification(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=30,
    ),
)
