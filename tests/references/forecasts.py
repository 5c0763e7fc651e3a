"""nlinear beside naive forecasts, ETS and Theta on a CSV file: `python tests/references/forecasts.py FILE.csv 12`.

The number is the horizon. It prints a row of the table in docs/series.md, and is run by hand.
"""

import sys
import warnings
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel

from zoo.data import Series
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.recipes import RECIPES

LONGEST = 52  # rows of a season that ETS is given


def ets(series: np.ndarray, train: int, starts: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Forecasts (starts, horizon) of the form with the lowest AICc on the training rows, with its parameters."""
    seasonal = (None, "add") if 1 < season <= LONGEST and train >= 2 * season + 2 else (None,)
    forms = [
        ("add", *trend, season) for trend, season in product(((None, False), ("add", False), ("add", True)), seasonal)
    ]
    if (series > 0).all():
        forms += [("mul", trend, damped, form and "mul") for _, trend, damped, form in forms]

    def model(rows: int, form: tuple) -> ETSModel:
        names = dict(zip(("error", "trend", "damped_trend", "seasonal"), form, strict=True))
        return ETSModel(series[:rows], **names, seasonal_periods=season if form[-1] else None)

    fitted = []
    for form in forms:
        try:
            fitted.append((model(train, form).fit(disp=False), form))
        except (ValueError, np.linalg.LinAlgError):  # too few rows for that form
            continue
    best, form = min(fitted, key=lambda one: one[0].aicc if np.isfinite(one[0].aicc) else np.inf)
    return np.array([model(at, form).smooth(best.params).forecast(horizon) for at in starts])


def theta(series: np.ndarray, starts: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Forecasts (starts, horizon), each fitted to all rows before it."""

    def fitted(at: int):
        method = "auto" if (series > 0).all() else "additive"
        try:
            return ThetaModel(series[:at], period=season, deseasonalize=season > 1, method=method).fit()
        except ValueError:  # too few rows for a season
            return ThetaModel(series[:at], period=1, deseasonalize=False).fit()

    return np.array([fitted(at).forecast(horizon) for at in starts])


def main(path: Path, horizon: int) -> None:
    warnings.filterwarnings("ignore")  # of statsmodels, on what it tries
    source = Series(csv=path, horizon=horizon)
    series, season, starts = source.series, source.period, source.starts("test")
    train, truth = int(source.starts("validation")[0]), series[starts[:, None] + np.arange(horizon)]
    with TemporaryDirectory() as logs:
        report = evaluate(fit(replace(RECIPES["nlinear"], data=source), logs=logs, quiet=True))
    others = (ets(series, train, starts, horizon, season), theta(series, starts, horizon, season))
    errors = [report["rmse"], report["naive_rmse"], report["seasonal_rmse"] if season > 1 else None]
    errors += [float(np.sqrt(np.square(numbers - truth).mean())) for numbers in others]
    shown = " | ".join("-" if error is None else f"{error:.4g}" for error in errors)
    print(f"| {path.stem} | {len(series):,} | {season} | {horizon} | {len(starts)} | {shown} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
