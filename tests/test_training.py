"""What training adds to a network."""

import contextlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.data import Images
from zoo.errors import UserError
from zoo.layers import BatchNormalization
from zoo.models import googlenet
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Recipe, devices, files, runs
from zoo.training.auxiliary import trainable
from zoo.training.method import Follow


def test_auxiliary_heads(policy, monkeypatch):
    """Each adds 0.3 of its loss while training; validation and prediction know the first output only.

    Of a GoogLeNet of four narrow modules.
    """
    monkeypatch.setattr("zoo.models.inception.MODULES", dict.fromkeys(("3a", "4a", "4d", "5a"), (32,) * 6))
    shape, classes = (32, 32, 1), 3
    pixels = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)
    model = trainable(googlenet(shape, classes, dropout=0.0))
    for name in ("auxiliary1_drop", "auxiliary2_drop"):
        model.get_layer(name).rate = 0.0
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    sgd = optimizer = keras.optimizers.SGD(0.0)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(sgd, initial_scale=16)  # Keras' own overflows at first
    model.compile(optimizer, cross_entropy, metrics=["accuracy"])
    close = {"rel": 1e-4 if policy == "float32" else 1e-2}
    labels = np.eye(classes, dtype="float32")[np.arange(4) % classes]
    outputs = model(pixels)
    assert all(output.dtype == "float32" for output in outputs)
    losses = [float(cross_entropy(labels, output)) for output in outputs]
    assert model.train_on_batch(pixels, labels)[0] == pytest.approx(losses[0] + 0.3 * sum(losses[1:]), **close)
    assert model.test_on_batch(pixels, labels)[0] == pytest.approx(losses[0], **close)
    assert model.predict(pixels, verbose=0).shape == (4, classes)
    sgd.learning_rate = 0.01
    before = [variable.numpy().copy() for variable in model.trainable_variables]
    model.train_on_batch(pixels, labels)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(variable - old).max() > 0, variable.path


def test_moving_statistics_follow_where_an_epoch_has_few_steps():
    """After 2 epochs of 4 steps they are near those of the data; what is saved has the momentum it was built with."""
    inputs = keras.Input((4, 4, 3))
    flat = keras.layers.GlobalAveragePooling2D()(BatchNormalization(name="norm")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(flat))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    pixels = np.random.default_rng(0).normal(7, 3, (32, 4, 4, 3)).astype("float32")
    norm, seen = model.get_layer("norm"), []
    saving = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(norm.momentum))
    model.fit(pixels, np.eye(2)[[0, 1] * 16], batch_size=8, epochs=2, callbacks=[Follow(steps=4), saving], verbose=0)
    np.testing.assert_allclose(norm.moving_mean, pixels.mean((0, 1, 2)), rtol=0.1)
    np.testing.assert_allclose(norm.moving_variance, pixels.var((0, 1, 2)), rtol=0.2)
    assert seen == [0.99, 0.99]
    for steps, momentum in ((1, 0.0), (4, 0.5), (100, 0.98), (1000, 0.99)):
        follow = Follow(steps)
        follow.set_model(model)
        follow.on_epoch_begin(0)
        assert norm.momentum == pytest.approx(momentum)
        follow.on_epoch_end(0)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_are_refused(backend, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(
        UserError, match=f"backend is {backend}, but training, and whatever writes token by token, want"
    ):
        devices.configure(0, "float32")


def test_a_persons_keras_json_changes_no_numbers(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "image_data_format": "channels_first"}')
    words = "import keras, zoo.models; print(keras.config.floatx(), keras.config.image_data_format())"
    place = {"env": os.environ | {"KERAS_HOME": str(tmp_path)}, "cwd": ROOT}
    printed = subprocess.check_output([sys.executable, "-c", words], **place)
    assert printed.split() == [b"float32", b"channels_last"]


def test_a_recipe_is_called_what_a_folder_can_be():
    for name in ("../elsewhere", "my net", ""):
        with pytest.raises(ValueError, match="a recipe was called"):
            replace(RECIPES["cnn"], name=name)


def test_a_bare_builder_is_one_with_its_defaults():
    bare, wrapped = (Recipe("mine", model, Images(), Classification()) for model in (googlenet, partial(googlenet)))
    assert bare.id() == wrapped.id()
    assert bare.leaves() == wrapped.leaves()


def test_changed_validation_pictures(tmp_path):
    """They choose the epoch that is kept. A run of the version that did not write their digest down goes on."""
    then = {"train": 8, "validation": 2, "test": 2, "digest": "a"}
    for data, now, refused in (
        (then | {"validation_digest": "b"}, then | {"validation_digest": "b"}, False),
        (then | {"validation_digest": "b"}, then | {"validation_digest": "c"}, True),
        (then, then | {"validation_digest": "c"}, False),
        (then, then | {"digest": "c", "validation_digest": "c"}, True),
    ):
        files.write_json(tmp_path / "run.json", {"data": data})
        with pytest.raises(UserError, match="have changed") if refused else contextlib.nullcontext():
            runs.check_data(runs.Run(tmp_path), now)


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


def test_decay_of_vectors():
    """Biases and normalisation are left alone, all else decays."""
    optimizer = RECIPES["gpt"].optimizer.build(10)
    model = RECIPES["gpt"].model(5, 4, bias=True)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        spared = variable.path.split("/")[-1] in ("bias", "gamma", "beta")
        assert optimizer._use_weight_decay(variable) == (not spared), variable.path
