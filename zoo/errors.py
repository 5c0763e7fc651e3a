"""What users read: the error that they see without a traceback, how a stopped command ends, and text made safe."""

import dataclasses
import difflib
import errno
import inspect
import signal
import unicodedata
from typing import Any

# Besides control characters: ends of lines and of paragraphs, and what turns the direction of the letters that follow.
MOVING = "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class UserError(ValueError):
    """The input or the machine is at fault: the message is one line with what came, what was wanted and what to do."""

    _keras_call_info_injected = True  # Keras would wrap one that a layer raises in the arguments of its call


class Stopped(Exception):
    """Ctrl-C or SIGTERM during a training, whose state has been saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Ended(SystemExit):
    """SIGTERM when there was nothing to save, or a second signal, which does not wait for a save."""


def ended(number: int, frame) -> None:
    """A signal handler that ends the process at once."""
    raise Ended(128 + number)


def disk_is_full(error: BaseException) -> bool:
    """Whether an error of Python, HDF5, TFDS or TensorFlow means that the disk is full; each reports it differently."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def spoken(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def has_undecoded(text: str) -> bool:
    """Whether the text holds what Python makes of bytes that are not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def printable(text: str, kept: str = "\t") -> str:
    """The text without control characters, which could move a terminal's cursor; they are written as Python does.

    Args:
        text: with names that somebody else may have chosen.
        kept: control characters that are meant.
    """

    def moves(letter: str) -> bool:
        return letter not in kept and (unicodedata.category(letter) in ("Cc", "Cs") or letter in MOVING)

    return "".join(ascii(letter)[1:-1] if moves(letter) else letter for letter in text)


def all_printable(value: Any) -> Any:
    """A value of JSON, such as a report, all of whose text is `printable`."""
    if isinstance(value, dict):
        return {all_printable(key): all_printable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [all_printable(inner) for inner in value]
    return printable(value) if isinstance(value, str) else value


def nearest(word: str, known: list[str]) -> str:
    """'; nearest: a, b' with the known words most similar to `word`; if none is, all known words if they are few."""
    like = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if not like and len(known) <= 12:
        return f"; known: {', '.join(known)}"
    return f"; nearest: {', '.join(like)}" if like else ""


def check_contract(thing: object, contract: type, what: str) -> None:
    """Checks that an object has everything an abstract class declares, whether or not it is a subclass.

    Args:
        thing: a record of this package or of the user.
        contract: the abstract class, such as `zoo.data.Source`.
        what: the name of the argument, such as "data".

    Raises:
        UserError: it lacks something, or is not a frozen dataclass.
    """
    kind, wanted = type(thing).__name__, f"{contract.__module__}.{contract.__name__}"
    if isinstance(thing, type):
        raise UserError(f"{what} came as the class {thing.__name__}: give a record of it, such as {thing.__name__}()")
    # What the class defines itself, only its subclasses have.
    public = {name for name in vars(contract) if not name.startswith("_")}
    wanted_of = contract.__abstractmethods__ if isinstance(thing, contract) else public
    names = sorted(wanted_of | set(inspect.get_annotations(contract)))
    lacking = [name for name in names if inspect.getattr_static(thing, name, None) is None]
    if lacking:
        raise UserError(f"{what} came as {kind}, which lacks {', '.join(lacking)}: {wanted} says what each must be")
    if not dataclasses.is_dataclass(thing) or not type(thing).__dataclass_params__.frozen:
        raise UserError(f"{what} came as {kind}, which is not a frozen dataclass: a run writes down its fields")
