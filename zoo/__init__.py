"""A zoo of neural networks in Keras, each one page, each trained by one command on real data."""

import os
import signal
import sys

__version__ = "0.5.0"  # A run goes on only with the version that began it: raise it when numbers change.

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if sys.argv[:1] == ["-m"]:  # `python -m zoo.VERB`: Ctrl-C before the verb has begun ends it without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for _number in range(3):  # a standard stream that was closed would be given to the next file that is opened
        try:
            os.fstat(_number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
