"""The cells of a column, stored compactly: in a list each would be an object of Python, many times its length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np

BLOCK = 2**12  # cells that are joined to one text


class Cells(Sequence):
    """A sequence of texts, each block of which is held as one text and the places where its cells end."""

    def __init__(self, cells: Iterable[str] = ()):
        self._blocks: list[tuple[str, np.ndarray]] = []
        cells = iter(cells)
        while block := list(islice(cells, BLOCK)):
            self.add(block)

    def add(self, block: Sequence[str]) -> None:
        """Appends a block: BLOCK cells, or fewer, after which none can follow."""
        ends = np.cumsum([0, *map(len, block)])
        self._blocks.append(("".join(block), ends.astype(np.min_scalar_type(ends[-1]))))

    def __len__(self) -> int:
        return (len(self._blocks) - 1) * BLOCK + len(self._blocks[-1][1]) - 1 if self._blocks else 0

    def __getitem__(self, at):
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        text, ends = self._blocks[at // BLOCK]
        return text[ends[at % BLOCK] : ends[at % BLOCK + 1]]

    def __iter__(self) -> Iterator[str]:
        for text, ends in self._blocks:
            yield from (text[start:end] for start, end in pairwise(ends.tolist()))


class CellRows(Sequence):
    """The rows of columns of the same length: tuples of one cell of each."""

    def __init__(self, columns: Sequence[Cells]):
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, at):
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        return tuple(column[at] for column in self._columns)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return zip(*self._columns, strict=True)


def packed(rows: Iterable[Sequence[str]], width: int) -> tuple[Cells, ...]:
    """The columns of rows of `width` cells, which are taken as needed."""
    columns, rows = tuple(Cells() for _ in range(width)), iter(rows)
    while block := list(islice(rows, BLOCK)):
        for column, cells in zip(columns, zip(*block, strict=True), strict=True):
            column.add(cells)
    return columns
