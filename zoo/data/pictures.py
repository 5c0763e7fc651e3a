"""A user's picture files: finding them, reading them with Pillow, and converting them to a network's input shape."""

import contextlib
import re
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.data.deep import Scale, is_deep, to_eight_bits
from zoo.data.files import all_files

with contextlib.suppress(ImportError):  # reads HEIC, the pictures of iPhones, where the user has installed it
    import pillow_heif

    pillow_heif.register_heif_opener()

# All formats that Pillow reads by itself. Left out are EPS, for which it runs Ghostscript, and those that need plugins.
Image.init()
COMMON = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP")  # are tried first, which halves the time to open a picture
FORMATS = (*COMMON, *sorted(Image.OPEN.keys() - {*COMMON, "EPS", "WMF", "HDF5", "GRIB", "BUFR", "MPEG"}))
# MPO files, which are JPEGs with a second picture, are read as JPEG.
ENDINGS = {ending for ending, kind in Image.registered_extensions().items() if kind in (*FORMATS, "MPO")}
# Formats that are recognised by how they begin, in files with other endings or without one.
RECOGNISED = tuple(name for name in FORMATS if name in (*COMMON, "AVIF", "HEIF", "JPEG2000"))
RAW = {".arw", ".cr2", ".dng", ".nef", ".orf", ".pef", ".rw2", ".srw"}  # TIFF files of cameras, with a small preview
GRAY_MODES = ("1", "L", "I;16", "I;16B", "I", "F", "LA")
MOST = 500_000_000  # pixels that a picture may have; in colour these take 2 GB while it is read
ONE_BY_ONE = 30_000_000  # pixels from which on only one picture is read at a time
SAMPLE = 100  # pictures whose headers determine the size and the channels of all
OWN_SIZE = 96  # pixels up to which pictures keep a size that they all share
SIZE = (64, 64)  # for all other pictures, unless the user asks for a size

# Above its limit Pillow warns, and above twice as much it raises an error; `read_picture` says both in other words.
Image.MAX_IMAGE_PIXELS = MOST
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
large = threading.Lock()


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below `folder` in a fixed order; hidden files are left out.

    These are the files with a suffix that Pillow knows, and those with another or none that begin as a picture does.
    """
    return [path for path in all_files(folder) if path.suffix.lower() in ENDINGS or begins_as_picture(path)]


def begins_as_picture(path: Path) -> bool:
    """Whether a file with an unknown ending is a picture."""
    if path.suffix.lower() in RAW:
        return False
    try:
        with open(path, "rb") as file, Image.open(file, formats=RECOGNISED):
            return True
    except Exception:  # Pillow's decoders raise almost any error on other files
        return False


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


def read_picture(path: Path, shape: tuple[int, int, int], scale: Scale | None = None) -> np.ndarray:
    """The picture as uint8 of `shape` (height, width, channels), rotated according to its EXIF orientation.

    Transparent parts become white; channels are 1 (grey) or 3 (RGB).

    Args:
        path: of the file.
        shape: wanted.
        scale: what is black and what is white in pictures of more than 8 bits; None: see `zoo.data.deep.usual`.

    Raises:
        OSError: the file is not a picture, is broken, or has more than 500 million pixels; the message says which.
    """
    height, width, channels = shape
    try:
        with Image.open(path, formats=FORMATS) as file:
            if file.width * file.height > MOST:
                raise OSError(too_large(file.width * file.height))
            file.draft(None, (4 * max(height, width),) * 2)  # a JPEG decodes smaller several times as fast
            with large if file.width * file.height > ONE_BY_ONE else contextlib.nullcontext():
                picture = to_eight_bits(file, scale) if is_deep(file) else file
                ImageOps.exif_transpose(picture, in_place=True)
                picture = to_mode(picture, "L" if channels == 1 else "RGB")
                return fit(np.asarray(picture).reshape(picture.height, picture.width, -1), (height, width))
    except OSError:
        raise
    except Image.DecompressionBombError as error:
        raise OSError(too_large(int(re.search(r"\d+", str(error))[0]))) from error
    except Exception as error:  # Pillow's decoders raise almost any error on broken input
        raise OSError(f"{type(error).__name__}: {error}") from error


def too_large(pixels: int) -> str:
    """What is wrong with a picture of that many pixels."""
    return f"it has {pixels:,} pixels, more than {MOST // 10**6} million: make it smaller"


def to_mode(picture: Image.Image, mode: str) -> Image.Image:
    """The picture of 8 bits in grey or RGB."""
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
