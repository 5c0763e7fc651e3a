"""What all verbs share: parsing the command line, and reporting errors in one line.

Flags are derived from the fields of records and the signature of the builder, so nothing is declared twice.
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
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import docstring_parser
import tyro

from zoo.errors import Ended, Stopped, UserError, disk_is_full, ended, has_undecoded, nearest, printable
from zoo.recipes import RECIPES
from zoo.recipes.own import is_own, own

if TYPE_CHECKING:
    from zoo.training import Recipe

Options = TypeVar("Options")
HELP = ("-h", "--help", "--help-all")
SHORT = 10  # flags that --help shows at most
USED = (  # those that it shows, of which few recipes have all
    *("teacher", "method.kind", "method.sparsity", "method.temperature", "method.alpha"),
    *("seconds", "json", "data.folder", "data.file", "data.csv", "data.column", "data.label", "data.tokens"),
    *("data.size", "data.batch", "method", "epochs", "minutes", "model.variant", "optimizer.rate", "patience"),
    *("fresh", "logs", "seed"),
)
LONGEST = 2000  # characters of a message
# Errors that the system and not this package causes: permissions, file names, limits, a failing device.
OF_THE_MACHINE = {
    errno.EROFS,
    errno.EACCES,
    errno.ELOOP,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.EISDIR,
    errno.EFBIG,
    errno.EIO,
}


def parse(verb: str, argv: list[str], options: type[Options]) -> tuple[Recipe, Options]:
    """The recipe that is named first, changed by the flags, and the verb's own options.

    Raises:
        UserError: there is no recipe of that name, or it does not accept a value.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    names = "\n".join(f"  {name}" for name in RECIPES)
    if not argv or argv[0] in HELP:
        print(f"usage: python -m zoo.{verb} RECIPE [OPTIONS]\n\nrecipes:\n{names}\n  FILE.py:NAME, one of your own\n")
        print(f"`python -m zoo.{verb} RECIPE --help` shows the options of one.")
        raise SystemExit(0 if argv else 2)
    if argv[0].startswith("-"):
        raise UserError(f"{argv[0]} came before a recipe: wanted `python -m zoo.{verb} RECIPE [OPTIONS]`")
    return parse_for(named(argv[0]), verb, argv, options)


def named(recipe: str) -> Recipe:
    """The recipe of that name, or of a person's own, FILE.py:NAME.

    Raises:
        UserError: there is none.
    """
    if is_own(recipe):
        return own(recipe)
    if recipe not in RECIPES:
        raise UserError(f"no recipe is called {recipe!r}{nearest(recipe, list(RECIPES))}; `python -m zoo` lists them")
    return RECIPES[recipe]


def parse_for(recipe: Recipe, verb: str, argv: list[str], options: type[Options]) -> tuple[Recipe, Options]:
    """The recipe, changed by the flags after the first word, and the verb's own options.

    Raises:
        UserError: the recipe does not accept a value.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    for word in argv:
        if has_undecoded(word):
            raise UserError(f"{word} has letters that are not UTF-8, which TensorFlow cannot write down: rename it")
    registry = tyro.constructors.ConstructorRegistry()
    registry.struct_rule(hyperparameters)
    description = " ".join((recipe.model.func.__doc__ or recipe.name).split("\n\n")[0].split())
    command, name = joined(recipe=recipe, options=options()), f"{verb} {argv[0]}"
    if "--help-all" not in argv and {"-h", "--help"} & set(argv):
        with contextlib.suppress(SystemExit):
            read(most_used(command()), name, ["--help"], description=description)
        print("These are the most used; `--help-all` shows all.")
        raise SystemExit(0)
    parsed = read(command, name, argv[1:], description=description, registry=registry)
    return parsed.recipe, parsed.options


def most_used(command: Any) -> type:
    """A record of those flags of a command, as `joined` makes it, that are used most."""
    found = {}
    for flag in USED:
        *way, name = flag.split(".")
        for part in vars(command).values():
            owner = reduce(lambda record, step: getattr(record, step, None), way, part)
            for spec in arguments(owner):
                if spec.name == name and not dataclasses.is_dataclass(spec.default):  # which has flags of its own
                    found[flag] = spec
    fields = [
        (
            flag.replace(".", "_"),
            Annotated[spec.type, tyro.conf.arg(name=flag, help=spec.helptext or "")],
            field(spec.default),
        )
        for flag, spec in list(found.items())[:SHORT]
    ]
    return dataclasses.make_dataclass("Used", fields)


def read(kind: type[Options], verb: str, argv: list[str], **how) -> Options:
    """The command line parsed as a record of type `kind`.

    Raises:
        UserError: the record does not accept a value.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    try:
        words = ["--help" if word == "--help-all" else word for word in argv]
        return tyro.cli(kind, args=words, prog=f"python -m zoo.{verb}", **how)
    except ValueError as error:  # tyro reports errors only for nested records
        raise UserError(str(error)) from error


def read_with_places(
    verb: str, argv: list[str], options: Options, places: list[str], task: Any = None
) -> tuple[Options, dict, dict]:
    """The options, where the data of a run are now, and files that its task measures by: those flags that were given.

    Args:
        verb: the verb and the run.
        argv: what follows them.
        options: the verb's own options, with their defaults.
        places: the names of the flags --data.NAME.
        task: its fields that only say where files are become flags --task.NAME.

    Raises:
        UserError: the record does not accept a value.
        SystemExit: a flag is wrong (2), or help was asked for (0).
    """
    where = Annotated[Path | None, tyro.conf.arg(help="Where the data are now, if not where they were.")]
    file = Annotated[Path | None, tyro.conf.arg(help="A file to measure by, instead of that of the run.")]
    data = dataclasses.make_dataclass("Data", [(name, where, None) for name in places])
    files = dataclasses.make_dataclass("Task", [(name, file, None) for name in local_fields(task)])
    command = [
        ("options", Annotated[type(options), tyro.conf.arg(name="")], field(options)),
        ("data", data, field(data())),
        ("task", files, field(files())),
    ]
    parsed = read(dataclasses.make_dataclass("Command", command), verb, argv)
    given = [
        {name: value for name, value in vars(part).items() if value is not None} for part in (parsed.data, parsed.task)
    ]
    return parsed.options, *given


def places_in(argv: list[str], places: list[str]) -> dict[str, Path]:
    """Those of the flags --data.NAME with these names that were given; all others may be there too."""
    data = dataclasses.make_dataclass("Data", [(name, Path | None, None) for name in places])
    command = dataclasses.make_dataclass("Command", [("data", data, field(data()))])
    parsed, _ = tyro.cli(command, args=argv, return_unknown_args=True, add_help=False)
    return {name: value for name, value in vars(parsed.data).items() if value is not None}


def local_fields(record: Any) -> list[str]:
    """The names of a record's fields that only say where files are, and are no part of a run's id; none of None."""
    return [] if record is None else [one.name for one in dataclasses.fields(record) if one.metadata.get("local")]


def joined(**parts: Any) -> type:
    """A record of several records, whose fields are all at the top level of the command line."""
    fields = [(name, Annotated[type(part), tyro.conf.arg(name="")], field(part)) for name, part in parts.items()]
    return dataclasses.make_dataclass("Command", fields)


def field(value: Any) -> dataclasses.Field:
    """A dataclass field with this default, which may be mutable."""
    return dataclasses.field(default_factory=lambda: value)


def hyperparameters(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.StructConstructorSpec | None:
    """Tells tyro how to parse a builder in a partial: by its keyword-only arguments and their descriptions."""
    if info.type is not partial:
        return None
    return tyro.constructors.StructConstructorSpec(
        instantiate=lambda **values: partial(info.default.func, **values), fields=tuple(arguments(info.default))
    )


def arguments(owner: Any) -> list[tyro.constructors.StructFieldSpec]:
    """The fields of a record, or the keyword-only arguments of a builder in a partial, with their descriptions."""
    if isinstance(owner, partial):
        import keras  # to resolve return types that are annotated as text

        hints = typing.get_type_hints(owner.func, localns={"keras": keras}, include_extras=True)
        parameters = inspect.signature(owner).parameters.values()
        values = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        described = docstring_parser.parse(inspect.getdoc(owner.func) or "").params
    elif dataclasses.is_dataclass(owner):
        hints = typing.get_type_hints(type(owner), include_extras=True)
        values = {field.name: getattr(owner, field.name) for field in dataclasses.fields(owner)}
        bases = reversed(type(owner).__mro__[:-1])
        described = [text for base in bases for text in docstring_parser.parse_from_object(base).params]
    else:
        return []
    helps = {argument.arg_name: " ".join((argument.description or "").split()) for argument in described}
    return [
        tyro.constructors.StructFieldSpec(name=name, type=hints[name], default=value, helptext=helps.get(name))
        for name, value in values.items()
    ]


def main(verb: Callable[[list[str]], int]) -> int:
    """Runs a verb on the command line; errors of the user or the machine are reported in one line.

    Returns:
        The exit code: the verb's own, 2 for an error of the user or the machine,
        130 or 143 for a stop by Ctrl-C or SIGTERM, 141 if the reader of the output has gone.
    """
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # zoo/__init__.py had set the system's default
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process lives
        getattr(sys, name).reconfigure(errors="backslashreplace")  # for names that the terminal cannot encode
    try:
        code = verb(sys.argv[1:])
        sys.stdout.flush()  # a failing write raises here, and not when Python exits
        return code
    except (Stopped, KeyboardInterrupt) as stop:
        saved = isinstance(stop, Stopped)
        what = "the state is saved: type the same command to go on, without --fresh" if saved else "nothing to save"
        say(f"\nstopped; {what}")
        return 128 + getattr(stop, "number", signal.SIGINT)
    except Ended as stop:
        say("\nstopped at once; the last saved state is intact: type the same command to resume")
        return stop.code
    except BrokenPipeError:  # the reader has gone, as with `| head`
        say("zoo: the output was closed; type the same command to resume")
        return 141
    except Exception as error:
        text = in_a_line(error)
        if text is None:
            raise
        say(f"zoo: {printable(text)}")
        return 2
    finally:
        drop_what_cannot_be_written()


def say(text: str) -> None:
    """Prints a line to standard error, if that is possible."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def drop_what_cannot_be_written() -> None:
    """Discards output that cannot be written, so that Python does not fail when it flushes the streams on exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def in_a_line(error: Exception) -> str | None:
    """The message for an error that the user or the machine caused; None for a bug of this package."""
    if isinstance(error, UserError):
        text = " ".join(str(error).split())
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    if disk_is_full(error):
        return "the disk is full; what was saved is intact: make room and type the same command again, without --fresh"
    if isinstance(error, OSError):
        if error.errno not in OF_THE_MACHINE:
            return None
        where = error.filename or "a file"
        return f"{error.strerror}: {where}; use another location, or close the program that has it open"
    tensorflow = sys.modules.get("tensorflow")  # if it is not imported, it cannot have raised the error
    if isinstance(error, MemoryError) or (tensorflow and isinstance(error, tensorflow.errors.ResourceExhaustedError)):
        return "out of memory: try a smaller --data.batch, smaller pictures or fewer filters"
    return None


def typed(verb: str, argv: list[str]) -> str:
    """The command line that resumes what was started with these arguments."""
    return shlex.join(["python", "-m", f"zoo.{verb}", *(word for word in argv if word != "--fresh")])


def first_word(verb: str, argv: list[str], usage: str, about: str) -> str:
    """The first argument, which names a run.

    Args:
        verb: the verb.
        argv: its arguments.
        usage: the arguments that it takes, such as RUN [OPTIONS].
        about: the rest of the help text.

    Raises:
        UserError: a flag came first.
        SystemExit: help was asked for (0), or there are no arguments (2).
    """
    if not argv or argv[0] in HELP:
        print(f"usage: python -m zoo.{verb} {usage}\n\n{about}")
        raise SystemExit(0 if argv else 2)
    if argv[0].startswith("-"):
        raise UserError(f"{argv[0]} came before a run: wanted `python -m zoo.{verb} {usage}`")
    return argv[0]


def apart(argv: list[str]) -> tuple[str | None, list[str]]:
    """The value of --weights, which determines what other flags there are, and the other arguments."""
    parsed, rest = tyro.cli(Weights, args=argv, return_unknown_args=True, add_help=False)
    if parsed.weights == "":
        raise UserError("--weights came empty: wanted imagenet, hub, a file or a folder")
    return parsed.weights, rest


@dataclasses.dataclass(frozen=True)
class Weights:
    """Published weights instead of a run."""

    weights: str | None = None
    """Weights of a published network, which is then named instead of a run: imagenet, hub, or a file or folder of such
    weights."""
