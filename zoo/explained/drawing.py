"""Explanations as pictures: what speaks for the explained number is red, what speaks against it blue."""

from __future__ import annotations

import io
import textwrap
import warnings

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from zoo.data.features import Pixels, Steps, Tokens
from zoo.explained.checks import Curves, likeness
from zoo.explained.explanation import Explanation, Found
from zoo.explained.methods import METHODS
from zoo.explained.page import page
from zoo.tasks.figures import literal, pixels, rgb
from zoo.tasks.task import View

SIDE = 2.7  # inches of a picture
CLIPPED = 99.5  # percentile of a map from which on its colours do not get stronger
ROWS = 20  # columns of a table that are drawn, at most


def figure(explanation: Explanation) -> Figure:
    """An explanation of anything but a text as a picture."""
    draw = {Pixels: of_pixels, Steps: of_steps}.get(type(explanation.features), of_columns)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # matplotlib draws a box for a missing glyph
        drawn = draw(explanation)
    said = f"{explanation.aim.name}: {explanation.number:.4g}; of the baseline: {explanation.nothing:.4g}"
    drawn.suptitle(literal(textwrap.fill(said, 14 * round(drawn.get_figwidth()))), fontsize=10)
    return drawn


def of_pixels(explanation: Explanation) -> Figure:
    """The picture, and for each method a row with its map, the map on the picture, and its checks."""
    found, features = explanation.found, explanation.features
    checked = any(one.curves for one in found.values())
    height, width = features.grid.shape
    tall = 0.7 if features.axes else np.clip(height / width, 0.5, 1.5)
    widths = [1, 1.3, 1, 1, 1.3] if checked else [1, 1.3, 1]
    size = (SIDE * sum(widths), (SIDE * tall + 0.45) * len(found) + 0.4)
    drawn = Figure(figsize=size, dpi=100, layout="constrained")
    original = rgb(features.picture)
    how = {"aspect": "auto" if features.axes else "equal"}
    for row, (name, one) in zip(
        drawn.subplots(len(found), len(widths), squeeze=False, width_ratios=widths), found.items(), strict=True
    ):
        values = explanation.laid_out(one.attribution.values)
        most = strongest(values)
        plain(row[0], features, "input").imshow(original, **how)
        image = plain(row[1], features, titled(name, one)).imshow(values, **colours(name, most), **how)
        bar = drawn.colorbar(image, ax=row[1], extend="both" if most < np.abs(values).max() else "neither")
        bar.set_label(literal(textwrap.fill(one.attribution.unit, 28)), fontsize=7)
        bar.ax.tick_params(labelsize=7)
        plain(row[2], features, "on the input").imshow(original.mean(-1), cmap="gray", vmin=-80, vmax=335, **how)
        strength = np.clip(np.abs(values) / most, 0, 1)
        row[2].imshow(values, **colours(name, most), alpha=0.85 * strength**0.7, **how)
        if one.curves is not None:
            random = explanation.laid_out(one.random.values)
            alike = likeness(one.attribution, one.random)
            said = "no map" if alike is None else f"correlation {alike.signed:.2f},\nof sizes {alike.sizes:.2f}"
            title = f"random weights: {said}"
            plain(row[3], features, title).imshow(random, **colours(name, strongest(random)), **how)
            draw_curves(row[4], one.curves, explanation.aim.unit)
    return drawn


def of_steps(explanation: Explanation) -> Figure:
    """The window that the network saw, and below it for each method how much each of its steps counts."""
    found, features = explanation.found, explanation.features
    checked = any(one.curves for one in found.values())
    count = len(features.numbers)
    size = (max(6, min(12, 0.25 * count)) + 3 * checked, 2 + 1.9 * len(found))
    drawn = Figure(figsize=size, dpi=100, layout="constrained")
    axes = drawn.subplots(1 + len(found), 1 + checked, squeeze=False, width_ratios=[3, 1][: 1 + checked])
    steps = np.arange(-count, 0)
    for at, name in enumerate(features.columns):
        axes[0, 0].plot(steps, features.numbers[:, at], ".-", label=literal(name))
    axes[0, 0].set(ylabel="deviations\nfrom the mean")
    axes[0, 0].legend(fontsize=7)
    if checked:
        axes[0, 1].set_visible(False)
    for (name, one), row in zip(found.items(), axes[1:], strict=True):
        values = one.attribution.values.reshape(count, -1)
        wide = 0.85 / values.shape[1]
        for at, column in enumerate(values.T):
            places = steps + (at - (values.shape[1] - 1) / 2) * wide
            signs = np.where(column < 0, "tab:blue", "tab:red")
            row[0].bar(places, column, wide, color=signs if values.shape[1] == 1 else f"C{at}")
        row[0].axhline(0, color="black", linewidth=0.6)
        row[0].set_title(titled(name, one, 60), fontsize=9)
        row[0].set_ylabel(literal(textwrap.fill(one.attribution.unit, 22)), fontsize=8)
        if one.curves is not None:
            draw_curves(row[1], one.curves, explanation.aim.unit)
    for one in axes[:, 0]:
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
        one.set_xlim(-count - 0.6, -0.4)
    axes[-1, 0].set_xlabel("step before the forecast")
    return drawn


def of_columns(explanation: Explanation) -> Figure:
    """For each method how much each column counts, those first that count most for the first method."""
    found, names = explanation.found, explanation.features.names
    checked = any(one.curves for one in found.values())
    first = next(iter(found.values())).attribution.values
    order = np.argsort(-np.abs(first), kind="stable")[:ROWS][::-1]
    tall = 1.4 + 0.24 * len(order)
    drawn = Figure(figsize=(2.6 + 3 * len(found), tall + 2.2 * checked), dpi=100, layout="constrained")
    axes = drawn.subplots(1 + checked, len(found), squeeze=False, height_ratios=[tall, 2.2][: 1 + checked])
    for at, ((name, one), column) in enumerate(zip(found.items(), axes.T, strict=True)):
        values = one.attribution.values[order]
        column[0].barh(range(len(order)), values, color=np.where(values < 0, "tab:blue", "tab:red"))
        column[0].axvline(0, color="black", linewidth=0.6)
        column[0].set_yticks(range(len(order)), [literal(names[place]) for place in order] if not at else [])
        column[0].tick_params(labelsize=8)
        column[0].set_title(titled(name, one), fontsize=9)
        column[0].set_xlabel(literal(textwrap.fill(one.attribution.unit, 36)), fontsize=8)
        if one.curves is not None:
            draw_curves(column[1], one.curves, explanation.aim.unit)
    return drawn


def draw_curves(axes, curves: Curves, unit: str) -> None:
    """Draws the curves of deletion and insertion."""
    for name, values, area in zip(
        ("deletion", "insertion"), (curves.deletion, curves.insertion), curves.areas, strict=True
    ):
        axes.plot(curves.shares, values, label=f"{name} {area:.3g}")
    axes.set_xlabel("share hidden or shown", fontsize=7)
    axes.set_ylabel(literal(unit), fontsize=7)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7)


def titled(name: str, found: Found, width: int = 30) -> str:
    """A method's name, with the sum of its attributions where that says something."""
    one = found.attribution
    added = "" if one.total is None else f"\nsum {one.total:.3f} of {one.difference:.3f}"
    return f"{textwrap.fill(name, width)}{added}"


def colours(name: str, most: float) -> dict:
    """How a map is coloured, with `most` as its strongest value."""
    if METHODS[name].signed:
        return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    return {"cmap": "viridis", "vmin": 0, "vmax": most}


def strongest(values: np.ndarray) -> float:
    """The size of value from which on colours do not get stronger."""
    sizes = np.abs(values)
    return float(np.percentile(sizes, CLIPPED) or sizes.max() or 1)


def plain(axes, features: Pixels, title: str):
    """Axes without numbers; those of a sound say what they are."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(literal(title), fontsize=8)
    if features.axes:
        axes.set_xlabel(features.axes[0], fontsize=7)
        axes.set_ylabel(features.axes[1], fontsize=7)
    return axes


def drawn(explanation: Explanation) -> tuple[str, bytes, View]:
    """An explanation as a file, by its ending and its content, and as TensorBoard shows it."""
    if isinstance(explanation.features, Tokens):
        return "html", page(explanation).encode(), ["\n".join(explanation.lines())]
    picture, file = pixels(figure(explanation)), io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return "png", file.getvalue(), picture
