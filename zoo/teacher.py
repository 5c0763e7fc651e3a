"""The teacher of a network that is distilled: opened, and held against what it is to teach."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.errors import UserError
from zoo.opened import Opened, opened

if TYPE_CHECKING:
    from zoo.training import Recipe


def with_teacher(recipe: Recipe) -> Recipe:
    """The recipe with its teacher's network loaded, if its method has one; else the recipe itself.

    Raises:
        UserError: the teacher cannot be opened, is no classifier, knows other classes or takes other inputs, or has
            changed since the recipe was made.
    """
    from zoo.training import Distill
    from zoo.training.body import digest_of

    method = recipe.method
    if not isinstance(method, Distill):
        return recipe
    if method.teacher is None:
        raise UserError("a network is distilled from a teacher, but none was named: give --method.teacher RUN")
    found = opened(method.teacher, weights=method.weights)
    check_teaches(found, recipe)
    network = found.model
    if method.digest not in ("", digest_of(network, whole=True)):
        raise UserError(f"{found.name} has changed since this run was started: type the command again")
    return replace(recipe, method=method.taught_by(network))


def check_teaches(found: Opened, recipe: Recipe) -> None:
    """Raises UserError unless a trained network can teach that of a recipe: the same classes, of the same inputs."""
    from zoo.training import runs

    data, labels = recipe.data, list(found.source.labels)
    if not labels or len(found.model.output_shape) != 2:
        raise UserError(
            f"{found.name} tells no classes of its inputs apart, so it cannot teach by their probabilities: name a "
            "classifier as the teacher"
        )
    if labels != list(data.labels):
        raise UserError(
            f"the teacher {found.name} knows {listed(labels)}, but {recipe.name} learns {listed(data.labels)}: both "
            "must have the same classes in the same order, so give --data flags like those of the teacher"
        )
    given, wanted = (json.loads(json.dumps(spec)) for spec in (data.spec, found.spec))
    if given != wanted:
        what = next(name for name in wanted | given if wanted.get(name) != given.get(name))
        raise UserError(
            f"the teacher {found.name} takes {what} {wanted.get(what)}, but {recipe.name} gets {given.get(what)}: both "
            "must read the same inputs, so give --data flags like those of the teacher"
        )
    kept = found.run.record.get("files", {}) if found.run else {}
    if kept != runs.digests(data.files()):
        raise UserError(
            f"the teacher {found.name} reads its inputs by another {' and '.join(kept) or 'tokenizer'} than "
            f"{recipe.name}: give it the same data and settings, or that file with --data.tokenizer"
        )


def listed(labels) -> str:
    """How many classes there are, and the first."""
    return f"{len(labels)} classes ({', '.join(labels[:5])}{', ...' * (len(labels) > 5)})"
