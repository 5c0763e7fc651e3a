"""A user's picture files: finding them, reading them with Pillow, and converting them to a network's input shape."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.data.files import files_below

# All formats that Pillow reads by itself. Left out are EPS, for which it runs Ghostscript, and those that need plugins.
Image.init()
FORMATS = tuple(sorted(Image.OPEN.keys() - {"EPS", "WMF", "HDF5", "GRIB", "BUFR", "MPEG"}))
GRAY_MODES = ("1", "L", "I;16", "I;16B", "I", "F", "LA")
# Possible values of white in pictures of more than 8 bits: the smallest that is not below the brightest pixel is used.
WHITE = {"I;16": (65535,), "I;16B": (65535,), "I": (255, 65535), "F": (1, 255)}
SAMPLE = 100  # pictures whose headers determine the size and the channels of all
OWN_SIZE = 96  # pixels up to which pictures keep a size that they all share
SIZE = (64, 64)  # for all other pictures, unless the user asks for a size


def find_pictures(folder: Path) -> list[Path]:
    """All files below `folder` with a suffix that Pillow knows, in a fixed order; hidden files are left out."""
    # MPO files, which are JPEGs with a second picture, are read as JPEG.
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in (*FORMATS, "MPO")}
    return files_below(folder, endings)


def shape_of(pictures: list[Path], size: tuple[int, int] | None) -> tuple[int, int, int]:
    """The (height, width, channels) to which the pictures are converted, from the headers of a sample."""
    sizes, modes = set(), set()
    for path in pictures[:: max(1, len(pictures) // SAMPLE)]:
        try:
            with Image.open(path, formats=FORMATS) as picture:
                sizes.add((picture.height, picture.width))
                modes.add(picture.mode)
        except Exception:  # a broken file, which is reported when the pictures are read
            continue
    shared = sizes.pop() if len(sizes) == 1 else None
    own = shared if shared and max(shared) <= OWN_SIZE else SIZE
    return *(size or own), 1 if modes and modes <= set(GRAY_MODES) else 3


def read_picture(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """The picture as uint8 of `shape` (height, width, channels), rotated according to its EXIF orientation.

    Transparent parts become white; channels are 1 (grey) or 3 (RGB).

    Raises:
        OSError: the file is not a picture, is broken, or is implausibly large; the message says which.
    """
    height, width, channels = shape
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as file:
                picture = ImageOps.exif_transpose(file)
                picture = to_mode(picture, "L" if channels == 1 else "RGB")
        except OSError:
            raise
        except Exception as error:  # Pillow's decoders raise almost any error on broken input
            raise OSError(f"{type(error).__name__}: {error}") from error
    return fit(np.asarray(picture).reshape(picture.height, picture.width, -1), (height, width))


def to_mode(picture: Image.Image, mode: str) -> Image.Image:
    """The picture in 8-bit grey or RGB."""
    if picture.mode in WHITE:  # more than 8 bits, which Pillow's own conversion would clip at 255
        values = np.asarray(picture, dtype=np.float64)
        if not np.isfinite(values).all():
            raise OSError("it contains NaN or infinity")
        white = next((white for white in WHITE[picture.mode] if values.max() <= white), values.max())
        picture = Image.fromarray(np.uint8(np.round(values.clip(0) * (255 / white))))
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert(mode)


def fit(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A uint8 (H, W, C) picture resized to `size` (height, width), with antialiasing if it shrinks."""
    if pixels.shape[:2] == tuple(size):
        return pixels
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(*size, -1)
