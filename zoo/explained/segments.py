"""The parts of an input that methods hide and show as a whole: regions of a picture, tokens, steps, columns."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.cluster.hierarchy import linkage

from zoo.data.features import Features, Pixels
from zoo.errors import UserError

ACROSS = 8  # squares along the shorter side of a small picture
SMALL = 32  # pixels of a side below which a picture is cut into squares
REGIONS = 50  # that are wanted of a larger picture


def segments(features: Features) -> np.ndarray:
    """The part to which each thing belongs: (G,) int, from 0 on.

    LIME's own segmentation finds a single region in a picture of 8x8 pixels. So small pictures, and those of sounds,
    are cut into squares, and others into regions of like colour by SLIC (Achanta 2012).

    Raises:
        UserError: scikit-image, which has SLIC, is not installed.
    """
    if not isinstance(features, Pixels):
        return np.arange(features.count)
    height, width = features.grid.shape
    if features.axes or min(height, width) < SMALL:
        side = max(1, round(min(height, width) / ACROSS))
        rows, columns = np.arange(height) // side, np.arange(width) // side
        found = rows[:, None] * (columns[-1] + 1) + columns
    else:
        check_installed("skimage")
        from skimage.segmentation import slic

        picture = np.float64(features.picture) / 255
        found = slic(picture if picture.shape[-1] == 3 else np.repeat(picture, 3, -1), REGIONS, start_label=0)
    _, found = np.unique(found, return_inverse=True)
    parts = np.empty(features.count, np.int64)
    parts[features.grid] = found.reshape(height, width)
    return parts


def check_installed(package: str) -> None:
    """Raises UserError if a package of the extra `explain` is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            __import__(package)
    except ImportError as error:
        raise UserError(
            f'--method needs the package {package}, which cannot be imported ({error}): pip install -e ".[explain]"'
        ) from error


def called(features: Features, parts: np.ndarray) -> str:
    """What the parts are, with their number."""
    count = parts.max() + 1
    return f"{count} regions of the picture" if isinstance(features, Pixels) else f"{count} parts"


def tree(features: Features, parts: np.ndarray) -> np.ndarray:
    """A hierarchy of the parts in which neighbours come together first, as scipy writes it: (P - 1, 4)."""
    if isinstance(features, Pixels):
        height, width = features.grid.shape
        places = np.empty((features.count, 2))
        places[features.grid] = np.stack(np.meshgrid(range(height), range(width), indexing="ij"), -1)
    else:
        places = np.arange(features.count, dtype=float)[:, None]
    sums = np.stack([np.bincount(parts, axis) for axis in places.T], -1)
    return linkage(sums / np.bincount(parts)[:, None], "complete")


def windows(features: Features) -> np.ndarray:
    """What occlusion hides at once, (N, G) bool: overlapping squares of a picture, or else each thing by itself."""
    if not isinstance(features, Pixels):
        return np.eye(features.count, dtype=bool)
    height, width = features.grid.shape
    side = max(2, round(min(height, width) / ACROSS)) if min(height, width) > 1 else 1
    stride, found = max(1, side // 2), []
    # From one step before the edge on, so that pixels at the edge are hidden as often as others.
    for top in range(stride - side, height, stride):
        for left in range(stride - side, width, stride):
            square = features.grid[max(top, 0) : top + side, max(left, 0) : left + side]
            found.append(np.zeros(features.count, bool))
            found[-1][square] = True
    return np.stack(found)
