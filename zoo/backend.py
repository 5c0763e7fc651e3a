"""Keras with its backend: loaded quietly and set as this project means it.

Every folder that computes imports this module first, so that the commands that compute nothing do not wait for
TensorFlow, and so that Keras is the same whatever is imported first.
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
    """Keeps back what a library's C++ prints to the standard error, whatever its log level."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error to keep clean
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
    """Lets Ctrl-C end the process at once: an interrupt within an import of TensorFlow would be printed or swallowed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


try:
    with hushed(), interruptible():
        import keras
except (ImportError, ValueError) as error:
    raise UserError(
        f"Keras cannot load its backend ({error}): unset KERAS_BACKEND, or fix ~/.keras/keras.json"
    ) from error

for _library in ("absl", "tensorflow"):  # they warn of what is said better here, or is meant
    logging.getLogger(_library).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", "You are using a softmax over axis")  # a text of one token attends to itself alone
# Another setting in a person's keras.json would be another network, or other numbers, under the same name.
keras.config.set_floatx("float32")
keras.config.set_image_data_format("channels_last")
