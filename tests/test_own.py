"""A person's own source, task, network, loss and callback go through fit, evaluate and predict without an edit.

The task is one that the package does not have: the sign so far, at each step of a sequence of numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import assert_complaint

from zoo.data import Images, Source
from zoo.data.inputs import Lines
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.source import as_paths
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.generate import generate
from zoo.models import recurrent
from zoo.opened import opened
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.tasks import Classification, Panel, Task
from zoo.tasks.task import Baseline, shapes
from zoo.training import Optimizer, Recipe

STEPS = 6


@dataclass(frozen=True)
class Signs(Source):
    """Sequences of numbers, each to be tagged by the sign of what has come so far."""

    count_of: int = 400
    batch: int = 16
    seed: int = 0

    kind: ClassVar[str] = "sequence"
    Inputs: ClassVar[type] = Lines
    usage: ClassVar[str] = "--text NUMBERS"
    title = "signs"
    summary = "two tags"
    selection: ClassVar[dict] = {}
    understood: ClassVar[list] = ["rows of signs"]
    labels = ("minus", "plus")
    spec: ClassVar[dict] = {"input_shape": (STEPS, 1), "classes": 2}
    splits: ClassVar[dict[str, str]] = {"train": "drawn", "validation": "drawn", "test": "drawn"}

    def count(self, split: str) -> int:
        return self.count_of if split == "train" else 50

    @property
    def epoch_size(self) -> int:
        return self.count_of

    def drawn(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng([self.seed, list(self.splits).index(split)])
        numbers = random.normal(size=(self.count(split), STEPS, 1)).astype("float32")
        return numbers, (numbers.cumsum(1)[..., 0] > 0).astype("int32")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch=None):
        numbers, tags = map(tf.constant, self.drawn(split))

        def read(indices):
            return tf.gather(numbers, indices), tf.gather(tags, indices)

        if split != "train":
            return single_pass(len(tags), read, batch=25)
        return training_stream(len(tags), read, batch=self.batch, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch=None):
        return self.load("train", stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        return f"{abs(float(self.drawn(split)[0].sum())):.6f}"

    def files(self) -> dict[str, str]:
        return {}

    def of_run(self, folder: Path, labels: Sequence[str]) -> Signs:
        return self

    def beside(self, folder: Path, spec: dict) -> Signs:
        return self

    def read(self, given: str, spec: dict) -> tuple[np.ndarray, dict]:
        numbers = [float(number) for number in given.split()]
        if len(numbers) != STEPS:
            raise OSError(f"it has {len(numbers)} numbers, but must have {STEPS}")
        return np.float32(numbers)[:, None], {}


@dataclass(frozen=True)
class Nothing:
    """Nothing can be chosen."""


class Silent(Panel):
    """Shows nothing."""

    def epoch(self, model: keras.Model, step: int) -> None: ...

    def finish(self, model: keras.Model, path: Path) -> None: ...


@dataclass(frozen=True)
class Tagging(Task):
    """A tag at each step."""

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min", "val_accuracy": "max"}
    verb: ClassVar[str] = "predict"
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = ("drawn",)
    Ask: ClassVar[type] = Nothing

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        if shapes(model.outputs) != [[spec["input_shape"][0], len(labels)]]:
            raise ValueError(f"its outputs are {shapes(model.outputs)}")

    def loss(self) -> keras.Loss:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def metrics(self) -> list[keras.Metric]:
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def weights(self, source) -> None: ...

    def look(self, source, sample: tuple) -> dict:
        return {"tags": [" ".join(source.labels[tag] for tag in row) for row in sample[1].numpy()[:2]]}

    def baselines(self, source, split: str) -> list[Baseline]:
        return [Baseline("always minus", "accuracy", float((source.drawn(split)[1] == 0).mean()))]

    def panel(self, source, validation) -> Silent:
        return Silent()

    def report(self, model: keras.Model, source, split: str) -> dict:
        said = model.predict(source.load(split), verbose=0).argmax(-1)
        return {"accuracy": float((said == source.drawn(split)[1]).mean())}

    def table(self, report: dict) -> str:
        return f"accuracy {report['accuracy']:.2%}"

    def draw(self, report: dict, path: Path) -> None:
        path.write_bytes(b"")

    def answers(self, model: keras.Model, source, ask: Nothing, inputs: list) -> Iterator[dict]:
        for row in model.predict_on_batch(np.stack(inputs)).argmax(-1):
            yield {"tags": [source.labels[tag] for tag in row]}

    def line(self, answer: dict) -> str:
        return " ".join(answer["tags"])


class Count(keras.callbacks.Callback):
    """Counts epochs."""

    epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1


RECIPE = Recipe(
    name="tagger",
    model=partial(recurrent, cell="gru", units=(16,), dense=(), every_step=True),
    data=Signs(),
    task=Tagging(),
    optimizer=Optimizer(rate=1e-2),
    epochs=6,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    counted = Count()
    made = fit(RECIPE, logs=tmp_path_factory.mktemp("logs"), callbacks=[counted])
    assert counted.epochs == 6
    return made


def test_a_task_of_ones_own(run, zoo_here):
    assert evaluate(run, source=Signs(), task=Tagging())["accuracy"] > 0.9
    lines = ["1 1 1 1 1 1", "-1 -1 -1 -1 -1 -1", "1 2"]
    first, second, third = predict(run, lines, source=Signs(), task=Tagging())
    assert first == {"source": lines[0], "tags": ["plus"] * 6}
    assert second["tags"] == ["minus"] * 6
    assert third == {"source": lines[2], "error": "it has 2 numbers, but must have 6"}
    with pytest.raises(UserError, match="does not generate: try"):
        next(generate(run, source=Signs(), task=Tagging()))
    assert fit(RECIPE, logs=run.path.parent) == run


def test_what_has_to_be_passed_is_said(run, zoo_here):
    """Classes of a person are not found by their names: nothing that a run names is ever imported."""
    assert run.record["recipe"]["data"]["is"] == f"{__name__}.Signs"
    with pytest.raises(
        UserError, match=r"test_own\.Signs, which is no source of zoo's: pass it in Python, with source="
    ):
        evaluate(run)
    with pytest.raises(UserError, match=r"test_own\.Tagging, which is no task of zoo's: pass it in Python, with task="):
        evaluate(run, source=Signs())
    with pytest.raises(UserError, match=r"source came as Images, but .* is about test_own\.Signs"):
        evaluate(run, source=Images(), task=Tagging())
    with pytest.raises(UserError, match=r"the data of .* have changed since it began \(digest"):
        evaluate(run, source=Signs(seed=1), task=Tagging())
    assert_complaint(zoo_here("evaluate", run.path), "pass it in Python, with source=...")


def test_what_is_lacking_is_named(tmp_path):
    @dataclass(frozen=True)
    class Half:
        batch: int = 3
        title = "half"

    @dataclass(frozen=True)
    class Words:
        monitors: ClassVar[dict[str, str]] = {"val_loss": "min"}

    with pytest.raises(UserError, match=r"data came as Half, which lacks Inputs, beside, count, .*zoo\.data\.so"):
        replace(RECIPE, data=Half())
    with pytest.raises(
        UserError, match=r"task came as Words, which lacks Ask, Explain, aim, answers, bars, .*zoo\.tasks\.task"
    ):
        replace(RECIPE, task=Words())
    with pytest.raises(UserError, match=r"data came as the class Signs: give a record of it, such as Signs\(\)"):
        replace(RECIPE, data=Signs)
    with pytest.raises(UserError, match="Classification wants views, arrays of its data, which Signs lacks"):
        replace(RECIPE, task=Classification())
    with pytest.raises(UserError, match="model came as Functional, but must be a function that builds a network"):
        replace(RECIPE, model=recurrent((STEPS, 1), 2))

    with pytest.raises(TypeError, match="abstract method"):
        type("Less", (Task,), {})()


def test_a_loss_of_ones_own(data_directory, tmp_path):
    @dataclass(frozen=True)
    class Focal(Classification):
        def loss(self):
            return keras.losses.CategoricalFocalCrossentropy(from_logits=True)

    recipe = replace(RECIPES["cnn"], data=Images(directory=data_directory, limit=20), task=Focal(), epochs=1)
    made = fit(recipe, logs=tmp_path)
    plain = fit(replace(recipe, task=Classification()), logs=tmp_path)
    assert made.history[0]["loss"] < plain.history[0]["loss"]  # of easy examples less counts
    assert evaluate(made, task=Focal())["examples"] == 360
    assert opened(made, task=Focal()).source.labels == list("0123456789")


def test_paths_may_be_text(tmp_path):
    assert Images(folder="pictures", directory=str(tmp_path)) == Images(folder=Path("pictures"), directory=tmp_path)

    @dataclass(frozen=True)
    class Two:
        here: Path
        there: Path | None = None
        name: str = "x"

    two = Two("a", "b", "c")
    as_paths(two)
    assert two == Two(Path("a"), Path("b"), "c")


def test_a_function_of_main_is_written_down_by_its_module(monkeypatch):
    """`python -m zoo.finetune` and `zoo.finetune.finetune` are one recipe."""
    from zoo.finetune import transferred
    from zoo.training.recipe import name_of

    assert name_of(transferred) == "transferred"
    monkeypatch.setattr(transferred, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", type("Spec", (), {"name": "zoo.finetune"}), raising=False)
    assert name_of(transferred) == "transferred"
