"""Recipes for time series. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Series
from zoo.models import rnn
from zoo.training import Forecast, Optimizer, Recipe

SERIES = (
    # python -m zoo.fit rnn                      (sunspots, no network)
    # python -m zoo.fit rnn --data.csv my.csv --data.column sales --data.season 7
    # The chapters' very network: one number in, 10 units, one number out, 131 weights. Twice the units, three times as
    # many and windows of 9 to 22 steps forecast the validation part no better than seeds differ.
    Recipe(
        name="rnn",
        model=partial(rnn),
        data=Series("sunspots"),
        task=Forecast(),
        # A high rate, which so few weights bear: with 3e-3 even 60 epochs of 14 steps were too few. Much more decay (1)
        # made the training part worse too.
        optimizer=Optimizer("adamw", rate=5e-2, warmup=0.1, weight_decay=0.03, clip=1.0),
        epochs=40,
        monitor="last",  # the validation part, of three cycles only, chooses no epoch
    ),
)
