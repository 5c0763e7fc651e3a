"""Fine-tunes a trained network on other data: `python -m zoo.finetune logs/cnn-1f3a9c --data.folder pictures/`."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from zoo.command import Weights, apart, first_word, main, named, parse_for, typed
from zoo.errors import UserError
from zoo.fit import Options as FitOptions
from zoo.fit import fit, fitted
from zoo.opened import Opened, check_is_run, opened, places_of
from zoo.pretrained import ENCODERS, IMAGENET, module_of
from zoo.recipes import RECIPES
from zoo.transfer import transferred

if TYPE_CHECKING:
    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Method, Recipe, Run

USAGE = "RUN [OPTIONS]"
ABOUT = f"""RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c; or with --weights imagenet one of
  {" ".join(IMAGENET)};
  or with --weights hub, or a folder of such weights, one of {" ".join(ENCODERS)}
`python -m zoo.finetune RUN --help` shows the options."""


# Adam's usual rate, for a new head and for LoRA, which begins at 0 (Hu 2021, tables 9 to 12: 2e-4 to 2e-3); with Thaw,
# the layers of the body get fractions of it. If all weights are trained, they move in small steps: of small networks
# larger ones (Turc 2019: up to 3e-4) than of large ones (Devlin 2018, section A.3: 2e-5 to 5e-5).
RATE, RATE_OF_WHOLE, RATE_OF_LARGE = 1e-3, 3e-4, 1e-4


@dataclass(frozen=True)
class Taught:
    """How and what a trained network is taught, which determines what other flags there are."""

    method: Literal["whole", "thaw", "lora", "prune", "distill"] | None = None
    """whole: all weights are trained; thaw: the body thaws from the head down; lora: small matrices beside frozen
    weights; prune: all, of which most become 0; distill: all, with --method.teacher. By default thaw, or whole for BERT
    and where no head is new."""
    like: str | None = None
    """A recipe whose kind of data and whose task it is to learn, such as textcnn, if not those of its own."""


@dataclass(frozen=True)
class Options(Weights, Taught, FitOptions):
    """The options of `fit`, published weights, and how and what is taught."""


def finetune(
    base: Run | Path | str,
    data: Source,
    *,
    weights: str | None = None,
    method: Method | str | None = None,
    like: Recipe | None = None,
    logs: Path | str = Path("logs"),
    fresh: bool = False,
    source: Source | None = None,
    task: Task | None = None,
) -> Run:
    """Teaches a trained network other data; returns a run like any other.

    For other settings: `fit(dataclasses.replace(recipe_for(base), data=data, epochs=20))`.

    Args:
        base: a run, or with `weights` the name of a network of `zoo.pretrained`.
        data: what to learn; its inputs must have the same form as those on which the base was trained.
        weights: "imagenet" or a file in that format; for texts "hub", or a folder.
        method: whole, thaw, lora, or a `Method` such as `Lora(rank=4)`; None: thaw, or whole for BERT and where no head
            is new.
        like: a recipe whose task it is to learn, if not that of the base.
        logs: folder in which runs are stored.
        fresh: start a new run beside earlier ones of the same recipe.
        source: the base's data, if their class is the user's own.
        task: the base's task, if its class is the user's own.

    Raises:
        UserError: the base or the data cannot be used.
    """
    recipe = recipe_for(base, weights, method=method, like=like, source=source, task=task)
    return fit(replace(recipe, data=data), logs=Path(logs), fresh=fresh)


def recipe_for(
    base: Run | Path | str,
    weights: str | None = None,
    *,
    method: Method | str | None = None,
    like: Recipe | None = None,
    source: Source | None = None,
    task: Task | None = None,
) -> Recipe:
    """The recipe that fine-tunes the base, with its default settings; arguments and errors as of `finetune`."""
    from zoo.models import tuning_of
    from zoo.training import METHODS, Optimizer, Prune, Recipe, Whole
    from zoo.training.body import digest_of

    base = Path(getattr(base, "path", base))  # a path, since runs are called by the way that leads to it
    if weights is None:
        name, model, data, task, new = from_run(base, like, source, task)
    else:
        base = base.as_posix()
        weights = weights if weights in ("imagenet", "hub") else Path(weights)
        name, model, data, task, new = from_weights(base, weights, like)
    usual = tuning_of(model)
    if isinstance(method, str) and method not in METHODS:
        raise UserError(f"method came as {method!r}, but must be one of {', '.join(METHODS)}, or a Method")
    if isinstance(method, str | None):
        method = METHODS[method or ("thaw" if new and not usual.whole else "whole")]()
    rate = RATE_OF_WHOLE if weights is None and not usual.whole else RATE_OF_LARGE
    rate = rate if isinstance(method, Whole | Prune) else RATE
    watched = [*task.monitors][-1] if new and usual.overconfident else "val_loss"
    each = {"each": True} if task.each_token else {}  # so that the ids of other recipes stay
    return Recipe(
        name=f"finetuned-{name}",
        model=partial(transferred, base=base, weights=weights, digest=digest_of(model), **each),
        data=data,
        task=task,
        method=method,
        optimizer=Optimizer("adamw", rate=rate, warmup=0.1, weight_decay=0.01, clip=usual.clip),
        epochs=usual.epochs,
        monitor="last" if method.keeps_last else watched,
    )


def from_run(base: Path, like: Recipe | None, source: Source | None, task: Task | None) -> tuple:
    """Of a run its name, its network, the data and the task to learn, and whether they need a new head.

    Raises:
        UserError: it cannot be used, reads something else than `like`, or takes what `transferred` cannot hand on.
    """
    found = opened(base, source=source, task=task)
    more = sorted(found.spec.keys() - inspect.signature(transferred).parameters.keys())
    if more:
        raise UserError(
            f"{base} holds a network that also takes {', '.join(more)} from its data, which cannot be fine-tuned: "
            f"{instead(found)}"
        )
    check_reads(base, found.source.kind, like)
    data, task = data_for(like, found.source, base, found.spec), found.task.tuned() if like is None else like.task
    return found.run.record["recipe"]["name"], found.model, data, task, "classes" in found.spec or task != found.task


def instead(found: Opened) -> str:
    """What to do with new data for which a network cannot be fine-tuned."""
    name = found.run.record["recipe"]["name"]
    name = name if name in RECIPES else "RECIPE"
    data = "".join(f" --data.{place} ..." for place in places_of(found.source)[:1])
    begin = next(iter(ENCODERS))
    said = f"train one on the new data, python -m zoo.fit {name}{data}"
    if found.source.kind == module_of(begin, "hub").READS.kind and "classes" in found.spec:
        said += f", or begin with published weights, python -m zoo.finetune {begin} --weights hub --like {name}{data}"
    return said


def from_weights(base: str, weights: Path | str, like: Recipe | None) -> tuple:
    """The same of published weights, whose head is always new.

    Raises:
        UserError: they cannot be used, or their network reads something else than `like`.
    """
    from zoo.tasks import Classification

    family = module_of(base, str(weights))
    check_reads(base, family.READS.kind, like)
    model, source = family.base(base, weights)
    data = data_for(like, source, Path(base), {"input_shape": model.input_shape[1:]})
    return base.rpartition("/")[2], model, data, Classification() if like is None else like.task, True


def data_for(like: Recipe | None, source: Source, folder: Path, spec: dict) -> Source:
    """The data to learn, before a user's files are named: those of `like`, or else the usual ones after `source`."""
    data = (source.tuned() if like is None else like.data).beside(folder, spec)
    known = {field.name for field in fields(data)}
    return replace(data, **{name: value for name, value in source.passed_on.items() if name in known})


def check_reads(base: Path | str, kind: str, like: Recipe | None) -> None:
    """Raises UserError if a network reads something else than the recipe whose task it is to learn."""
    if like is not None and like.data.kind != kind:
        raise UserError(
            f"{base} reads {kind}s, but {like.name} reads {like.data.kind}s: --like wants a recipe that reads the same"
        )


def run_command(argv: list[str]) -> int:
    """Fine-tunes what the command line names."""
    name = first_word("finetune", argv, USAGE, ABOUT)
    weights, _ = apart(argv[1:])  # they determine the defaults of the other flags
    taught, _ = tyro.cli(Taught, args=argv[1:], return_unknown_args=True, add_help=False)
    if weights is None:
        check_is_run(Path(name))
    base = recipe_for(name, weights, method=taught.method, like=taught.like and named(taught.like))
    recipe, options = parse_for(base, "finetune", argv, Options)
    flags = [f"--data.{field}" for field in ("name", *places_of(base.data)) if field != "directory"]
    if not {word.split("=")[0] for word in argv} & {*flags, "--data.only"}:
        raise UserError(f"finetune came without data to learn: give {' or '.join(flags)}")
    return fitted(recipe, options, typed("finetune", argv))


if __name__ == "__main__":
    sys.exit(main(run_command))
