"""What the comparisons share: weights that hide no mistake, and pictures."""

import keras
import numpy as np


def pixels(shape: tuple[int, ...], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype("float32")


def randomize(model: keras.Model) -> None:
    """Gives biases, scales and moving statistics values of their own: as they begin, a swap of two would not show."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.path.split("/")[-1] in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif len(weight.shape) == 1:
            weight.assign(random.normal(0, 0.1, weight.shape))


def relative(ours, theirs) -> float:
    """The largest difference, as a part of the largest number."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
