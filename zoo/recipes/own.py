"""A recipe in a person's own file, named on the command line as `FILE.py:NAME`. Only that file is imported."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from zoo.errors import UserError, nearest

if TYPE_CHECKING:
    from zoo.training import Recipe


def is_own(word: str) -> bool:
    """Whether a word names a recipe in a file."""
    return word.endswith(".py") or ".py:" in word


def own(word: str) -> Recipe:
    """The recipe that `FILE.py:NAME` names; the file is run, as if a script had imported it.

    Raises:
        UserError: there is no such file or name, or the file cannot be run; the message has its line.
    """
    file, _, name = word.rpartition(":") if ".py:" in word else (word, "", "")
    path = Path(file)
    if not path.is_file():
        raise UserError(f"{word} names no recipe: there is no file {file}")
    if not path.stem.isidentifier() or path.stem in sys.stdlib_module_names or path.stem == "zoo":
        raise UserError(
            f"{file} cannot be imported under the name {path.stem!r}: rename it to letters, such as mine.py"
        )
    module = imported(path)
    from zoo.training import Recipe

    found = {name: thing for name, thing in vars(module).items() if isinstance(thing, Recipe)}
    if name not in found:
        given = f"has no recipe {name!r}{nearest(name, list(found))}" if name else f"needs a name, {file}:NAME"
        if not found:
            given = "has no recipe: wanted a zoo.training.Recipe"
        elif not name:
            given += f"; it has {', '.join(found)}"
        raise UserError(f"{file} {given}")
    return found[name]


def imported(path: Path):
    """The module that a file defines, importable under the file's name from now on, as its classes' names say."""
    before = sys.modules.get(path.stem)
    if before is not None and getattr(before, "__file__", None) == str(path.resolve()):
        return before
    if before is not None:
        raise UserError(f"{path} cannot be imported: there is another module {path.stem}; rename the file")
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.resolve().parent))  # what it imports may lie beside it
    try:
        spec.loader.exec_module(module)
        return module
    except BaseException as error:
        del sys.modules[path.stem]
        if isinstance(error, KeyboardInterrupt | MemoryError):
            raise
        raise UserError(f"{path}{line_of(error, path)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))


def line_of(error: BaseException, path: Path) -> str:
    """' line 12' where that is the line of the file that failed."""
    if isinstance(error, SyntaxError):
        return f" line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).name == path.name]
    return f" line {lines[-1]}" if lines else ""


@dataclass(frozen=True)
class Own:
    """A run whose source or task is of a class of one's own."""

    recipe: str | None = None
    """FILE.py:NAME of the recipe with which the run was trained, if its source or task are classes of your own."""


def split_off(argv: list[str]) -> tuple[dict, list[str]]:
    """The source and the task of the recipe that `--recipe` names, for `opened`, and the other arguments."""
    parsed, rest = tyro.cli(Own, args=argv, return_unknown_args=True, add_help=False)
    if parsed.recipe is None:
        return {}, rest
    from zoo.data import Arrays
    from zoo.training.recipe import name_of

    recipe = own(parsed.recipe)
    # What is zoo's own is read from the run, with the settings that were typed; arrays are in no run.
    given = {"source": recipe.data, "task": recipe.task}
    return {k: v for k, v in given.items() if isinstance(v, Arrays) or "." in name_of(type(v))}, rest
