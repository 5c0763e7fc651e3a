"""Fits on tiny data: they learn, stop, diverge, meet a full disk, and are about their own data."""

import dataclasses
import errno
import json
import os
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from test_recipes import small

from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Optimizer, callbacks
from zoo.training.loop import EXECUTION, epoch_steps


def test_it_learns(tiny, data_directory, tmp_path, unshown):
    recipe = dataclasses.replace(small(RECIPES["cnn"], tiny, data_directory), epochs=20)
    assert evaluate(fit(recipe, logs=tmp_path))["accuracy"] == 1.0


OPTIMIZERS = [
    Optimizer("sgd", rate=0.1, momentum=0.9, nesterov=True, schedule="step", clip=1.0),
    Optimizer("adam", schedule="plateau"),
    Optimizer("adamw", schedule="constant", weight_decay=0.1, ema=0.9),
    Optimizer("rmsprop", momentum=0.5),
    Optimizer("lion", rate=1e-4, warmup=0.2),
    Optimizer("muon", weight_decay=0.01),
]


@pytest.mark.usefixtures("unshown")
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer.name)
def test_every_optimizer_trains(optimizer, tiny, data_directory, tmp_path):
    """In half precision, within which each acts as in the whole one; the loss is scaled around it."""
    task = Classification(label_smoothing=0.1, class_weights="balanced")
    recipe = small(RECIPES["cnn"], tiny, data_directory, optimizer=optimizer, precision="mixed_float16", task=task)
    assert len(fit(recipe, logs=tmp_path).history) == 2


def test_schedules():
    cosine = Optimizer(rate=1.0, warmup=0.1).learning_rate(100)
    assert float(cosine(0)) == 0
    assert float(cosine(10)) == pytest.approx(1)
    assert float(cosine(55)) == pytest.approx(0.5, abs=0.01)
    assert float(cosine(100)) == pytest.approx(0, abs=1e-6)
    step = Optimizer(rate=1.0, schedule="step").learning_rate(100)
    assert [float(step(at)) for at in (49, 51, 76)] == pytest.approx([1, 0.1, 0.01])


def test_patience_stops_and_the_best_epoch_is_kept(tiny, data_directory, tmp_path, unshown):
    # A rate so high that the second epoch is worse than the first for good.
    recipe = dataclasses.replace(
        small(RECIPES["cnn"], tiny, data_directory),
        epochs=30,
        patience=2,
        optimizer=Optimizer("sgd", rate=3.0, schedule="constant", clip=1.0),
    )
    run = fit(recipe, logs=tmp_path)
    losses = [epoch["val_loss"] for epoch in run.history]
    assert len(losses) < 30
    best = run.summary["best"]
    assert best["val_loss"] == min(losses)
    assert len(losses) == best["epoch"] + 2
    assert evaluate(run, "validation")["loss"] == pytest.approx(min(losses), rel=1e-4)


def test_balanced_weights_of_the_formula():
    source = SimpleNamespace(labels=["many", "few"], arrays=lambda split: (None, np.array([0, 0, 0, 1])))
    weights = Classification(class_weights="balanced").weights(source)
    assert weights == {0: pytest.approx(4 / 6), 1: pytest.approx(2)}


@pytest.mark.parametrize("examples", [1, 7, 100, 1257, 45_000, 54_000, 1_281_167])
@pytest.mark.parametrize("batch", [1, 64, 128, 1000])
def test_steps_of_an_epoch(examples, batch):
    steps, per_execution = epoch_steps(examples, batch)
    assert steps >= 1
    assert steps % per_execution == 0
    assert per_execution <= EXECUTION
    if examples > 20 * batch:
        assert steps * batch == pytest.approx(examples, rel=0.03)


@pytest.mark.usefixtures("unshown")
def test_diverged_training_keeps_the_last_good_state(tiny, data_directory, tmp_path):
    recipe = dataclasses.replace(
        small(RECIPES["cnn"], tiny, data_directory),
        optimizer=Optimizer("sgd", rate=1e30, schedule="constant"),
        epochs=9,
    )
    with pytest.raises(UserError, match=r"training diverged: .* by step \d+; no epoch was finished; .*rate"):
        fit(recipe, logs=tmp_path)


class Poison(keras.callbacks.Callback):
    """Makes a weight not a number in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            weight = self.model.trainable_variables[0]
            weight.assign(weight * float("nan"))


@pytest.mark.usefixtures("unshown")
def test_divergence_leaves_the_last_good_state(tiny, data_directory, tmp_path, monkeypatch):
    standard = callbacks.standard
    monkeypatch.setattr(callbacks, "standard", lambda *all: [Poison(), *standard(*all)])
    recipe = small(RECIPES["cnn"], tiny, data_directory)
    with pytest.raises(UserError, match=r"training diverged: .* by step \d+; the last good state is in"):
        fit(recipe, logs=tmp_path)
    monkeypatch.setattr(callbacks, "standard", standard)
    resumed = fit(recipe, logs=tmp_path)  # from the first epoch's end, which was sound
    assert resumed.history == fit(recipe, logs=tmp_path, fresh=True).history


@pytest.mark.usefixtures("unshown")
def test_full_disk_leaves_the_last_good_state(tiny, data_directory, tmp_path, monkeypatch):
    recipe, sync, written = small(RECIPES["cnn"], tiny, data_directory), os.fsync, []

    def full(number):
        written.append(number)
        if len(written) == 5:  # run.json, model.keras, state.npz, history.json: the second epoch's model.keras
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"the disk is full: .*make room and type the same command again"):
        fit(recipe, logs=tmp_path)
    assert not list(tmp_path.rglob(".part-*"))
    monkeypatch.setattr(os, "fsync", sync)
    resumed = fit(recipe, logs=tmp_path)
    assert resumed.history == fit(recipe, logs=tmp_path, fresh=True).history


@pytest.mark.usefixtures("unshown")
def test_history_is_whole_after_a_kill_before_it_was_written(tiny, data_directory, tmp_path):
    recipe = small(RECIPES["cnn"], tiny, data_directory)
    run = fit(recipe, logs=tmp_path)
    whole = run.history
    (run.path / "summary.json").unlink()
    (run.path / "history.json").write_text(json.dumps(whole[:-1]))
    assert fit(recipe, logs=tmp_path).history == whole


@pytest.mark.usefixtures("unshown")
def test_a_run_is_about_its_own_data_and_versions(tiny, data_directory, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "pictures")
    recipe = small(RECIPES["cnn"], folder, data_directory)
    run = fit(recipe, logs=tmp_path / "logs")
    record = run.record
    (run.path / "summary.json").unlink()
    (run.path / "run.json").write_text(json.dumps(record | {"versions": record["versions"] | {"keras": "2.0"}}))
    with pytest.raises(UserError, match=r"was started with versions .*2\.0"):
        fit(recipe, logs=tmp_path / "logs")
    (run.path / "run.json").write_text(json.dumps(record))
    (folder / "class0" / "0.png").unlink()
    again = small(RECIPES["cnn"], folder, data_directory)
    with pytest.raises(UserError, match=r"the data of .* have changed"):
        fit(again, logs=tmp_path / "logs")
    with pytest.raises(UserError, match=r"the data of .* have changed"):
        evaluate(run)


def test_class_without_a_readable_picture(tiny, data_directory, tmp_path):
    folder = shutil.copytree(tiny, tmp_path / "pictures")
    for path in (folder / "class1").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match="no picture to train on could be read of class1"):
        fit(small(RECIPES["cnn"], folder, data_directory), logs=tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("shape", [(3, 3, 24, 16), (8, 40), (40, 8)])
@pytest.mark.parametrize("decades", [0, 4])
def test_muon_orthogonalises_as_keras_does(shape, decades):
    """Also where the gradient has directions of very different length."""
    muon = Optimizer("muon").build(1)
    gradient = np.random.default_rng(0).normal(size=shape).astype("float32").reshape(-1, shape[-1])
    left, lengths, right = np.linalg.svd(gradient, full_matrices=False)
    gradient = ((left * np.logspace(0, -decades, len(lengths))) @ right).astype("float32")
    theirs = keras.optimizers.Muon().zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(gradient), 5)
    ours = muon.zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(gradient.reshape(shape)), 5)
    assert ours.shape == shape
    assert np.allclose(np.reshape(ours, gradient.shape), theirs, atol=2e-3)
