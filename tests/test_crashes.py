"""Exact resume of what depends on the source and the network: dying right after a save changes no bit."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from test_resume import NANO, assert_equal, outcome

from zoo.data import Augment, Images, Masked, Text
from zoo.distill import recipe_for as distilled
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import bert_masked, bigmodel, cnn, gpt, lm
from zoo.models.bert import VARIANTS as BERTS
from zoo.models.bert import Variant as Bert
from zoo.models.gpt import VARIANTS
from zoo.prune import recipe_for as pruned
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Distill, Lora, Optimizer, Prune, Recipe, Thaw, resume
from zoo.training.lora import FILE


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "my.txt"
    path.write_text("the cat sat on the mat and the dog sat on the log\n" * 40)
    return path


class Crash(Exception):
    """The process is gone."""


FALLING = Optimizer("sgd", rate=0.5, momentum=0.9, schedule="plateau")
CASES = {
    "plateau": ({"optimizer": FALLING, "patience": 2, "epochs": 3}, (1, 3, 4, 6, 7, 9)),
    "averaged": ({"optimizer": Optimizer("adam", ema=0.9), "precision": "mixed_float16"}, (3, 4)),
}


def small(data_directory: Path, **settings) -> Recipe:
    """Three steps an epoch."""
    return Recipe(
        name="small",
        model=partial(bigmodel, filters=(2, 4), units=4, batch_normalization=True, dropout=0.3),
        data=Images(directory=data_directory, limit=30, batch=100, augment=Augment(shift=0.1, cutmix=0.5)),
        task=Classification(label_smoothing=0.1, class_weights="balanced"),
        **{"epochs": 2} | settings,
    )


def crash_at_saves(train, tmp_path: Path, monkeypatch, steps: tuple[int, ...] = (3, 4)) -> None:
    """Saves after each step, of which an epoch has three, and dies right after the saves of some steps, between files.

    By default once between epochs and once in the middle of the second: what goes on there depends on the source and
    the network. That it may be anywhere, also where a run has but to be finished, does not.
    """
    train(tmp_path / "unstopped")
    expected = outcome(tmp_path / "unstopped")
    monkeypatch.setattr(resume, "INTERVAL", 0)
    write, left = resume.write_state, list(steps)

    def write_and_crash(path, arrays, state):
        write(path, arrays, state)
        if state["step"] in left[:1]:
            left.pop(0)
            raise Crash

    monkeypatch.setattr(resume, "write_state", write_and_crash)
    for _ in steps:
        with pytest.raises(Crash):
            train(tmp_path / "crashed")
    train(tmp_path / "crashed")
    assert_equal(outcome(tmp_path / "crashed"), expected)


@pytest.mark.usefixtures("unshown")  # the pictures are in the trainings that are killed
@pytest.mark.parametrize(("settings", "steps"), CASES.values(), ids=CASES)
def test_crash_at_saves(settings, steps, data_directory, tmp_path, monkeypatch):
    recipe = small(data_directory, **settings)
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch, steps)


def test_crash_at_saves_of_a_language_model(file, tmp_path, monkeypatch):
    monkeypatch.setitem(VARIANTS, "nano", NANO)
    recipe = replace(
        RECIPES["gpt"],
        model=partial(gpt, dropout=0.1),
        data=Text(file=file, context=8, batch=4, windows=12),
        optimizer=Optimizer("muon"),
        epochs=2,
        xla="off",  # which each of the many sessions would wait for
    )
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)


def test_crash_at_saves_of_hidden_words(file, tmp_path, monkeypatch):
    monkeypatch.setitem(BERTS, "nano", Bert(16, 1, 2))
    recipe = replace(
        RECIPES["bert"],
        model=partial(bert_masked, variant="nano", dropout=0.1),
        data=Masked(file=file, vocabulary=100, context=8, batch=4, windows=12),
        epochs=2,
        xla="off",
    )
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)


def test_crash_at_saves_of_what_is_carried(file, tmp_path, monkeypatch):
    recipe = replace(
        RECIPES["lm"],
        model=partial(lm, embedding=8, units=(8, 8), dropout=0.1),
        data=Text(file=file, tokens="words", context=4, batch=4, carried=True, windows=12),
        epochs=2,
    )
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch, (1, 3, 4, 6))


@pytest.mark.usefixtures("unshown")
def test_crash_at_saves_while_thawing(data_directory, tmp_path, monkeypatch):
    base = fit(small(data_directory, epochs=1), logs=tmp_path / "base")
    data = Images(directory=data_directory, limit=100, batch=100, only=("7", "8", "9"), size=(28, 28))
    others = {"optimizer": Optimizer("rmsprop", schedule="step"), "monitor": "val_accuracy"}
    recipe = replace(recipe_for(base), data=data, epochs=3, method=Thaw(frozen=1, groups=2), **others)
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch, (3, 4, 7))


@pytest.mark.usefixtures("unshown")
def test_crash_at_saves_of_an_adapter(data_directory, tmp_path, monkeypatch):
    """What Keras would save and load, A and B at 0, could not go on to the same bits."""
    base = fit(small(data_directory, epochs=1), logs=tmp_path / "base")
    data = Images(directory=data_directory, limit=100, batch=100, only=("7", "8", "9"), size=(28, 28))
    others = {"optimizer": Optimizer("adam", ema=0.9), "precision": "mixed_float16", "patience": 2}
    recipe = replace(recipe_for(base, method=Lora(rank=2)), data=data, epochs=2, **others)
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch, (1, 3, 4))
    files = [path.read_bytes() for path in tmp_path.rglob(FILE)]
    assert len(files) == 2
    assert files[0] == files[1]


@pytest.mark.usefixtures("unshown")
@pytest.mark.parametrize("kind", ["weights", "channels"])
def test_crash_at_saves_while_pruning(kind, data_directory, tmp_path, monkeypatch):
    """The masks are as exact as the weights."""
    base = fit(small(data_directory, epochs=1), logs=tmp_path / "base")
    recipe = replace(pruned(base, Prune(kind=kind, end=0.8)), epochs=2)
    if kind == "weights":
        recipe = replace(recipe, optimizer=Optimizer("adam", ema=0.9), precision="mixed_float16")
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch, (1, 3, 4))
    (first, second) = (json.loads(path.read_text()) for path in tmp_path.glob("*/pruned-*/summary.json"))
    assert first["reached"] == second["reached"]


@pytest.mark.usefixtures("unshown")
def test_crash_at_saves_while_distilling(data_directory, tmp_path, monkeypatch):
    base = fit(small(data_directory, epochs=1), logs=tmp_path / "base")
    method = Distill(features=1.0)
    recipe = replace(small(data_directory), model=partial(cnn, filters=(2,), units=3, dropout=0.2), method=method)
    recipe = distilled(recipe, base)
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch, (1, 3, 4))
