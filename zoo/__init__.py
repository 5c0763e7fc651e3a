"""A zoo of neural networks in Keras: each is one page of code and is trained by one command on real data."""

import contextlib
import os
import signal
import sys

__version__ = "0.5.0"  # A run can be resumed only by the version that started it: raise it when results change.

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if sys.argv and os.path.basename(sys.argv[0]) in ("-m", "zoo", "zoo.exe"):  # typed as `python -m zoo.VERB`, or `zoo`
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports ends it without a traceback
    # `python -m` puts the current folder first on the path, where somebody else's data may lie beside a numpy.py.
    if sys.argv[0] == "-m" and sys.path and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
        with contextlib.suppress(OSError):  # there may be no current folder any more
            if os.path.samefile(sys.path[0] or os.curdir, os.curdir):
                del sys.path[0]
    for _number in range(3):  # the number of a closed standard stream would be given to the next file that is opened
        try:
            os.fstat(_number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
