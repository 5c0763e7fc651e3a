"""What all verbs share on the command line: reading it, and answering in one line when something is wrong.

Flags come from the records' fields and from the builder's signature, so nothing is declared twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import inspect
import os
import shlex
import signal
import sys
import typing
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import docstring_parser
import tyro

from zoo.errors import Ended, Stopped, UserError, disk_is_full, ended, has_undecoded, nearest
from zoo.recipes import RECIPES

if TYPE_CHECKING:
    from zoo.training import Recipe

Options = TypeVar("Options")
# What the system refuses for reasons of its own: rights, names, limits, a device that fails.
OF_THE_MACHINE = {
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.EISDIR,
    errno.EFBIG,
    errno.EIO,
}


def parse(verb: str, argv: list[str], options: type[Options]) -> tuple[Recipe, Options]:
    """A recipe's name and flags as the recipe, changed as the flags say, and the verb's own options.

    Raises:
        UserError: no recipe has that name.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    names = "\n".join(f"  {name}" for name in RECIPES)
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: python -m zoo.{verb} RECIPE [OPTIONS]\n\nrecipes:\n{names}\n")
        print(f"`python -m zoo.{verb} RECIPE --help` shows the options of one.")
        raise SystemExit(0 if argv else 2)
    if argv[0].startswith("-"):
        raise UserError(f"{argv[0]} came before a recipe: wanted `python -m zoo.{verb} RECIPE [OPTIONS]`")
    if argv[0] not in RECIPES:
        raise UserError(f"no recipe is called {argv[0]!r}{nearest(argv[0], list(RECIPES))}; `python -m zoo` lists them")
    return parse_for(RECIPES[argv[0]], verb, argv, options)


def parse_for(recipe: Recipe, verb: str, argv: list[str], options: type[Options]) -> tuple[Recipe, Options]:
    """The recipe, changed as the flags after the first word say, and the verb's own options.

    Raises:
        UserError: the recipe does not accept a value.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    for word in argv:
        if has_undecoded(word):
            raise UserError(f"{word} has letters that are not UTF-8, which TensorFlow cannot write down: rename it")
    registry = tyro.constructors.ConstructorRegistry()
    registry.struct_rule(hyperparameters)
    description = " ".join(recipe.model.func.__doc__.split("\n\n")[0].split())
    given = read(
        joined(recipe=recipe, options=options()),
        f"{verb} {argv[0]}",
        argv[1:],
        description=description,
        registry=registry,
    )
    return given.recipe, given.options


def read(kind: type[Options], verb: str, argv: list[str], **how) -> Options:
    """The command line's words as that record.

    Raises:
        UserError: the record does not accept a value.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    try:
        return tyro.cli(kind, args=argv, prog=f"python -m zoo.{verb}", **how)
    except ValueError as error:  # tyro itself answers for the records within records only
        raise UserError(str(error)) from error


def joined(**parts: Any) -> type:
    """A record of the records, whose fields all stand at one level on the command line."""
    fields = [(name, Annotated[type(part), tyro.conf.arg(name="")], field(part)) for name, part in parts.items()]
    return dataclasses.make_dataclass("Command", fields)


def field(value: Any) -> dataclasses.Field:
    """A dataclass field with that default, whatever it is."""
    return dataclasses.field(default_factory=lambda: value)


def hyperparameters(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.StructConstructorSpec | None:
    """Tells tyro how to read a builder inside a partial: by its keyword-only arguments and their docstring."""
    if info.type is not partial:
        return None
    builder = info.default
    described = docstring_parser.parse(inspect.getdoc(builder.func)).params
    helps = {argument.arg_name: " ".join((argument.description or "").split()) for argument in described}
    import keras  # which builders return, in words where they load it late

    hints = typing.get_type_hints(builder.func, localns={"keras": keras}, include_extras=True)
    fields = [
        tyro.constructors.StructFieldSpec(
            name=p.name, type=hints[p.name], default=p.default, helptext=helps.get(p.name)
        )
        for p in inspect.signature(builder).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    ]
    return tyro.constructors.StructConstructorSpec(
        instantiate=lambda **chosen: partial(builder.func, **chosen), fields=tuple(fields)
    )


def main(verb: Callable[[list[str]], int]) -> int:
    """Runs a verb on the command line's words; what the person or the machine did wrong ends in one line.

    Returns:
        The exit code: the verb's own, 2 for a mistake of the person or a shortage of the machine,
        130 or 143 for a stop by Ctrl-C or SIGTERM, 141 where the reader of the output has gone.
    """
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # `zoo` had left it to the system while it was loading
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started this
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process lives
        getattr(sys, name).reconfigure(errors="backslashreplace")  # a name that the terminal's alphabet lacks
    try:
        code = verb(sys.argv[1:])
        sys.stdout.flush()  # what cannot be written fails here, and not at Python's end
        return code
    except (Stopped, KeyboardInterrupt) as stop:
        saved = isinstance(stop, Stopped)
        what = "the state is saved: type the same command to go on, without --fresh" if saved else "nothing to save"
        say(f"\nstopped; {what}")
        return 128 + getattr(stop, "number", signal.SIGINT)
    except Ended as stop:
        say("\nstopped at once; what was saved before is whole: type the same command to go on")
        return stop.code
    except BrokenPipeError:  # such as `| head`: the reader has gone
        say("zoo: the reader of the output has gone; type the same command to go on")
        return 141
    except Exception as error:
        text = in_a_line(error)
        if text is None:
            raise
        say(f"zoo: {text}")
        return 2
    finally:
        drop_what_cannot_be_written()


def say(text: str) -> None:
    """A line on the standard error, if that can be written to."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def drop_what_cannot_be_written() -> None:
    """Lets Python end in peace where the output is full or its reader has gone: it would write the rest once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def in_a_line(error: Exception) -> str | None:
    """The message for an error that the person or the machine caused; None if the fault is ours."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    if disk_is_full(error):
        return "the disk is full; what was saved is whole: make room and type the same command again, without --fresh"
    if isinstance(error, OSError):
        if error.errno not in OF_THE_MACHINE:
            return None
        return f"{error.strerror}: {error.filename or 'a file'}; choose another place, or close what holds it"
    tensorflow = sys.modules.get("tensorflow")  # where it is not loaded, it has raised nothing
    if isinstance(error, MemoryError) or (tensorflow and isinstance(error, tensorflow.errors.ResourceExhaustedError)):
        return "out of memory: try a smaller --data.batch, smaller pictures or fewer filters"
    return None


def typed(verb: str, argv: list[str]) -> str:
    """The command that goes on with what these words began."""
    return shlex.join(["python", "-m", f"zoo.{verb}", *(word for word in argv if word != "--fresh")])


def first_word(verb: str, argv: list[str], usage: str, about: str) -> str:
    """The run that was named first.

    Args:
        verb: that was typed.
        argv: the words after it.
        usage: what the verb wants, such as RUN [OPTIONS].
        about: what the verb does, for the help.

    Raises:
        UserError: a flag came first.
        SystemExit: help was asked for (0), or there are no words (2).
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: python -m zoo.{verb} {usage}\n\n{about}")
        raise SystemExit(0 if argv else 2)
    if argv[0].startswith("-"):
        raise UserError(f"{argv[0]} came before a run: wanted `python -m zoo.{verb} {usage}`")
    return argv[0]


def apart(argv: list[str]) -> tuple[str | None, list[str]]:
    """The value of --weights, which decides what the other flags are, and the other words."""
    given, rest = tyro.cli(Weights, args=argv, return_unknown_args=True, add_help=False)
    return given.weights, rest


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights that others published, in the place of a run."""

    weights: str | None = None
    """Of a published network instead of a run: imagenet, hub, a file or a folder of such weights."""
