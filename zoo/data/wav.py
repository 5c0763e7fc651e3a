"""WAV files, read with SciPy, also those whose headers do not know how long they are.

A program that writes to a pipe cannot go back and fill in the sizes in the header. ffmpeg leaves 2**32 - 1 there, sox
and arecord a little more or less than 2**31, and others, or a recorder whose battery ran out, 0. Such a sound goes on
to the end of the file.
"""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
from scipy.io import wavfile

ORDERS = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<", b"BW64": "<"}  # of the bytes in a number
AFTER_A_SOUND = (b"data", b"fact", b"fmt ", b"LIST")  # chunks that may follow an odd one without the byte between


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    """The sampling rate in hertz, and samples (N,) or (N, channels) of the file's own type.

    Raises:
        OSError: the file is not a WAV file, is broken or truncated, or is compressed; the message says which.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)
        try:
            return wavfile.read(io.BytesIO(plain(path.read_bytes())))
        except OSError:
            raise
        except Exception as error:  # SciPy raises almost any error on broken input
            raise OSError(f"{type(error).__name__}: {error}") from error


def plain(written: bytes) -> bytes:
    """The same sound with a header that says how long it is, without titles and the like.

    Raises:
        OSError: the file ends before the samples that its header promises.
    """
    order = ORDERS.get(written[:4])
    if order is None or written[8:12] != b"WAVE":
        return written  # SciPy says what is wrong
    claimed = struct.unpack_from(order + "I", written, 4)[0]
    at, form, large = 12, b"", None
    while at + 8 <= len(written):
        name, size = struct.unpack_from(order + "4sI", written, at)
        start = at + 8
        if name == b"data":
            if large is not None and size == 2**32 - 1:
                claimed, size = large
            size = length(written, start, size, complete=abs(claimed + 8 - len(written)) <= 1, order=order)
            frame = struct.unpack_from(order + "H", form, 12)[0] if len(form) >= 14 else 1
            return joined(order, form, written[start : start + size - size % (frame or 1)])
        if name == b"ds64" and start + 16 <= len(written):  # EBU Tech 3306: the sizes of a file above 4 GiB
            large = struct.unpack_from("<QQ", written, start)
        if name == b"fmt ":
            form = written[start : start + size]
        at = start + size
        if size % 2 and written[at : at + 4] not in AFTER_A_SOUND:
            at += 1
    raise OSError("it is cut off: it ends before its samples" if at > len(written) or not form else "it holds no sound")


def length(written: bytes, start: int, size: int, *, complete: bool, order: str) -> int:
    """The number of bytes of the samples that begin at `start`, of which the header promises `size`.

    Args:
        written: the whole file.
        start: index of the first sample.
        size: of the samples, by the header.
        complete: whether the file is as long as its header says, whatever that says about the samples.
        order: of the bytes in a number.

    Raises:
        OSError: there are fewer, although the header knew.
    """
    there = len(written) - start
    if size == 0 and not are_chunks(written, start, order):
        return there
    if size <= there:
        return size
    if complete or any(abs(size - limit) < 2**16 for limit in (2**31, 2**32, 2**63, 2**64)):
        return there
    raise OSError(f"it is cut off: its header promises {size:,} bytes of samples, and there are {there:,}")


def are_chunks(written: bytes, at: int, order: str) -> bool:
    """Whether chunks with names and sizes fill the file from `at` to its end."""
    while at + 8 <= len(written):
        name, size = struct.unpack_from(order + "4sI", written, at)
        if not (name.isascii() and name.decode().isprintable()):
            return False
        at += 8 + size + size % 2
    return at - 1 <= len(written) <= at


def joined(order: str, form: bytes, samples: bytes) -> bytes:
    """A WAV file of a format chunk and samples."""
    form += b"\0" * (len(form) % 2)
    size = 20 + len(form) + len(samples)
    if size >= 2**32:
        raise OSError("it is longer than 4 GiB: cut it into pieces")
    tag = b"RIFF" if order == "<" else b"RIFX"
    head = tag + struct.pack(order + "I4s4sI", size, b"WAVE", b"fmt ", len(form))
    return head + form + struct.pack(order + "4sI", b"data", len(samples)) + samples
