"""What a page has for people to give an input with: something to draw on, to speak into, or to type in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from zoo.data.inputs import Lines
from zoo.errors import UserError
from zoo.opened import Opened

CANVAS = 280  # pixels of the side of what is drawn on
BRUSH = 22  # pixels: as wide for a canvas as the strokes of handwritten digits are for a picture of them


@dataclass(frozen=True)
class Given:
    """The components of one kind of input.

    Args:
        components: what the page shows, whose values `read` takes in this order.
        read: gives what the source's `Inputs.of` takes, a list of one path or text, and raises UserError if nothing was
            given. A path may be in the folder that it gets first.
    """

    components: list[gr.components.Component]
    read: Callable[..., list]


def given_for(found: Opened) -> Given:
    """What fits a network's inputs; it is drawn where this is called, on a page that is being built."""
    if issubclass(found.source.Inputs, Lines):
        return typed(found)
    return {"picture": picture, "sound": sound}.get(found.source.kind, table)(found)


def typed(found: Opened) -> Given:
    """A box for a text."""
    kind = found.source.kind
    box = gr.Textbox(label=kind, lines=3, max_length=100_000)
    return Given([box], lambda folder, text: [is_there((text or "").strip() or None, f"a {kind}")])


def picture(found: Opened) -> Given:
    """A place for a picture; for grey ones also something to draw on."""
    if found.spec["input_shape"][-1] != 1:
        return Given([gr.Image(type="filepath", label="picture")], lambda folder, path: [is_there(path, "a picture")])
    dark = has_dark_ground(found)
    ground, ink = ("black", "white") if dark else ("white", "black")
    said = "as in most of this run's pictures" if dark is not None else "which this run may not have been trained on"
    sheet = np.full((CANVAS, CANVAS), 255 * (ground == "white"), np.uint8)
    gr.Markdown(f"Draw, {ink} on {ground}, {said}; or drop a picture.")
    canvas = gr.ImageEditor(
        {"background": sheet, "layers": [], "composite": None},
        show_label=False,
        type="pil",
        image_mode="RGB",
        brush=gr.Brush(default_size=BRUSH, colors=[ink], color_mode="fixed"),
        layers=False,
        transforms=(),
        canvas_size=(CANVAS, CANVAS),
        format="png",
    )

    def read(folder: Path, drawn: dict | None) -> list[Path]:
        image = (drawn or {}).get("composite") or (drawn or {}).get("background")
        path = folder / "picture.png"
        is_there(image, "a picture").convert("L").save(path)
        return [path]

    return Given([canvas], read)


def sound(found: Opened) -> Given:
    """A place to record or drop a sound."""
    return Given(
        [gr.Audio(type="filepath", format="wav", label="sound")], lambda folder, path: [is_there(path, "a sound")]
    )


def table(found: Opened) -> Given:
    """A place for a file, and a box for what would be in it; numbers alone are a column without a name."""
    kind = found.source.kind

    def read(folder: Path, path: str | None, text: str | None) -> list[Path]:
        text = (text or "").strip()
        if bool(path) == bool(text):
            raise UserError("give either a file or its lines, and not both" if path else "give a file, or its lines")
        if path:
            return [Path(path)]
        if is_number(text.splitlines()[0]):
            text = f"value\n{text}"
        pasted = folder / "pasted.csv"
        pasted.write_text(f"{text}\n", encoding="utf-8")
        return [pasted]

    file = gr.File(label=kind, type="filepath")
    return Given([file, gr.Textbox(label="or its lines, with the names of the columns first", lines=6)], read)


def is_number(line: str) -> bool:
    """Whether a line holds a number, or whatever else no name of a column is: it has no letter."""
    with suppress(ValueError):
        return float(line) is not None
    return not any(map(str.isalpha, line))


def is_there(value: Any, what: str) -> Any:
    """The value.

    Raises:
        UserError: it is None.
    """
    if value is None:
        raise UserError(f"give {what} first")
    return value


def has_dark_ground(found: Opened) -> bool | None:
    """Whether the edges of the run's pictures are rather dark; None if the data are not there any more."""
    try:
        pictures = next(iter(found.source.load("validation")))[0].numpy()
    except (UserError, OSError, ValueError):
        return None
    edges = np.concatenate([pictures[:, [0, -1]].reshape(-1), pictures[:, :, [0, -1]].reshape(-1)])
    return bool(edges.mean() < 128)
