"""The one error that a person gets to see without a traceback."""

import difflib
import errno


class UserError(ValueError):
    """The input or the machine is at fault: one line that says what came, what was wanted and what to do."""


def disk_is_full(error: BaseException) -> bool:
    """Whether that is what an error of Python, HDF5, TFDS or TensorFlow, which each say it in their own way, means."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def nearest(word: str, known: list[str]) -> str:
    """'; nearest: a, b' with the known words most like `word`, or all of them where none is and they are few."""
    like = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if not like and len(known) <= 12:
        return f"; known: {', '.join(known)}"
    return f"; nearest: {', '.join(like)}" if like else ""
