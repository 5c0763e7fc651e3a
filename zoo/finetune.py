"""Fine-tunes a trained network on other data: `python -m zoo.finetune logs/cnn-1f3a9c --data.folder pictures/`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import Weights, apart, first_word, main, parse_for, typed
from zoo.errors import UserError, printable
from zoo.fit import Options as FitOptions
from zoo.fit import fit, summary
from zoo.opened import check_is_run, opened, places_of
from zoo.pretrained import ENCODERS, IMAGENET, of_pictures
from zoo.transfer import digest_of, load, transferred, with_head

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Recipe, Run

LENGTH = 128  # tokens to read of each text, for published networks
USAGE = "RUN [OPTIONS]"
ABOUT = f"""RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c; or with --weights imagenet one of
  {" ".join(IMAGENET)};
  or with --weights hub, or a folder of such weights, one of {" ".join(ENCODERS)}
`python -m zoo.finetune RUN --help` shows the options."""


@dataclass(frozen=True)
class Options(Weights, FitOptions):
    """The options of `fit`, and published weights."""


def finetune(
    base: Run | Path | str,
    data: Source,
    *,
    weights: str | None = None,
    logs: Path | str = Path("logs"),
    fresh: bool = False,
    source: Source | None = None,
    task: Task | None = None,
) -> Run:
    """Trains a new head on a trained body, which is gradually unfrozen from the top down; returns a run like any other.

    For other settings: `fit(dataclasses.replace(recipe_for(base), data=data, epochs=20))`.

    Args:
        base: a run, or with `weights` the name of a network of `zoo.pretrained`.
        data: what to learn; its inputs must have the same form as those on which the base was trained.
        weights: "imagenet" or a file in that format; for texts "hub", or a folder.
        logs: folder in which runs are stored.
        fresh: start a new run beside earlier ones of the same recipe.

    Raises:
        UserError: the base or the data cannot be used.
    """
    recipe = recipe_for(base, weights, source=source, task=task)
    return fit(replace(recipe, data=data), logs=Path(logs), fresh=fresh)


def recipe_for(
    base: Run | Path | str,
    weights: str | None = None,
    *,
    source: Source | None = None,
    task: Task | None = None,
) -> Recipe:
    """The recipe that fine-tunes the base, with its default settings."""
    from zoo.data import Images, Texts
    from zoo.tasks import Classification
    from zoo.training import Optimizer, Recipe, Thaw, Whole

    base = Path(getattr(base, "path", base))  # a path, since runs are called by the way that leads to it
    if weights is not None and not of_pictures(str(base), str(weights)):
        from zoo.pretrained.bert import published_bert

        base, weights = base.as_posix(), weights if weights == "hub" else Path(weights)
        model, tokenizer, context = published_bert(base, weights)
        name, task = base.split("/")[-1], Classification()
        data = Texts(tokens="wordpiece", tokenizer=tokenizer, length=min(LENGTH, context), batch=32)
    elif weights is not None:
        base, weights = str(base), weights if weights == "imagenet" else Path(weights)
        model = load(base, weights)
        name, task, data = base, Classification(), Images(size=model.input_shape[1:3], batch=32)
    else:
        found = opened(base, source=source, task=task)
        model = with_head(found.model, base)
        name, task = found.run.record["recipe"]["name"], found.task.tuned()
        data = found.source.beside(found.run.path, found.spec)
    recipe = Recipe(
        name=f"finetuned-{name}",
        model=partial(transferred, base=base, weights=weights, digest=digest_of(model)),
        data=data,
        task=task,
        method=Thaw(),
        # Adam's usual rate, for the randomly initialised head; the layers of the body get fractions of it.
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01),
        epochs=12,
    )
    if not model.name.startswith("bert"):
        return recipe
    # All weights at once, at a low rate and for few epochs (Devlin 2018, section A.3: 2e-5 to 5e-5, for larger ones).
    tuned = Optimizer("adamw", rate=1e-4, warmup=0.1, weight_decay=0.01, clip=1.0)
    return replace(recipe, method=Whole(), optimizer=tuned, epochs=4)


def run_command(argv: list[str]) -> int:
    """Fine-tunes what the command line names."""
    name = first_word("finetune", argv, USAGE, ABOUT)
    weights, _ = apart(argv[1:])  # they determine the defaults of the other flags
    if weights is None:
        check_is_run(Path(name))
    base = recipe_for(name, weights)
    recipe, options = parse_for(base, "finetune", argv, Options)
    flags = [f"--data.{field}" for field in ("name", *places_of(base.data)) if field != "directory"]
    if not {word.split("=")[0] for word in argv} & {*flags, "--data.only"}:
        raise UserError(f"finetune came without data to learn: give {' or '.join(flags)}")
    command = typed("finetune", argv)
    how = {"fresh": options.fresh, "quiet": options.quiet, "profile": options.profile}
    run = fit(recipe, logs=options.logs, command=command, **how)
    print(printable(summary(recipe, run), "\n"))
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
