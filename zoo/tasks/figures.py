"""Pictures for TensorBoard and reports, and the files that TensorBoard's projector reads."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw
from tensorboard.plugins import projector as plugin

TILE = 72  # side in pixels of a picture in a grid
SPRITE = 32  # side in pixels of a picture in the projector
WIDTH = 4.375  # inches at 80 dpi: the width of 350 pixels at which TensorBoard shows a picture
WRITTEN = 20  # classes up to which the counts are written into a confusion matrix


def sheet(views, captions: list[str]) -> np.ndarray | list[str]:
    """Some inputs with their captions as one view: pictures in a grid, each above its caption, or texts after theirs.

    Args:
        views: pictures (N, H, W, C) in 0..255, or N texts.
        captions: N lines.
    """
    if isinstance(views, list):
        return [f"{line}: {text}" for line, text in zip(captions, views, strict=True)]
    return grid(views, captions)


def rgb(picture: np.ndarray) -> np.ndarray:
    """Pixels (H, W, C) in 0..255 of any type as uint8 RGB."""
    clipped = np.uint8(np.clip(picture, 0, 255))
    return np.repeat(clipped, 3, -1) if clipped.shape[-1] == 1 else clipped[..., :3]


def augmentation_sheet(source, count: int = 8, draws: int = 7) -> np.ndarray | None:
    """What the augmentation of training pictures does: each row has one as it is and several draws of it.

    Args:
        source: of the data.
        count: rows, or fewer if there are fewer pictures.
        draws: columns after the first.

    Returns:
        A picture, uint8 (height, width, 3); None if the source changes no pictures.
    """
    augmented = getattr(source, "augmented", None)
    pictures = augmented(count, draws) if augmented else None
    return None if pictures is None else grid(np.concatenate(pictures), columns=1 + draws)


def grid(pictures: np.ndarray, captions: list[str] | None = None, columns: int | None = None) -> np.ndarray:
    """Pictures (N, H, W, C) in rows, with an optional caption under each: uint8 (height, width, 3)."""
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows, line = math.ceil(len(pictures) / columns), 12 if captions else 0
    sheet = Image.new("RGB", (columns * (TILE + 4), rows * (TILE + 4 + line)), "white")
    draw = ImageDraw.Draw(sheet)
    for at, picture in enumerate(pictures):
        left, top = at % columns * (TILE + 4), at // columns * (TILE + 4 + line)
        sheet.paste(Image.fromarray(rgb(picture)).resize((TILE, TILE), Image.Resampling.NEAREST), (left, top))
        if captions:
            draw.text((left, top + TILE), captions[at][:12], fill="black")
    return np.asarray(sheet)


def confusion(counts: np.ndarray, labels: list[str]) -> np.ndarray:
    """A picture of the confusion matrix, with true classes in rows: uint8 (height, width, 3)."""
    figure = Figure(figsize=(WIDTH, WIDTH), dpi=80, layout="constrained")
    draw_confusion(figure.add_subplot(), counts, labels)
    return pixels(figure)


def draw_confusion(axes, counts: np.ndarray, labels: list[str]) -> None:
    """Draws the confusion matrix; colours are fractions of the true class."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answer", ylabel="truth")
    if len(labels) <= WRITTEN:
        names = [literal(label) for label in labels]
        axes.set_xticks(range(len(labels)), names, rotation=90)
        axes.set_yticks(range(len(labels)), names)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=7)


def report(result: dict, path: Path) -> None:
    """Writes a classification's confusion matrix and reliability diagram as a PNG file."""
    labels = [row["name"] for row in result["classes"]]
    figure = Figure(figsize=(11, 5.5), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_confusion(left, np.array(result["confusion"]), labels)
    left.set_title(f"accuracy {result['accuracy']:.2%}, {result['examples']} examples")
    confidences, hits, counts = zip(*result["calibration"], strict=True)
    right.plot([0, 1], [0, 1], color="gray", linestyle="--", label="calibrated")
    right.scatter(confidences, hits, s=10 + 190 * np.array(counts) / max(counts), label="examples (area: how many)")
    right.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    right.set_title(f"calibration error {result['calibration_error']:.4f}")
    right.legend(loc="upper left")
    figure.savefig(path)


def projector(path: Path, features: np.ndarray, columns: tuple[str, ...], rows: list[tuple[str, ...]], views) -> None:
    """Writes features (N, D) for the projector, each with a row of metadata and a view.

    The numbers are in a text file with a relative path, so that the run can be moved; the projector resolves the path
    of a checkpoint from the directory in which TensorBoard was started. A TensorBoard that is running sees them when
    the next run appears, or when it is started again.

    Args:
        path: the run's folder, which gets the projector's configuration; the rest is in `features`.
        features: of N examples.
        columns: names of the metadata.
        rows: N rows of metadata.
        views: of the N examples: pictures, or texts; None: there are none.
    """
    folder = path / "features"
    folder.mkdir(exist_ok=True)
    texts = isinstance(views, list)
    if texts:
        columns, rows = (*columns, "text"), [(*row, text) for row, text in zip(rows, views, strict=True)]
    # As text: the projector tries to read text first, and mistakes a binary file with many zeros for it.
    rows_of_numbers = ("\t".join(f"{value:.6g}" for value in row) for row in features.tolist())
    (folder / "features.tsv").write_text("\n".join(rows_of_numbers) + "\n", encoding="utf-8")
    lines = ["\t".join(columns), *("\t".join(" ".join(cell.split()) for cell in row) for row in rows)]
    (folder / "rows.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = plugin.ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="features",
        tensor_path="features/features.tsv",
        tensor_shape=features.shape,
        metadata_path="features/rows.tsv",
    )
    if not texts and views is not None:
        sprites(views).save(folder / "sprites.png")
        embedding.sprite.image_path = "features/sprites.png"
        embedding.sprite.single_image_dim.extend([SPRITE, SPRITE])
    plugin.visualize_embeddings(str(path), config)


def sprites(pictures: np.ndarray) -> Image.Image:
    """Pictures (N, H, W, C) in one square image, in the layout that the projector expects."""
    across = math.ceil(math.sqrt(len(pictures)))
    sheet = Image.new("RGB", (across * SPRITE,) * 2, "white")
    for at, picture in enumerate(pictures):
        small = Image.fromarray(rgb(picture)).resize((SPRITE, SPRITE))
        sheet.paste(small, (at % across * SPRITE, at // across * SPRITE))
    return sheet


def curve(values: list[float], path: Path, *, across: str, up: str, mean: float) -> None:
    """Draws the values, at 0, 1, 2, ..., and their mean to a PNG file; the vertical axis spans at least 1, so that
    small random differences look small.
    """
    figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(len(values)), values)
    axes.axhline(mean, color="gray", linestyle="--", label=f"mean {mean:.4f}")
    axes.set(xlabel=across, ylabel=up, ylim=(min(*values, mean - 0.5), max(*values, mean + 0.5)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    figure.savefig(path)


def lines(across_values: list[float], named: dict[str, list[float]], path: Path, *, across: str, up: str) -> None:
    """Draws several named lines of percentages over the same horizontal values to a PNG file."""
    figure = Figure(figsize=(7, 4.5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    # Different styles, so that lines on top of each other can be told apart.
    for style, (name, values) in zip(("o-", "x--", "s:"), named.items(), strict=False):
        axes.plot(across_values, values, style, label=name)
    axes.set(xlabel=across, ylabel=up, ylim=(-2, 102))
    axes.legend()
    figure.savefig(path)


def bars(names: list[str], named: dict[str, list[float]], path: Path, *, up: str) -> None:
    """Draws several named bars of shares side by side for each of the names to a PNG file."""
    figure = Figure(figsize=(max(7, 1.2 * len(names)), 4.5), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for number, (label, values) in enumerate(named.items()):
        places = np.arange(len(names)) + (number - (len(named) - 1) / 2) * 0.8 / len(named)
        axes.bar(places, values, 0.8 / len(named), label=label)
    slanted = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if len(names) > 6 else {}
    axes.set_xticks(range(len(names)), [literal(name) for name in names], **slanted)
    axes.set(ylabel=up, ylim=(0, 1.02))
    axes.legend()
    figure.savefig(path)


def attention(weights: np.ndarray, across: list[str], down: list[str]) -> np.ndarray:
    """A picture of the attention of each token of a translation (rows) to its source: uint8 (height, width, 3).

    Args:
        weights: (T, S); each row sums to 1.
        across: the S tokens of the source.
        down: the T tokens of the translation.
    """
    figure = Figure(figsize=(1 + 0.25 * len(across), 1 + 0.25 * len(down)), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(xlabel="source", ylabel="translation")
    axes.set_xticks(range(len(across)), [visible(token) for token in across], rotation=90)
    axes.set_yticks(range(len(down)), [visible(token) for token in down])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # matplotlib draws a box for a missing glyph
        return pixels(figure)


def forecast(result: dict, size: tuple[float, float]) -> Figure:
    """A plot of a forecast's report: the series, its forecast and the seasonal naive forecast.

    Args:
        result: the report.
        size: width and height in inches, at 80 dpi.
    """
    figure = Figure(figsize=size, dpi=80, layout="constrained")
    axes, drawn = figure.add_subplot(), result["drawn"]
    steps = range(drawn["first"], drawn["first"] + len(drawn["truth"]))
    axes.plot(steps, drawn["seasonal"], color="tab:orange", linewidth=1, label=f"{result['season']} steps before")
    axes.plot(steps, drawn["truth"], color="black", label="truth")
    axes.plot(steps, drawn["network"], color="tab:blue", linestyle="--", label="network")
    axes.set(xlabel="step of the series", ylabel=literal(result["variable"]))
    figure.legend(ncols=3, loc="outside upper center", fontsize="small")
    return figure


def visible(token: str) -> str:
    """The token with white space made visible."""
    return literal(token).replace(" ", "\u2423").replace("\n", "\u23ce")


def literal(name: str) -> str:
    """The name with dollar signs escaped, which matplotlib would interpret as formulas."""
    return name.replace("$", r"\$")


def pixels(figure: Figure) -> np.ndarray:
    """The figure as uint8 (height, width, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
