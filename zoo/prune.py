"""Prunes a trained network: `python -m zoo.prune logs/cnn-1f3a9c --method.sparsity 0.9`, or `--method.kind channels`.

It trains the run's recipe once more from the weights that it reached, on the same data, with the same settings, and
sets ever more weights to 0 meanwhile: the rate rises and falls as it did, which makes up for the loss better than a low
one does (Renda 2020, arXiv:2003.02389, section 4).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import first_word, main, parse_for, places_in, typed
from zoo.errors import UserError
from zoo.fit import Options, fit, fitted
from zoo.opened import check_is_run, places_of, recalled, recipe_of
from zoo.teacher import listed
from zoo.transfer import BUILDERS, continued

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.training import Prune, Recipe, Run

USAGE = "RUN [OPTIONS]"
ABOUT = """RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c.
`python -m zoo.prune RUN --help` shows the options."""


def prune(
    base: Run | Path | str,
    method: Prune | None = None,
    *,
    data: Source | None = None,
    places: Mapping[str, Path | str] | None = None,
    logs: Path | str = "logs",
    fresh: bool = False,
) -> Run:
    """Prunes a trained network; returns a run like any other.

    For other settings: `fit(dataclasses.replace(recipe_for(base), epochs=20))`.

    Args:
        base: a run.
        method: what is pruned and how much; by default 0.8 of the weights.
        data: on which it is pruned, if not those of the base; of the same form.
        places: where the data of the base are now, such as {"folder": "pictures/"}, if not where they were.
        logs: folder in which runs are stored.
        fresh: start a new run beside earlier ones of the same recipe.

    Raises:
        UserError: the base cannot be used, or has nothing that could be pruned so.
    """
    recipe = recipe_for(base, method, data=data, places=places)
    check_means_the_same(recipe)
    return fit(recipe, logs=Path(logs), fresh=fresh)


def recipe_for(
    base: Run | Path | str,
    method: Prune | None = None,
    *,
    data: Source | None = None,
    places: Mapping[str, Path | str] | None = None,
) -> Recipe:
    """The recipe that prunes the base: its own, from its weights; arguments and errors as of `prune`."""
    from zoo.data import Arrays
    from zoo.training import Prune
    from zoo.training.body import digest_of

    path = Path(getattr(base, "path", base))
    run, recipe = recipe_of(path, BUILDERS, places or {})
    if data is None and isinstance(recipe.data, Arrays):
        raise UserError(f"{path} was trained on arrays, and a run keeps no arrays: prune it in Python, with data=...")
    optimizer = recipe.optimizer
    if optimizer.schedule == "plateau":  # which watches a value, but it is the last epoch that counts
        optimizer = replace(optimizer, schedule="cosine")
    return replace(
        recipe,
        name=f"pruned-{recipe.name.removeprefix('pruned-')}",
        model=partial(continued, base=path, digest=digest_of(run.model(), whole=True)),
        data=data or recipe.data,
        method=method or Prune(),
        optimizer=optimizer,
        monitor="last",
        patience=0,
    )


def check_means_the_same(recipe: Recipe) -> None:
    """Raises UserError if the outputs or the inputs of a network that is pruned have another meaning in the data."""
    from zoo.training import runs

    base, data = recipe.model.keywords["base"], recipe.data
    record = runs.open_for_reading(base).record
    if list(data.labels) != record["labels"]:
        raise UserError(
            f"{base} knows {listed(record['labels'])}, but the data have {listed(data.labels)}: prune it on its own, "
            "or teach it these with python -m zoo.finetune and --method prune"
        )
    then = record.get("files")  # earlier versions did not record it
    if then is not None and then != runs.digests(data.files()):
        raise UserError(
            f"{base} reads its inputs by another {' and '.join(then)} than these data give: prune it on its own"
        )


def places_given(path: Path, argv: list[str]) -> dict[str, Path]:
    """Where the data of a run are now, as far as the command line says so."""
    from zoo.training import runs

    run = runs.open_for_reading(path)
    return places_in(argv, places_of(recalled(None, run.record["recipe"].get("data"), "source", run)))


def run_command(argv: list[str]) -> int:
    """Prunes what the command line names."""
    name = first_word("prune", argv, USAGE, ABOUT)
    check_is_run(Path(name))
    recipe = recipe_for(name, places=places_given(Path(name), argv[1:]))
    recipe, options = parse_for(recipe, "prune", argv, Options)
    check_means_the_same(recipe)
    return fitted(recipe, options, typed("prune", argv))


if __name__ == "__main__":
    sys.exit(main(run_command))
