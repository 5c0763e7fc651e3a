"""Trains a network on what a trained one answers: `python -m zoo.distill cnn --teacher logs/resnet20-1f3a9c`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import main, named, parse, parse_for, typed
from zoo.errors import UserError
from zoo.fit import Options as FitOptions
from zoo.fit import fit, fitted
from zoo.opened import check_is_run, opened

if TYPE_CHECKING:
    from zoo.training import Distill, Recipe, Run


@dataclass(frozen=True)
class Teacher:
    """Who teaches."""

    teacher: str | None = None
    """The teacher: a folder that fit printed at its end, or with --weights the name of a published network."""
    weights: str | None = None
    """Weights of a published teacher: imagenet, or a file in that format."""


@dataclass(frozen=True)
class Options(FitOptions, Teacher):
    """Who teaches, and the options of `fit`."""


def distill(
    recipe: Recipe,
    teacher: Run | Path | str,
    *,
    weights: Path | str | None = None,
    method: Distill | None = None,
    logs: Path | str = "logs",
    fresh: bool = False,
) -> Run:
    """Trains a recipe's network on its data and on what a teacher answers there; returns a run like any other.

    Args:
        recipe: the network that learns, its data and all settings.
        teacher: a run of a classifier, or with `weights` the name of a published one; of the same classes and inputs.
        weights: imagenet, or a file in that format.
        method: with other settings, such as Distill(temperature=2).
        logs: folder in which runs are stored.
        fresh: start a new run beside earlier ones of the same recipe.

    Raises:
        UserError: the teacher cannot be used, or does not go with the recipe.
    """
    if method is not None:
        recipe = replace(recipe, method=method)
    return fit(recipe_for(recipe, teacher, weights), logs=Path(logs), fresh=fresh)


def recipe_for(recipe: Recipe, teacher: Run | Path | str, weights: Path | str | None = None) -> Recipe:
    """The recipe with that teacher; arguments and errors as of `distill`, and its method, if that is `Distill`."""
    from zoo.training import Distill
    from zoo.training.body import digest_of

    teacher = Path(getattr(teacher, "path", teacher))  # a path, since runs are called by the way that leads to it
    if weights is not None:
        teacher = teacher.as_posix()
        weights = weights if str(weights) == "imagenet" else Path(weights)
    digest = digest_of(opened(teacher, weights=weights).model, whole=True)
    method = recipe.method if isinstance(recipe.method, Distill) else Distill()
    method = replace(method, teacher=teacher, weights=weights, digest=digest)
    return replace(recipe, name=f"distilled-{recipe.name.removeprefix('distilled-')}", method=method)


def run_command(argv: list[str]) -> int:
    """Trains what the command line asks for and prints a summary."""
    if not argv or argv[0].startswith("-"):
        parse("distill", argv, Options)
    strange = [word for word in argv if word.startswith(("--method.teacher", "--method.weights"))]
    if strange:
        raise UserError(f"{strange[0]} came to distill, which takes {strange[0].replace('method.', '')}")
    from zoo.training import Distill

    recipe, options = parse_for(replace(named(argv[0]), method=Distill()), "distill", argv, Options)
    if options.teacher is None:
        raise UserError("distill came without a teacher: give --teacher RUN, a trained network of the same classes")
    if options.weights is None:
        check_is_run(Path(options.teacher))
    return fitted(recipe_for(recipe, options.teacher, options.weights), options, typed("distill", argv))


if __name__ == "__main__":
    sys.exit(main(run_command))
