"""Where series are cut by time into training, validation and test, and the season and the window that fit them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain

import numpy as np
import scipy.signal

from zoo.data.timeline import Date

WINDOW = 11  # rows of a window at least, if there are enough
LONGEST = 10_080  # rows of a season that is looked for: a week of minutes
Borders = tuple[int, int, int, int]
"""Where training, validation and test begin, and where the test ends."""


def borders_of(count: int, horizon: int) -> Borders:
    """The borders of one series; a horizon that is longer than a tenth makes the last two parts longer."""
    test = min(count * 9 // 10, count - horizon)
    return 0, max(0, min(count * 8 // 10, test - horizon)), max(0, test), count


def common_borders(dates: Sequence[Sequence[Date]], horizon: int) -> list[Borders]:
    """The borders of several series, which are cut at the same two dates: nothing is known of one before of another.

    Before these lie eight and nine tenths of all rows together, or as many that a horizon has room after them.

    Args:
        dates: of each series, in order.
        horizon: rows to predict.
    """
    every = sorted(chain.from_iterable(dates))
    different = sorted(set(every))

    def place(tenths: int, end: int) -> int:
        return max(0, min(bisect_left(different, every[len(every) * tenths // 10]), end - horizon))

    test = place(9, len(different))
    first, second = different[place(8, test)], different[test]
    return [(0, bisect_left(own, first), bisect_left(own, second), len(own)) for own in dates]


def found_season(values: np.ndarray) -> int:
    """The lag of at least 2 at which a series is most like itself, less its trend; 1 if it never is.

    The correlation must be a peak, above 0.3 and above what noise reaches once in a hundred times, and before it the
    series must have been less like itself by as much as noise reaches: a smooth one is like itself a step later.
    """
    count = len(values)
    if count < 12 or np.ptp(values) == 0:
        return 1
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that cannot be used are answered elsewhere
        at = np.arange(count)
        rest = values - np.polyval(np.polyfit(at, values, 1), at) if np.isfinite(np.var(values)) else np.zeros(count)
    power = float(rest @ rest)
    if not 0 < power < np.inf:
        return 1
    most = min(count // 3, LONGEST)
    alike = scipy.signal.correlate(rest, rest)[count - 1 : count + most + 1]
    lags = alike / power * count / (count - np.arange(most + 2))
    noise, least = 2.6 / np.sqrt(count), np.minimum.accumulate(lags)
    peaks = [
        lag
        for lag in range(2, most + 1)
        if lags[lag] >= max(lags[lag - 1], lags[lag + 1]) and lags[lag] - least[lag] > max(0.1, noise)
    ]
    best = max(peaks, key=lambda lag: lags[lag], default=1)
    if best > 1 and lags[best] > max(0.3, noise):
        # About the first of those that are nearly as good: twice a season is no other season.
        first = next(lag for lag in peaks if lags[lag] > 0.9 * lags[best])
        return max((lag for lag in peaks if lag < 1.5 * first), key=lambda lag: lags[lag])
    return 1


def fitting_window(season: int, train: int, horizon: int) -> int:
    """The shortest window of whole seasons that has 11 rows, or what the training part has room for."""
    window = -(-WINDOW // season) * season
    room = max(1, (train - horizon) // 2)
    if window > room:
        window = season if 1 < season <= train * 3 // 4 - horizon else room
    return max(1, window)
