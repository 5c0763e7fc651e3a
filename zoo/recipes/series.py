"""Recipes for time series. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Series
from zoo.models import rnn
from zoo.training import Forecast, Optimizer, Recipe

SERIES = (
    # python -m zoo.fit rnn                      (sunspots, no network)
    # python -m zoo.fit rnn --data.csv my.csv --data.column sales
    Recipe(
        name="rnn",
        model=partial(rnn),
        data=Series("sunspots"),
        task=Forecast(),
        optimizer=Optimizer("adamw", rate=1e-2, warmup=0.1, weight_decay=0.01, clip=1.0),
        epochs=50,
    ),
)
