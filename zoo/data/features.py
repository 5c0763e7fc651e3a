"""What the numbers of a network's input stand for, so that an explanation can say how much each thing counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Features:
    """The things that an input consists of, such as the columns of a table.

    Args:
        groups: of the input's shape, int: the number, from 0 on, of the thing that each number stands for; -1: of none,
            as padding does.
        names: what each is called.
    """

    groups: np.ndarray
    names: list[str]

    @property
    def count(self) -> int:
        """The number of things."""
        return int(self.groups.max(initial=-1)) + 1


@dataclass(frozen=True)
class Pixels(Features):
    """The pixels of a picture, which may be that of a sound.

    Args:
        picture: (H, W, C) in 0..255, C is 1 or 3.
        grid: (H, W), the number of each pixel.
        axes: what is across and what is up; empty for a picture, whose regions are told apart by their colours.
    """

    picture: np.ndarray
    grid: np.ndarray
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tokens(Features):
    """The tokens of a text, in order; `names` has them as they are written."""


@dataclass(frozen=True)
class Steps(Features):
    """The steps of a series, and in each the columns; thing `step * columns + column`.

    Args:
        columns: their names.
        numbers: (steps, columns), scaled as the network sees them.
    """

    columns: tuple[str, ...]
    numbers: np.ndarray


def of_picture(view: np.ndarray) -> Pixels:
    """The pixels of an input (H, W, C) that is shown as it is."""
    height, width, channels = view.shape
    grid = np.arange(height * width).reshape(height, width)
    return Pixels(np.repeat(grid[..., None], channels, -1), [], view, grid)


def by_number(shape: tuple[int, ...]) -> Features:
    """An input of which nothing is known: each number by itself, called by its place."""
    places = np.ndindex(*shape)
    return Features(np.arange(int(np.prod(shape))).reshape(shape), [", ".join(map(str, place)) for place in places])
