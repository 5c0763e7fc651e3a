"""Pictures of more than 8 bits, as X-ray devices, microscopes and telescopes write them: what is black, what is white.

Their files have room for 16 bits or for fractions, and do not say how much of it is used. That is decided once for all
pictures of a folder, and kept with the run, so that a picture means the same in training and afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from zoo.data.files import MANY, side_by_side
from zoo.data.layout import some

WHITES = [(0, 2**bits - 1) for bits in (8, 10, 12, 14, 16)]  # black and white of whole numbers, as devices use them
USUAL = {"I": (255, 65535), "F": (1, 255)}  # white of a single picture: the smallest that is not below its brightest
NARROW = 8  # pictures that use less than this part of black to white are spread over all of it
SHALLOW = (b"\xff\xd8", b"GIF8", b"RIFF", b"BM")  # how files of JPEG, GIF, WebP and BMP begin, which have 8 bits
ORIENTATION = 0x0112  # the tag of EXIF

Ends = tuple[float, float]


class Scale(NamedTuple):
    """What becomes 0 and 255 in pictures of more than 8 bits, (black, white); None: there were none of that kind."""

    whole: Ends | None = None
    """In pictures of whole numbers."""
    fractions: Ends | None = None
    """In pictures of fractions."""


def is_deep(file: Image.Image) -> bool:
    """Whether an opened picture, which has not been decoded yet, has more than 8 bits a channel."""
    return file.mode.startswith("I") or file.mode == "F" or any("16" in str(tile[3]) for tile in file.tile)


def begins_as_deep(path: Path, formats: Sequence[str]) -> bool:
    """Whether a file has more than 8 bits a channel, by its first bytes; no if it is no picture."""
    try:
        with open(path, "rb") as file:
            first = file.read(26)
        if first.startswith(b"\x89PNG"):
            return first[24:25] == b"\x10"
        if first.startswith(SHALLOW):
            return False
        with Image.open(path, formats=formats) as picture:
            return is_deep(picture)
    except Exception:  # a broken file, which is reported when the pictures are read
        return False


def values_of(file: Image.Image) -> np.ndarray:
    """The values of an opened picture of more than 8 bits, (H, W) or (H, W, C).

    Pillow has no colours of 16 bits: it keeps the upper 8 of them, except that PNG files are read by TensorFlow here.
    """
    if file.mode.startswith(("I", "F")):
        return np.asarray(file)
    if file.format == "PNG":
        return tf.io.decode_png(Path(file.filename).read_bytes(), dtype=tf.uint16).numpy()
    return np.asarray(file).astype(np.uint16) * 257


def ends_of(path: Path, formats: Sequence[str]) -> tuple[bool, float, float] | None:
    """Whether a picture holds fractions, its darkest and its brightest value; None if it is broken."""
    try:
        with Image.open(path, formats=formats) as file:
            values = without_alpha(values_of(file))
        ends = float(values.min()), float(values.max())
        return (values.dtype.kind == "f", *ends) if np.isfinite(ends).all() else None
    except Exception:  # it is reported when the pictures are read
        return None


def survey(paths: Sequence[Path], formats: Sequence[str]) -> tuple[Scale, list[str]]:
    """The scale of a folder's pictures, and sentences that say it.

    Args:
        paths: of all pictures.
        formats: those of Pillow that are read.
    """
    begins = side_by_side(lambda path: begins_as_deep(path, formats), paths, each=MANY)
    deep = [path for path, so in zip(paths, begins, strict=True) if so]
    found = [ends for ends in side_by_side(lambda path: ends_of(path, formats), deep) if ends]
    scale, said = {}, []
    for kind, fractions, name in (
        ("whole", False, "whole numbers of more than 8 bits"),
        ("fractions", True, "fractions"),
    ):
        ends = [(low, high) for is_fraction, low, high in found if is_fraction == fractions]
        if not ends:
            continue
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        black, white = scale[kind] = chosen(low, high, fractions)
        bits = f" ({(int(white) + 1).bit_length() - 1} bits)" if (black, white) in WHITES else ""
        known = f"{some(len(ends), 'picture')} of {name}, {low:,g} to {high:,g}"
        said.append(f"{known}: {black:,g} is black and {white:,g} white{bits}")
    return Scale(**scale), said


def chosen(low: float, high: float, fractions: bool) -> Ends:
    """Black and white for values of that range: what their kind usually has, or the range itself if it is far less."""
    likely = [(0, 1), (0, 255)] if fractions else WHITES
    usual = next(((black, white) for black, white in likely if black <= low and high <= white), None)
    if usual and high > usual[1] / 4 and high - low > usual[1] / NARROW and not (fractions and 1 < high < 128):
        return usual
    return low, high if high > low else low + 1


def to_eight_bits(file: Image.Image, scale: Scale | None) -> Image.Image:
    """An opened picture of more than 8 bits as one of 8 bits, with its orientation.

    Args:
        file: not decoded yet.
        scale: what is black and white; None: what is usual for a picture of its kind.

    Raises:
        OSError: it contains NaN or infinity.
    """
    values = values_of(file).astype(np.float64)
    if not np.isfinite(values).all():
        raise OSError("it contains NaN or infinity")
    ends = scale and (scale.fractions if file.mode == "F" else scale.whole)
    if not ends:
        white = USUAL.get(file.mode, (65535,))
        ends = 0, next((white for white in white if values.max() <= white), values.max())
    black, white = ends
    scaled = np.rint((values - black).clip(0, white - black) * (255 / (white - black))).astype(np.uint8)
    if values.ndim == 3 and values.shape[-1] in (2, 4):  # how much a pixel covers always has the whole range
        scaled[..., -1] = values[..., -1] / 257
    picture = Image.fromarray(scaled)
    picture.getexif()[ORIENTATION] = file.getexif().get(ORIENTATION, 1)
    return picture


def without_alpha(values: np.ndarray) -> np.ndarray:
    """The values without the channel that says how much a pixel covers."""
    return values[..., :-1] if values.ndim == 3 and values.shape[-1] in (2, 4) else values
