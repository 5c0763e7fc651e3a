"""One series or several, laid one after the other and cut by time into training, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from zoo.data.cut import Borders, borders_of, common_borders, fitting_window, found_season
from zoo.data.series_table import SeriesTable
from zoo.errors import UserError

NAMED = 10  # series that a message lists at most
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SeriesSplits:
    """Series in one array, of which no window holds rows of two.

    Args:
        table: the series that were read.
        title: of the data, for messages.
        by: names of the columns that tell several series apart; none if there is only one.
        horizon: rows to predict.
        window: rows that the network sees; None: as many as fit.
        season: None: the one that fits.
    """

    table: SeriesTable
    title: str
    by: tuple[str, ...]
    horizon: int
    window: int | None
    season: int | None

    @cached_property
    def steps(self) -> int:
        """The length of a window."""
        return self.window or fitting_window(self.period, self.training_rows, self.horizon)

    @cached_property
    def period(self) -> int:
        """The season in steps: the one that was asked for, or else one that fits; 1: none."""
        if self.season:
            return self.season
        seasons = Counter()
        for name, member in self.table.members.items():
            train, line = self.borders[name][1], member.timeline
            if not self.by or train >= self.training_rows:
                known = line is not None and line.step.season > 1
                seasons[line.step.season if known else found_season(member.values[:train, 0])] += 1
        season = seasons.most_common(1)[0][0]
        return season if self.training_rows >= 1.5 * season + self.horizon else 1

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The names of the series that are used, in the order in which they lie in `rows`; "" is an only one."""
        return tuple(name for name in self.table.members if name not in self.left_out)

    @cached_property
    def borders(self) -> dict[str, Borders]:
        """Where the parts of each series that was read begin and end, counted from its first row."""
        found = self.table.members
        if self.by and all(member.timeline is not None for member in found.values()):
            borders = common_borders([member.timeline.dates for member in found.values()], self.horizon)
        else:
            borders = [borders_of(len(member.values), self.horizon) for member in found.values()]
        return dict(zip(found, borders, strict=True))

    @cached_property
    def training_rows(self) -> int:
        """How many rows a series has to train on; of several, what nine of ten have of those that can be used."""
        lengths = sorted(borders[1] for borders in self.borders.values())
        usable = [length for length in lengths if length > self.horizon] or lengths
        return usable[len(usable) // 10]

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Why series of a file of several are not used, by their names.

        Raises:
            UserError: none can be used.
        """
        why: dict[str, str] = {}
        for name, member in self.table.members.items() if self.by else ():
            train = member.values[: self.borders[name][1], 0]
            if len(train) < self.needed:
                why[name] = (
                    f"in the training part a series needs {self.needed} rows (--data.window {self.steps}, "
                    f"--data.season {self.period}, --data.horizon {self.horizon})"
                )
            elif train.min() == train.max():
                why[name] = "all training rows are the same"
        if self.by and len(why) == len(self.table.members):
            raise UserError(
                f"none of the {len(why):,} series of {self.title} can be used: {next(iter(why.values()))}, and the "
                f"longest has {max(borders[1] for borders in self.borders.values())} there"
            )
        return why

    @property
    def needed(self) -> int:
        """How many rows of training a series needs."""
        return max(self.steps, self.period) + self.horizon

    @cached_property
    def places(self) -> list[slice]:
        """Where each series that is used lies in `rows`."""
        ends = np.cumsum([0, *(len(self.table.members[name].values) for name in self.members)]).tolist()
        return [slice(*pair) for pair in pairwise(ends)]

    @cached_property
    def rows(self) -> np.ndarray:
        """All columns of all series that are used: (N, 1 + inputs) float64."""
        return np.concatenate([self.table.members[name].values for name in self.members])

    def parts(self, split: str, seen: int) -> list[slice]:
        """The slices of `rows` that are train, validation, test or all, one of each series.

        Args:
            split: which.
            seen: the number of first rows that are in none of the slices of all.

        Raises:
            UserError: an only series is too short for a window, or for its targets.
        """
        if not self.by:
            self._check_length(split, seen)
        found = []
        for name, place in zip(self.members, self.places, strict=True):
            borders = (seen, size(place)) if split == "all" else self.borders[name]
            at = 0 if split == "all" else SPLITS.index(split)
            found.append(slice(place.start + borders[at], place.start + max(borders[at], borders[at + 1])))
        return found

    def _check_length(self, split: str, seen: int) -> None:
        (borders,) = self.borders.values()
        count = borders[-1]
        if split == "all":
            if count < seen + self.horizon:
                raise UserError(f"{self.title} has {count} rows: {seen + self.horizon} are needed to measure a step")
        elif borders[1] < self.needed or borders[2] - borders[1] < self.horizon:
            raise UserError(
                f"{self.title} has {count} rows: of the first eight tenths, {borders[1]}, a --data.window of "
                f"{self.steps} or a --data.season of {self.period} and a --data.horizon of {self.horizon} need "
                f"{self.needed}, and the ninth tenth, {borders[2] - borders[1]}, must hold the horizon: "
                "give it more rows, or make these smaller"
            )

    def starts(self, split: str, seen: int) -> np.ndarray:
        """The index in `rows` of the first target of each window of the split: (windows,)."""
        offset = self.steps if split == "train" else 0
        return np.concatenate(
            [np.arange(part.start + offset, part.stop - self.horizon + 1) for part in self.parts(split, seen)]
        )

    def which(self, starts: np.ndarray) -> np.ndarray:
        """To which of the `members` each of `starts` belongs: (starts,)."""
        return np.searchsorted([place.stop for place in self.places], starts, side="right")

    def said(self) -> list[str]:
        """What was understood of several series."""
        if not self.by:
            return []
        found, lengths = self.table.members, [part.stop - part.start for part in self.places]
        said = [
            f"{len(found):,} series, told apart by {' and '.join(self.by)}, of which {len(lengths):,} are used, with "
            f"{min(lengths):,} to {max(lengths):,} rows; no window holds rows of two"
        ]
        for why in dict.fromkeys(self.left_out.values()):
            names = [name for name, reason in self.left_out.items() if reason == why]
            said.append(f"left out {len(names):,} series ({listed(names)}): {why}")
        line = next(iter(found.values())).timeline
        if line is None:
            said.append(
                "each series is cut into training, validation and test by its own rows, since there are no dates"
            )
        else:
            first, second = (min(self._first_dates(split)) for split in ("validation", "test"))
            said.append(
                f"in all series the validation begins with {line.write(first)} and the test with {line.write(second)}"
            )
        for split in ("validation", "test"):
            none = [n for n, part in zip(self.members, self.parts(split, 0), strict=True) if size(part) < self.horizon]
            if none:
                said.append(f"{len(none):,} series ({listed(none)}) have no row, or too few, in the {split} part")
        return said

    def _first_dates(self, split: str):
        at = SPLITS.index(split)
        for name, borders in self.borders.items():
            if borders[at] < borders[at + 1]:
                yield self.table.members[name].timeline.dates[borders[at]]


def size(part: slice) -> int:
    """How many rows a slice has."""
    return part.stop - part.start


def listed(names: Sequence[str]) -> str:
    """The first names, and how many there are besides."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + f" and {more:,} more" * (more > 0)
