"""How the networks of a family are fine-tuned, if nothing else is asked for."""

from collections.abc import Callable
from typing import NamedTuple

import keras


def as_it_is(model: keras.Model, *, each: bool) -> keras.Model:
    """The network itself, whose last layer is replaced."""
    return model


class Tuning(NamedTuple):
    """The usual way: a new last layer, below which the body thaws."""

    head: Callable = as_it_is  # (model, each=whether each token has a class) -> the network with a head to replace
    whole: bool = False  # whether all weights are trained from the first step, and in small steps, as those published
    epochs: int = 12
    clip: float | None = None  # norm of the gradient
    overconfident: bool = False  # whether the loss soon rises while the network is right more and more often
