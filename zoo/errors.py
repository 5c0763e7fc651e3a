"""How a command ends early: the one error that a person sees without a traceback, and stops."""

import dataclasses
import difflib
import errno
import inspect
import signal


class UserError(ValueError):
    """The input or the machine is at fault: one line that says what came, what was wanted and what to do."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM came during a training; its state is saved."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Ended(SystemExit):
    """SIGTERM came where nothing had to be saved, or a second signal, which does not wait for a save."""


def ended(number: int, frame) -> None:
    """A signal handler that ends the process at once."""
    raise Ended(128 + number)


def disk_is_full(error: BaseException) -> bool:
    """Whether that is what an error of Python, HDF5, TFDS or TensorFlow means; each says it in its own way."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)


def has_undecoded(text: str) -> bool:
    """Whether the text holds what Python makes of bytes that are not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def nearest(word: str, known: list[str]) -> str:
    """'; nearest: a, b' with the known words most like `word`, or all of them where none is alike and they are few."""
    like = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if not like and len(known) <= 12:
        return f"; known: {', '.join(known)}"
    return f"; nearest: {', '.join(like)}" if like else ""


def check_contract(thing: object, contract: type, what: str) -> None:
    """Names what an object lacks of an abstract class, whether or not it is a subclass.

    Args:
        thing: a record of the package, or one that a person wrote.
        contract: the abstract class, such as `zoo.data.Source`.
        what: the argument as which it came, such as "data".

    Raises:
        UserError: it lacks something, or is not a frozen dataclass.
    """
    kind, wanted = type(thing).__name__, f"{contract.__module__}.{contract.__name__}"
    if isinstance(thing, type):
        raise UserError(f"{what} came as the class {thing.__name__}: give a record of it, such as {thing.__name__}()")
    names = sorted(contract.__abstractmethods__ | set(inspect.get_annotations(contract)))
    lacking = [name for name in names if inspect.getattr_static(thing, name, None) is None]
    if lacking:
        raise UserError(f"{what} came as {kind}, which lacks {', '.join(lacking)}: {wanted} says what each must be")
    if not dataclasses.is_dataclass(thing) or not type(thing).__dataclass_params__.frozen:
        raise UserError(f"{what} came as {kind}, which is not a frozen dataclass: a run writes down its fields")
