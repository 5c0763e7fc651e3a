"""How far an explanation can be trusted: by hiding what it ranks highest, and by a network that has learned nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import spearmanr

from zoo.explained.question import Attribution, Question

POINTS = 20  # of a curve besides its first
FEW = 30  # things of which a rank correlation of 0.5 may be chance
ALIKE = 0.5  # rank correlation from which on two maps are called alike


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


class Likeness(NamedTuple):
    """Rank correlations (Spearman) of two maps, over the `count` things that either has: with signs, and of sizes."""

    signed: float
    sizes: float
    count: int


def likeness(one: Attribution, other: Attribution) -> Likeness | None:
    """How alike two maps are; None if one is the same everywhere."""
    there = (one.values != 0) | (other.values != 0)
    first, second = one.values[there], other.values[there]
    if not there.any() or 0 in (np.ptp(np.abs(first)), np.ptp(np.abs(second))):
        return None
    pairs = (first, second), (np.abs(first), np.abs(second))
    return Likeness(*(float(spearmanr(*pair).statistic) for pair in pairs), len(first))


def verdict(found: Likeness | None) -> str:
    """What the likeness to the map of a network with random weights says."""
    if found is None:
        return "with random weights, the map is the same everywhere"
    said = f"rank correlation {found.signed:.2f} with the map of random weights, {found.sizes:.2f} of the sizes alone"
    if found.count < FEW:
        return f"{said}; of {found.count} things, which are few to judge by"
    if abs(found.signed) > ALIKE:
        return f"{said}: this map shows the input, hardly what the network has learned"
    if found.sizes > ALIKE:
        return f"{said}: where this map is strong shows the input, what the network has learned only its signs"
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
