"""A zoo of neural networks in Keras, each one page, each trained by one command on real data."""

import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator

__version__ = "0.4.0"  # A run goes on only with the version that began it: to be raised when its numbers change.


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keeps away what a library's C++ prints to the standard error while it is loaded, whatever its log level."""
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


if sys.argv[:1] == ["-m"]:  # `python -m zoo.VERB`: Ctrl-C while TensorFlow loads ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for _number in range(3):  # one that was closed would be given to the next file that is opened
        try:
            os.fstat(_number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    with hushed():
        import keras as _keras  # brings the backend, which is what prints
except (ImportError, ValueError) as error:
    if sys.argv[:1] != ["-m"]:
        raise
    print(
        f"zoo: Keras cannot load its backend ({error}): unset KERAS_BACKEND, or fix ~/.keras/keras.json",
        file=sys.stderr,
    )
    raise SystemExit(2) from None
for _library in ("absl", "tensorflow"):  # they warn of what is said better here, or is meant
    logging.getLogger(_library).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", "You are using a softmax over axis")  # a text of one token attends to itself alone
# What a person's keras.json says otherwise would be another network, or other numbers, under the same name.
_keras.config.set_floatx("float32")
_keras.config.set_image_data_format("channels_last")
