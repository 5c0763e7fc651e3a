"""Forecasts of several series by one network: whose windows are whose, in which unit, and the errors of each.

A source of several series has besides what `Forecast` wants: `several` (True), `members` (their names), `firsts` (where
each begins in `series`), `which(starts)` (the place of each in `members`), `moments_at(starts)` (mean and deviation,
(starts, 2)) and an `unscaled` that takes these.
"""

import numpy as np

LISTED = 10  # series that a table of text shows at most


def several(source) -> bool:
    """Whether a source has several series, each with a scale of its own."""
    return bool(getattr(source, "several", False))


def moments_of(source, starts: np.ndarray) -> np.ndarray:
    """Mean and deviation of the series of each of `starts`, in the unit of the data: (starts, 2)."""
    if several(source):
        return source.moments_at(starts)
    mean, unit = source.unscaled(np.zeros(1))[0], source.unscaled(np.ones(1))[0]
    return np.tile([mean, unit - mean], (len(starts), 1))


def in_unit(source, numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """What a network predicts for windows before `starts`, in the unit of the data."""
    return source.unscaled(numbers, moments_of(source, starts)) if several(source) else source.unscaled(numbers)


def unit_of(source, starts: np.ndarray) -> np.ndarray:
    """By what errors are divided: 1, or of several series the deviation of each: (starts, 1)."""
    return moments_of(source, starts)[:, 1:] if several(source) else np.ones((len(starts), 1))


def of_the_first(source, starts: np.ndarray) -> np.ndarray:
    """Which of `starts` are of the first series that has any: (starts,) bool."""
    which = source.which(starts) if several(source) else np.zeros(len(starts), int)
    return which == which[0]


def named(source, starts: np.ndarray) -> tuple[list[tuple], np.ndarray]:
    """The name of the series of each of `starts`, in a tuple that is empty if there is one; and the place in it."""
    if not several(source):
        return [()] * len(starts), starts
    which = source.which(starts)
    return [(source.members[at],) for at in which], starts - np.array(source.firsts)[which]


def by_series(source, starts: np.ndarray, truth: np.ndarray, forecasts: dict[str, np.ndarray]) -> dict[str, dict]:
    """For each series its windows, the errors of the forecasts in its own unit, and the ratios of the network's."""
    which, found = source.which(starts), {}
    for at in np.unique(which):
        own = which == at
        one = {"windows": int(own.sum())}
        for name, numbers in forecasts.items():
            one |= {f"{name}{what}": error for what, error in errors_of(numbers[own], truth[own]).items()}
        ratios = {f"{name}_ratio": ratio(one["rmse"], one[f"{name}_rmse"]) for name in ("naive", "seasonal")}
        found[source.members[at]] = one | ratios
    return found


def told_by_series(report: dict) -> list[str]:
    """The errors of the first series as readable text, and in how many the network is worse than a naive forecast."""
    found = report.get("by_series", {})
    if not found:
        return []
    lines = ["", f"{'series (in its own unit)':30}  windows  root mean square   by last value   by season"]
    for name, one in list(found.items())[:LISTED]:
        ratios = ("none" if one[key] is None else f"{one[key]:.3f}" for key in ("naive_ratio", "seasonal_ratio"))
        first, second = ratios
        lines.append(f"{name[:30]:30}  {one['windows']:7,}  {one['rmse']:16.6g}  {first:>14}  {second:>10}")
    if len(found) > LISTED:
        lines.append(f"and {len(found) - LISTED:,} more, which are in the file of series")
    worse = [name for name, one in found.items() if one["rmse"] > min(one["naive_rmse"], one["seasonal_rmse"])]
    listed = f": {', '.join(worse[:LISTED])}{' ...' * (len(worse) > LISTED)}" if worse else ""
    return [*lines, f"in {len(worse):,} of {len(found):,} series one of the naive forecasts is better{listed}", ""]


def errors_of(forecasts: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Mean absolute error and root mean squared error."""
    return {"mae": float(np.abs(forecasts - truth).mean()), "rmse": float(np.sqrt(np.square(forecasts - truth).mean()))}


def ratio(error: float, other: float) -> float | None:
    """By how much an error is that of another forecast; None if that is 0."""
    return error / other if other else None
