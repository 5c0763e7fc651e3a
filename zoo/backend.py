"""Keras and its backend: imported without noise, and configured for this package.

Every sub-package that computes something imports this module first. Commands that compute nothing therefore do not wait
for TensorFlow, and Keras is configured in the same way whatever is imported first. It is the only file with code for a
particular backend that models and layers use.
"""

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator

from zoo.errors import UserError


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Suppresses what C++ code prints to standard error, whatever its log level."""
    try:
        kept = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Makes Ctrl-C end the process at once: an import of TensorFlow would print a traceback or ignore it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if before is not None:  # None: the handler was not installed from Python
            signal.signal(signal.SIGINT, before)


try:
    with hushed(), interruptible():
        import keras
except (ImportError, ValueError) as error:
    raise UserError(
        f"Keras cannot load its backend ({error}): unset KERAS_BACKEND, or fix ~/.keras/keras.json"
    ) from error

for _library in ("absl", "tensorflow"):  # their warnings are intended behaviour, or are reported better here
    logging.getLogger(_library).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", "You are using a softmax over axis")  # a text of one token attends only to itself
# Other settings in a user's keras.json would give another network, or other results, under the same name.
keras.config.set_floatx("float32")
keras.config.set_image_data_format("channels_last")


def check_tensorflow() -> None:
    """Raises UserError where Keras' backend is not TensorFlow, on whose data and compiled functions a verb relies."""
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras' backend is {keras.backend.backend()}, but training, and whatever writes token by token, want "
            "tensorflow: unset KERAS_BACKEND, or fix ~/.keras/keras.json"
        )


def fused_batch_norm(x, scale, offset, *, mean, variance, epsilon: float) -> tuple:
    """TensorFlow's batch normalisation over the last axis, in one operation instead of a dozen passes over memory.

    Requires the TensorFlow backend.

    Args:
        x: (B, H, W, C), in any floating-point type.
        scale: (C,) float32, by which the normalised values are multiplied.
        offset: (C,) float32, which is then added.
        mean: (C,) float32 to normalise with; None: that of the batch.
        variance: (C,) float32 to normalise with; None, which must go with None for `mean`: that of the batch.
        epsilon: added to the variance; TensorFlow replaces values below 1.001e-5 by that.

    Returns:
        (B, H, W, C), and the mean and the variance, each (C,) float32. Those of the batch are meant for moving
        averages: the variance is the unbiased one, with B H W - 1 in the denominator.
    """
    import tensorflow as tf

    return tf.compat.v1.nn.fused_batch_norm(
        x, scale, offset, mean=mean, variance=variance, epsilon=epsilon, is_training=mean is None
    )
