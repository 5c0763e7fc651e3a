"""How far an explanation can be trusted: by hiding what it ranks highest, and by a network that has learned nothing."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import spearmanr

from zoo.explained.question import Attribution, Question

POINTS = 20  # of a curve besides its first


@dataclass(frozen=True)
class Curves:
    """The explained number while things are hidden, and while they are shown (Petsiuk 2018, arXiv:1806.07421,
    section 3.1), those with the largest values first.

    Args:
        shares: of the things that are hidden or shown, from 0 to 1.
        deletion: the number, in its unit, while things are hidden: the sooner it falls, the better.
        insertion: while they are shown again: the sooner it rises, the better.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def areas(self) -> tuple[float, float]:
        """The means of both curves, in the unit of the number: lower is better for deletion, higher for insertion."""
        return tuple(float(trapezoid(curve, self.shares)) for curve in (self.deletion, self.insertion))


def curves(question: Question, values: np.ndarray) -> Curves:
    """Both curves for the values (G,) of an explanation."""
    count = question.count
    order = np.argsort(-values, kind="stable")
    sizes = np.unique(np.round(np.linspace(0, count, min(POINTS, count) + 1)).astype(int))
    rank = np.empty(count, int)
    rank[order] = np.arange(count)
    first = rank < sizes[:, None]  # (points, G): the things that come first
    offset = question.aim.offset
    deletion, insertion = (question.numbers_of_kept(kept) + offset for kept in (~first, first))
    return Curves(sizes / count, deletion, insertion)


def likeness(one: Attribution, other: Attribution) -> float | None:
    """The rank correlation (Spearman) of the sizes of two maps; None if one is the same everywhere."""
    sizes = np.abs(one.values), np.abs(other.values)
    if min(map(np.ptp, sizes)) == 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(spearmanr(*sizes).statistic)


def verdict(correlation: float | None) -> str:
    """What the likeness to the map of a network with random weights says."""
    if correlation is None:
        return "the same everywhere with random weights"
    said = f"rank correlation {correlation:.2f} with the map of random weights"
    if abs(correlation) > 0.5:
        said += ": much of it shows the input and not what the network has learned"
    return said


@contextlib.contextmanager
def randomised(model: keras.Model, seed: int) -> Iterator[None]:
    """The network with all its weights at random, inside the block (Adebayo 2018, arXiv:1810.03292, section 3).

    The numbers of each weight are shuffled, so that they have the sizes that training has given to them.
    """
    random, kept = np.random.default_rng(seed), model.get_weights()
    try:
        model.set_weights([random.permutation(weight.reshape(-1)).reshape(weight.shape) for weight in kept])
        yield
    finally:
        model.set_weights(kept)
