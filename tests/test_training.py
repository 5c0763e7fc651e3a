"""What training adds to a network."""

import subprocess

import keras
import numpy as np
import pytest

from zoo.models import googlenet
from zoo.training import runs
from zoo.training.auxiliary import trainable


def test_auxiliary_heads():
    """Each adds 0.3 of its loss while training; validation and prediction know the first output only."""
    shape, classes = (32, 32, 1), 3
    pixels = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)
    model = trainable(googlenet(shape, classes, dropout=0.0))
    for name in ("auxiliary1_drop", "auxiliary2_drop"):
        model.get_layer(name).rate = 0.0
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), cross_entropy, metrics=["accuracy"])
    labels = np.eye(classes, dtype="float32")[np.arange(4) % classes]
    losses = [float(cross_entropy(labels, output)) for output in model(pixels)]
    assert model.train_on_batch(pixels, labels)[0] == pytest.approx(losses[0] + 0.3 * sum(losses[1:]), rel=1e-4)
    assert model.test_on_batch(pixels, labels)[0] == pytest.approx(losses[0], rel=1e-4)
    assert model.predict(pixels, verbose=0).shape == (4, classes)
    model.optimizer.learning_rate = 0.01
    before = [variable.numpy().copy() for variable in model.trainable_variables]
    model.train_on_batch(pixels, labels)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(variable - old).max() > 0, variable.path


def test_commit_has_a_plus_where_the_package_was_changed(tmp_path, monkeypatch):
    """Not where a result was recorded, which every evaluation does."""
    for name in ("zoo/training/runs.py", "logs/results.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "zoo/training/runs.py"))
    (tmp_path / "logs/results.jsonl").write_text("2")
    assert runs.commit() == head[:12]
    (tmp_path / "zoo/training/runs.py").write_text("2")
    assert runs.commit() == head[:12] + "+"
