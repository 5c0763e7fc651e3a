"""A recipe: everything that determines a result, as one frozen record that a run stores and that can be read back."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import re
import sys
import types
import typing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import typeguard
import tyro

from zoo.data.source import Source
from zoo.errors import UserError, check_contract
from zoo.tasks.task import Task, check_goes_with
from zoo.training.given import as_plain, check_takes_logits
from zoo.training.method import Method, Whole
from zoo.training.optimizer import Optimizer

ALL_ITEMS = typeguard.CollectionCheckStrategy.ALL_ITEMS
ARRAY = "array"  # what a record calls an array, of which it holds shape and digest
MANY = 2**31  # one more than the largest int32
LATER = ("loss", "metrics", "minutes")  # fields that came later: unset they are left out, so that ids are as they were
NAME = re.compile(r"\w[\w.+-]*")  # what a recipe may be called: the folders of its runs carry its name


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that determines a result."""

    name: Annotated[str, tyro.conf.Suppress]
    """The name under which its runs are stored."""
    model: partial
    """The network."""
    data: Source
    """The data."""
    task: Task
    """What the network is trained to do: its loss, metrics and report."""
    method: Method = dataclasses.field(default_factory=Whole)
    """The training method, such as gradual unfreezing."""
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    """How the weights are updated; in Python also a Keras optimizer, whose rate or schedule is then its own."""
    epochs: int = 10
    """Passes over the training data. Each is rounded to a whole number of steps, by at most 2.5 % unless steps are
    few."""
    minutes: float | None = None
    """Minutes that training may take, instead of epochs: steps are timed as it begins, and the number of epochs that
    fit is set once and kept in the run."""
    patience: int = 0
    """Epochs without an improvement after which training stops; 0: never."""
    monitor: str = "val_loss"
    """The value that decides which epoch's weights are kept: val_loss, or val_ and the name of one of the task's
    metrics; or last: the weights of the last epoch are kept, and the validation split decides nothing."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"
    """Precision of the computation; weights and logits stay float32. auto: whichever suits the device."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Whether to compile with XLA; auto: only on a GPU. Updates of large tables are compiled in any case."""
    seed: int = 0
    """Seed of the initial weights, the order of the data, augmentation and dropout."""
    loss: Annotated[keras.Loss | types.FunctionType | None, tyro.conf.Suppress] = None
    """A Keras loss instead of the task's, of float32 logits; or a function of (targets, outputs)."""
    metrics: Annotated[tuple[keras.Metric, ...], tyro.conf.Suppress] = ()
    """Further Keras metrics, of float32 logits."""

    def __post_init__(self):
        if isinstance(self.metrics, list):
            object.__setattr__(self, "metrics", tuple(self.metrics))
        check_types(self, "model", "data", "task", "method", "optimizer")
        check_given(self)
        check_contract(self.data, Source, "data")
        check_contract(self.task, Task, "task")
        check_contract(self.method, Method, "method")
        check_goes_with(self.task, self.data)
        if inspect.isfunction(self.model):
            object.__setattr__(self, "model", partial(self.model))
        if not isinstance(self.model, partial):
            raise UserError(f"model came as {type(self.model).__name__}, but must be a function that builds a network")
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"a recipe was called {self.name!r}, but must be letters, digits and . _ + - (a folder's name)"
            )
        if not 1 <= self.epochs < MANY:
            raise ValueError(f"--epochs came as {self.epochs}, but must be at least 1, and less than {MANY}")
        if self.minutes is not None and not 0 < self.minutes < MANY:
            raise ValueError(f"--minutes came as {self.minutes:g}, but must be above 0")
        if self.patience < 0:
            raise ValueError(f"--patience came as {self.patience}, but must be 0 (never stop early) or more")
        if not 0 <= self.seed < MANY:
            raise ValueError(f"--seed came as {self.seed}, but must be from 0 to {MANY - 1}")
        known = (*self.task.monitors, "last")
        if self.monitor not in known:
            raise ValueError(f"--monitor came as {self.monitor}, but must be one of {', '.join(known)}")
        if self.method.keeps_last and self.monitor != "last":
            raise ValueError(
                f"--monitor came as {self.monitor}, but {type(self.method).__name__} is done only in the last epoch, "
                "and no network of an earlier one may be kept: give last"
            )
        if self.monitor == "last" and (self.patience or self.plateau):
            raise ValueError("--monitor came as last, but patience and plateau need a value to watch: name one")

    @property
    def plateau(self) -> bool:
        """Whether the rate falls when the monitored value does."""
        return isinstance(self.optimizer, Optimizer) and self.optimizer.schedule == "plateau"

    @property
    def averaged(self) -> bool:
        """Whether a moving average of the weights is validated and saved."""
        optimizer = self.optimizer
        return optimizer.ema is not None if isinstance(optimizer, Optimizer) else optimizer.use_ema

    def record(self) -> dict:
        """The recipe as JSON can store it, with every default written out but those of LATER."""
        return {name: plain(value) for name, value in self._settings().items()}

    def _settings(self) -> dict[str, Any]:
        """All fields, but of LATER only those that are set."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in fields.items() if name not in LATER or value not in (None, ())}

    def id(self, logs: Path | str = "logs") -> str:
        """Six hexadecimal digits that change with every setting that affects the result.

        Args:
            logs: folder of the runs. Files and folders count by the way that leads to them from there, so that they can
                be typed from anywhere, and data and runs can be moved together.
        """
        settings = {name: plain(value, seen_from(logs), local=False) for name, value in self._settings().items()}
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    def leaves(self) -> dict[str, bool | int | float | str]:
        """Every setting by the name of its flag, as a value that TensorBoard's hyperparameter table can hold."""
        return dict(flatten("", self.record()))


def check_given(recipe: Recipe) -> None:
    """Raises UserError if what a recipe was given of Keras does not go with the rest."""
    if not isinstance(recipe.optimizer, Optimizer | keras.Optimizer):
        raise UserError(f"optimizer came as {recipe.optimizer!r}: wanted an Optimizer(...) or a keras.optimizers one")
    if isinstance(recipe.optimizer, keras.Optimizer) and not isinstance(recipe.method, Whole):
        raise UserError(f"{type(recipe.method).__name__} makes its own optimizer: wanted an Optimizer(...), not Keras'")
    for given in (recipe.loss, *recipe.metrics):
        check_takes_logits(given)


def check_types(record: Any, *skipped: str) -> None:
    """Raises UserError if a field of a frozen record has a value of another type than it declares.

    Args:
        record: a dataclass.
        skipped: names of fields that are checked in another way.
    """
    hints = typing.get_type_hints(type(record))
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        try:
            if field.name not in skipped:
                typeguard.check_type(value, hints[field.name], collection_check_strategy=ALL_ITEMS)
        except typeguard.TypeCheckError as error:
            raise UserError(f"{field.name} came as {value!r}, a {type(value).__name__}: {error}") from error


def hyperparameters(builder: partial) -> dict[str, Any]:
    """The keyword-only arguments of a builder with their values."""
    parameters = inspect.signature(builder).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def seen_from(folder: Path | str) -> Callable[[Path], str]:
    """A function that writes a path as the way that leads to it from a folder; links are followed."""

    def way(path: Path) -> str:
        path = os.path.realpath(path)
        try:
            return Path(os.path.relpath(path, os.path.realpath(folder))).as_posix()
        except ValueError:  # it is on another drive of Windows
            return path

    return way


def plain(value: Any, place: Callable[[Path], str] = os.path.abspath, *, local: bool = True) -> Any:
    """Converts records, partials, paths and tuples to what JSON can store; "is" names the class or the function.

    Args:
        value: what to convert.
        place: writes a path.
        local: whether to keep the fields that only say where files are on this machine.

    Raises:
        UserError: the value contains something else, which a run cannot store.
    """
    inner = partial(plain, place=place, local=local)
    if isinstance(value, partial):
        return {"is": name_of(value.func)} | {k: inner(v) for k, v in hyperparameters(value).items()}
    if dataclasses.is_dataclass(value):
        fields = [field for field in dataclasses.fields(value) if local or not field.metadata.get("local")]
        given = {field.name: getattr(value, field.name) for field in fields if not is_unset(field, value)}
        return {"is": name_of(type(value))} | {name: inner(one) for name, one in given.items()}
    if isinstance(value, Path):
        return place(value)
    if isinstance(value, list | tuple):
        return [inner(v) for v in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return plain_of_python(value)


def is_unset(field: dataclasses.Field, record: Any) -> bool:
    """Whether a field that came later, as its metadata {"later": True} say, has its default: ids are as they were."""
    return bool(field.metadata.get("later")) and getattr(record, field.name) == field.default


def plain_of_python(value: Any) -> dict:
    """Converts what only Python can give to a recipe: arrays, Keras' losses, metrics and optimizers, and functions.

    Raises:
        UserError: it is something else.
    """
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value)).hexdigest()[:12]
        return {"is": ARRAY, "shape": list(value.shape), "dtype": str(value.dtype), "digest": digest}
    if isinstance(value, keras.Loss | keras.Metric | keras.Optimizer):
        kind = type(value)
        ours = kind.__module__.startswith("keras.")  # of which only the short name stays from version to version
        return {"is": f"keras.{kind.__name__}" if ours else name_of(kind)} | as_plain(value)
    if inspect.isfunction(value):
        return {"is": name_of(value)}
    raise UserError(
        f"a recipe holds {value!r:.100}, a {type(value).__name__}: a run writes down numbers, text, paths, tuples and "
        "frozen dataclasses of these"
    )


def name_of(thing: type | Callable) -> str:
    """The name of a class or function; outside this package with its module, so that it is never taken for ours."""
    module, main = thing.__module__, getattr(sys.modules["__main__"], "__spec__", None)
    if module == "__main__" and main is not None:  # `python -m`: use the name under which it can be imported
        module = main.name
    return thing.__name__ if module.startswith("zoo.") else f"{module}.{thing.__qualname__}"


def revive(kind: type | Callable, record: dict) -> Any:
    """The dataclass instance, or the partial of a builder, that `plain` converted to `record`.

    Raises:
        TypeError, KeyError, ValueError: the fields or arguments are not those of this version.
    """
    hints = typing.get_type_hints(kind, localns={"keras": keras})  # which builders name without importing it
    values = {name: as_type(hints[name], value) for name, value in record.items() if name != "is"}
    for name, value in values.items():
        try:
            typeguard.check_type(value, hints[name], collection_check_strategy=ALL_ITEMS)
        except typeguard.TypeCheckError as error:
            raise TypeError(f"{name}: {error}") from error
    return kind(**values) if isinstance(kind, type) else partial(kind, **values)


def as_type(hint: Any, value: Any) -> Any:
    """The value converted to the type of its field, for types that JSON does not have."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None:
        return None
    for choice in choices:
        if choice is Path:
            if b"\0" in str(value).encode():  # `encode` itself raises for lone surrogates
                raise ValueError(f"{value!r} is no path")
            return Path(value)
        if isinstance(value, dict) and dataclasses.is_dataclass(choice):
            return revive(choice, value)
        if isinstance(value, dict) and value.get("is") == ARRAY:
            return emptied(value)
        if isinstance(value, list) and (choice is tuple or typing.get_origin(choice) is tuple):
            return tuple(emptied(v) if isinstance(v, dict) and v.get("is") == ARRAY else v for v in value)
    return value


def emptied(record: dict) -> np.ndarray:
    """An array of no rows, for one whose shape and digest a run wrote down."""
    shape = record["shape"]
    if not all(type(side) is int and 0 <= side < MANY for side in shape) or not shape:
        raise ValueError(f"{shape} is no shape")
    return np.empty((0, *shape[1:]), record["dtype"])


def flatten(prefix: str, value: Any):
    """Yields pairs of a dotted name and a scalar; lists become text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(f"{prefix}.{key}" if prefix else key, inner)
    elif value is None or isinstance(value, list):
        yield prefix, "none" if value is None else " ".join(map(str, value))
    else:
        yield prefix, value
