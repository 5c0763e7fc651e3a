"""Recipes for pictures. `python -m zoo.fit NAME`; each number has its reason beside it."""

from functools import partial

from zoo.data import Augment, Images
from zoo.models import bigmodel, cnn
from zoo.training import Classification, Optimizer, Recipe

IMAGES = (
    Recipe(
        name="cnn",
        model=partial(cnn, dropout=0.5),
        data=Images("digits"),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=3e-3, warmup=0.1, weight_decay=0.01),
        epochs=15,
    ),
    Recipe(
        name="bigmodel",
        model=partial(bigmodel, dropout=0.5),
        data=Images("digits"),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01),
        epochs=15,
    ),
    Recipe(
        name="bigmodel-cifar10",
        model=partial(bigmodel, batch_normalization=True, dropout=0.5),
        data=Images("cifar10", augment=Augment(flip=True, shift=0.125)),
        task=Classification(label_smoothing=0.1),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.02),
        epochs=20,
        monitor="val_accuracy",
    ),
)
