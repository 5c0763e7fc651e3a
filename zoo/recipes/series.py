"""Recipes for time series. `python -m zoo.fit NAME`."""

from zoo.data import Series
from zoo.models import nlinear, rnn
from zoo.tasks import Forecast
from zoo.training import Optimizer, Recipe

SERIES = (
    # python -m zoo.fit rnn                      (sunspots, no network)
    # python -m zoo.fit rnn --data.csv my.csv --data.column sales --data.season 7
    # Exactly the chapters' network: one number in, 10 units, one number out, 131 weights.
    Recipe(
        name="rnn",
        model=rnn,
        data=Series("sunspots"),
        task=Forecast(),
        # A high rate, because there are few steps; so small a network tolerates it.
        optimizer=Optimizer("adamw", rate=5e-2, warmup=0.1, weight_decay=0.03, clip=1.0),
        epochs=40,
        monitor="last",  # three cycles, the validation split, are too few to select an epoch
    ),
    # python -m zoo.fit nlinear --data.csv my.csv --data.column sales
    # For a person's own series: window and season follow from its dates.
    Recipe(
        name="nlinear",
        model=nlinear,
        data=Series("sunspots"),
        task=Forecast(),
        # It begins at the naive forecast, so few epochs at this rate are enough, and more would fit the noise of a
        # short series; chosen on series of 24 to 732 rows that statsmodels has, or that were drawn.
        optimizer=Optimizer("adamw", rate=5e-2, warmup=0.1, weight_decay=0.03, clip=1.0),
        epochs=40,
        monitor="last",
    ),
)
