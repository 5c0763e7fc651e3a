"""Opening what users name after evaluate, predict, generate or finetune: a run, or a published network.

It is read once and returned as one record. If it is missing, that is reported before TensorFlow is imported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import UserError, check_contract
from zoo.pretrained import HUB, IMAGENET, of_pictures
from zoo.recipes import RECIPES

if TYPE_CHECKING:
    import keras

    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Recipe, Run


@dataclass(frozen=True)
class Opened:
    """A trained network with its data and its task.

    Args:
        name: as the user typed it.
        spec: the arguments that the data gave to its builder.
        source: as the run knows it; the data may no longer exist.
        task: what it was trained to do.
        load: loads the network.
        run: None for a published network.
    """

    name: str
    spec: dict
    source: Source
    task: Task
    load: Callable[[], keras.Model]
    run: Run | None = None

    @cached_property
    def model(self) -> keras.Model:
        """The network, loaded once.

        Raises:
            UserError: it is missing, is damaged or cannot be downloaded.
        """
        return self.load()

    def answers(self, ask: Any, given: Any) -> Iterator[dict]:
        """Yields an answer for each of the given inputs, in order: what is known of the input, and either what the
        task answers or an `error`.

        Args:
            ask: the task's `Ask`.
            given: the source's `Inputs`.
        """
        model = self.model  # which is checked against the spec, by which inputs are read
        for batch in given.read(self.source, self.spec):
            readable = [value for about, value in batch if "error" not in about]
            replies = iter(self.task.answers(model, self.source, ask, readable) if readable else ())
            for about, _ in batch:
                yield about if "error" in about else about | next(replies)


def opened(
    run: Run | Path | str,
    *,
    weights: str | None = None,
    source: Source | None = None,
    task: Task | None = None,
    places: Mapping[str, Path | str] | None = None,
) -> Opened:
    """Opens a run or, with `weights`, a published network.

    Args:
        run: what `fit` returned, its folder, or the name of a published network.
        weights: of a published network: imagenet, hub, a file or a folder.
        source: the run's data, if their class is the user's own.
        task: the run's task, if its class is the user's own.
        places: where the data are now, for some of the fields that `places_of` names.

    Raises:
        UserError: it is missing, damaged or made by another version, or its source or task has to be passed.
    """
    path = Path(getattr(run, "path", run))
    if weights is not None:
        return published(path.as_posix(), str(weights))
    check_is_run(path)
    from zoo.tasks.task import check_goes_with
    from zoo.training import runs

    found = runs.open_for_reading(path)
    record = found.record
    kept = record["recipe"]
    source = located(recalled(source, kept.get("data"), "source", found), found, places or {})
    task = recalled(task, kept.get("task"), "task", found)
    check_goes_with(task, source)
    runs.check_files(found)
    source = source.of_run(found.path, record["labels"])
    known, wanted = getattr(source, "vocabulary_size", None), record["spec"].get("vocabulary")
    if known is not None and known != wanted:
        raise UserError(
            f"the tokenizer of {path} knows {known} tokens, but the network was built for {wanted}: it is not "
            "the run's own, so restore that or train the run again"
        )

    def load() -> keras.Model:
        return found.model(lambda model: task.check(model, record["spec"], record["labels"]))

    return Opened(str(path), record["spec"], source, task, load, found)


def check_answers_to(found: Opened, verb: str) -> None:
    """Raises UserError, which names the right verb, where a network does not answer to that one."""
    if found.task.verb != verb:
        other = f"{found.task.verb} {found.task.usage.format(run=found.name, inputs=found.source.usage)}"
        raise UserError(f"{found.name} does not {verb}: try `python -m zoo.{other}`")


def check_words(words: list[str]) -> None:
    """Raises UserError if one of the words after a run is empty."""
    if "" in words:
        flag = ["", *words][words.index("")]
        what, wanted = (flag, "something after it") if flag.startswith("--") else ("a name", "a file, or a folder")
        raise UserError(f"{what} came empty: wanted {wanted}")


def check_one_is_there(words: list[str]) -> None:
    """Raises UserError if inputs are named and none of them exists, before any large library is imported."""
    named = list(takewhile(lambda word: not word.startswith("-"), words))
    if named and not any(map(os.path.lexists, named)):
        gone = f"{', '.join(named[:3])}{' ...' * (len(named) > 3)}"
        raise UserError(f"there is no file {gone} (a text, for a run on texts, follows --text)")


def asked(found: Opened, fields: dict, record: type | None = None) -> Any:
    """What a person asks of a network in Python, as a record.

    Args:
        found: the network.
        fields: of the record.
        record: its class; None: the task's `Ask`.

    Raises:
        UserError: the record has no such field, or does not take the value.
    """
    from zoo.training.recipe import check_types

    try:
        ask = (record or found.task.Ask)(**fields)
        check_types(ask)
        return ask
    except (TypeError, ValueError) as error:
        raise UserError(f"{found.name} cannot be asked that: {error}") from error


def is_run(path: Path) -> bool:
    """Whether there is a run at `path`."""
    return (path / "run.json").exists()


def check_is_run(path: Path) -> None:
    """Raises UserError if there is no run at `path`, before any large library is imported."""
    if not path.is_dir():
        weights = "imagenet" if str(path) in IMAGENET else "hub" if str(path) in HUB else None
        if weights:
            raise UserError(f"{path} is a published network and not a run: give its weights too, --weights {weights}")
        raise UserError(f"no run at {path}: give the folder that fit printed at its end, such as logs/cnn-1f3a9c")
    if not is_run(path):
        raise UserError(f"{path} is not a run, it has no run.json: give the folder that fit printed at its end")


def recalled(given, kept, what: str, run: Run):
    """The source or the task of a run: the given one, or the one in the run's record.

    Raises:
        UserError: the run has another class of source or task, or one that is unknown here, or is of another version.
    """
    from zoo.data import Source
    from zoo.data.prepare import at_home
    from zoo.tasks import Task
    from zoo.training.recipe import name_of, revive

    kind = kept.get("is") if isinstance(kept, dict) else None
    if given is not None:
        check_contract(given, Source if what == "source" else Task, what)
        if name_of(type(given)) != kind:
            raise UserError(f"{what} came as {name_of(type(given))}, but {run.path} is about {kind}")
        return given
    known = kinds()[what]
    if isinstance(kind, str) and "." in kind:
        raise UserError(
            f"{run.path} is about {kind}, which is no {what} of zoo's: "
            f"pass it in Python, with {what}=..., or name the recipe that has it with --recipe FILE.py:NAME"
        )
    try:
        return at_home(revive(known[kind], kept))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.path} was made by another version of zoo ({error}): train it again") from error


def places_of(source: Source) -> list[str]:
    """The fields of a source that say where its files are, without those of which a run keeps a copy of its own."""
    from zoo.data.source import holds_path

    known = source.of_run(Path(os.devnull), ())
    paths = [field.name for field in fields(source) if holds_path(type(source), field.name)]
    return [name for name in paths if getattr(known, name) == getattr(source, name)]


def located(source: Source, run: Run, given: Mapping[str, Path | str]) -> Source:
    """The source with the given places of its files; others may have been moved together with the run's folder.

    Raises:
        UserError: the source has no such field, or does not take the value.
    """
    known = places_of(source)
    strange = [name for name in given if name not in known]
    if strange:
        raise UserError(f"{strange[0]} is no place of {run.path}'s data: these are {', '.join(known) or 'at none'}")
    either = getattr(source, "alternatives", ())  # no part of the contract
    either = either if set(either) & set(given) else ()
    moved, logs = dict.fromkeys(either) | dict(given), run.record.get("logs")
    for name in known:
        then = getattr(source, name)
        if name not in moved and then is not None and isinstance(logs, str) and not os.path.exists(then):
            with contextlib.suppress(ValueError):  # it is on another drive of Windows
                now = os.path.join(run.path.parent, os.path.relpath(then, logs))
                moved |= {name: Path(os.path.normpath(now))} if os.path.exists(now) else {}
    try:
        return replace(source, **moved) if moved else source
    except ValueError as error:
        raise UserError(str(error)) from error


def check_is_there(source: Source, run: Run, given: Mapping[str, Path | str]) -> None:
    """Raises UserError, which says how to give the new place, if the files of a run's data are not where they were."""
    local = {field.name for field in fields(source) if field.metadata.get("local")}
    for name in places_of(source):
        path = getattr(source, name)
        if name not in local and path is not None and not os.path.exists(path):
            if name in given:
                raise UserError(f"--data.{name} came as {path}, which is not there")
            raise UserError(
                f"the data of {run.path} were at {path}, which is not there: give their new place with "
                f"--data.{name} NEW"
            )


def recipe_of(path: Path, builders: Sequence[Callable], places: Mapping[str, Path | str]) -> tuple[Run, Recipe]:
    """A run and the recipe that it was started with, as its record has it.

    Args:
        path: the run's folder.
        builders: of networks, besides those of the recipes.
        places: see `opened`.

    Raises:
        UserError: it is no run, is damaged or of another version, its data are gone, or a part of it is not zoo's.
    """
    check_is_run(path)
    from zoo.data import Arrays
    from zoo.training import METHODS, Optimizer, Recipe, runs
    from zoo.training.recipe import revive

    run = runs.open_for_reading(path)
    kept = run.record["recipe"]
    data = located(recalled(None, kept.get("data"), "source", run), run, places)
    if isinstance(data, Arrays) and run.summary is None:
        raise UserError(
            f"{path} was trained on arrays, and a run keeps no arrays: go on in Python, with fit(recipe) and the same "
            "ones"
        )
    check_is_there(data, run, places)
    known = {builder.__name__: builder for builder in (*builders, *(recipe.model.func for recipe in RECIPES.values()))}
    methods = {method.__name__: method for method in METHODS.values()}
    try:
        for part, ours in (("model", known), ("method", methods)):
            if kept[part]["is"] not in ours:
                raise UserError(
                    f"{path} has the {part} {kept[part]['is']}, which is not zoo's: go on in Python, with fit(recipe)"
                )
        if kept["optimizer"]["is"] != "Optimizer" or kept.get("loss") or kept.get("metrics"):
            raise UserError(
                f"{path} has a loss, metrics or an optimizer from Python, which a run does not hold: go on there, with "
                "fit(recipe)"
            )
        parts = {
            "model": revive(known[kept["model"]["is"]], kept["model"]),
            "data": data,
            "task": recalled(None, kept["task"], "task", run),
            "method": revive(methods[kept["method"]["is"]], kept["method"]),
            "optimizer": revive(Optimizer, kept["optimizer"]),
        }
        return run, Recipe(**{name: parts.get(name, value) for name, value in kept.items()})
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} was made by another version of zoo ({error}): train it again") from error


def kinds() -> dict[str, dict[str, type]]:
    """The classes of all sources and tasks in the recipes, by their names in a run's record."""
    from zoo.data import Arrays

    recipes = list(RECIPES.values())
    return {
        "source": {"Arrays": Arrays} | {type(recipe.data).__name__: type(recipe.data) for recipe in recipes},
        "task": {type(recipe.task).__name__: type(recipe.task) for recipe in recipes},
    }


def published(name: str, weights: str) -> Opened:
    """A published network: one of keras.applications, or else one in transformers' format: a BERT, a T5 or a GPT-2."""
    from zoo.data import Masked, Text
    from zoo.data.source import knowing
    from zoo.pretrained import applications, bert, gpt2, t5
    from zoo.pretrained.folder import CONFIG, folder_of, read_json
    from zoo.tasks import Classification, LanguageModel, MaskedLanguageModel, Prompted

    if of_pictures(name, weights):
        spec = applications.spec_of(name)
        task = Classification()
        return Opened(name, spec, applications.ImageNet(), task, lambda: applications.pretrained(name, weights=weights))
    folder = folder_of(name, weights)
    kind = str(read_json(folder / CONFIG).get("model_type"))
    if kind in bert.EPSILONS:
        model, file, context = bert.published_bert(name, folder, head="words")
        spec = {"vocabulary": model.output_shape[-1], "context": context}
        return Opened(name, spec, Masked(tokenizer=file, context=context), MaskedLanguageModel(), lambda: model)
    if kind == "t5":
        model, tokenizer = t5.published_t5(name, folder)
        spec = {"vocabulary": model.output_shape[-1]}
        return Opened(name, spec, knowing(t5.T5Texts(), codec=tokenizer), Prompted(), lambda: model)
    model, tokenizer, ends = gpt2.published_gpt2(name, folder)
    spec = {"vocabulary": model.output_shape[-1], "context": model.input_shape[1]}
    return Opened(name, spec, knowing(Text(), codec=tokenizer, ends=ends), LanguageModel(), lambda: model)
