"""Distillation: loss and gradient are those of the paper, and the teacher is neither changed nor kept."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import assert_complaint
from keras import layers, ops

from zoo.data import Images
from zoo.distill import distill, recipe_for
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for as tuned
from zoo.fit import fit
from zoo.models import bigmodel, cnn, googlenet
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Distill, Recipe, Run, loop
from zoo.training.distill import PROJECTION

pytestmark = pytest.mark.usefixtures("unshown")

TASK = Classification()
TEACHER = partial(bigmodel, (8, 8, 1), 3, filters=(4, 8), units=8, batch_normalization=True, dropout=0.5)


def student(penalty: float = 0.0, dropout: float = 0.0) -> keras.Model:
    pixels = keras.Input((8, 8, 1))
    x = layers.Dropout(dropout)(layers.Flatten()(layers.Rescaling(1 / 255)(pixels)))
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dense(
        5, "tanh", kernel_regularizer=keras.regularizers.L2(penalty) if penalty else None, name="features"
    )(x)
    return keras.Model(pixels, layers.Dense(3, name="logits", dtype="float32")(x))


def batch(count: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.uniform(0, 255, (count, 8, 8, 1)).astype("float32")
    return x, np.eye(3, dtype="float32")[np.arange(count) % 3], random.uniform(0.5, 2, count).astype("float32")


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize(("alpha", "features"), [(0.9, 0.0), (1.0, 0.0), (0.3, 0.5), (0.0, 2.0)])
def test_loss_and_gradient(alpha, features):
    """All terms, with label smoothing, weights of examples and a penalty, word for word in numpy."""
    temperature, penalty, method = 3.0, 0.01, Distill(temperature=3.0, alpha=alpha, features=features)
    method = method.taught_by(TEACHER())
    model = loop.trainable(method.wrap(student(penalty)))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1))
    x, y, weights = batch()
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        tape.watch(outputs)
        loss = model.compute_loss(x, y, outputs, weights)
    ours = tape.gradient(loss, outputs)[0]
    logits, hidden = (ops.convert_to_numpy(output).astype("float64") for output in outputs)
    network = method.network
    inside = keras.Model(network.input, [network.output, network.get_layer("logits").input])
    theirs, taught = (ops.convert_to_numpy(output).astype("float64") for output in inside(x, training=False))
    smooth = 0.9 * y + 0.1 / 3
    task = -(smooth * np.log(softmax(logits))).sum(-1)
    soft, hard = softmax(theirs / temperature), softmax(logits / temperature)
    agreement = temperature**2 * (soft * np.log(soft / hard)).sum(-1)
    kernel = ops.convert_to_numpy(model.get_layer("features").kernel)
    hint = features * ((taught - hidden) ** 2).mean(-1) if features else 0
    expected = (weights * ((1 - alpha) * task + alpha * agreement + hint)).mean() + penalty * (kernel**2).sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    # Hinton 2015, equation 2: the gradient of the soft term is (q - p) / T, here times T^2.
    gradient = (1 - alpha) * (softmax(logits) - smooth) + alpha * temperature * (hard - soft)
    np.testing.assert_allclose(ours, weights[:, None] * gradient / len(x), rtol=1e-4, atol=1e-6)
    if features:
        assert hidden.shape == taught.shape
    plain = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(y, outputs[0], weights)
    validated = model.compute_loss(x, y, outputs, weights, training=False)
    np.testing.assert_allclose(validated, plain + penalty * (kernel**2).sum(), rtol=1e-5)


@pytest.mark.parametrize("features", [0.0, 1.0])
def test_the_student_runs_once_and_the_teacher_does_not_change(features, tmp_path):
    method = Distill(features=features).taught_by(TEACHER())
    teacher, model = method.network, loop.trainable(method.wrap(student(dropout=0.3)))
    model.compile(
        keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True), metrics=TASK.metrics()
    )
    x, y, _ = batch()
    before, norm = teacher.get_weights(), model.get_layer("norm")
    seeds = [seed for layer in model.layers if isinstance(layer, layers.Dropout) for seed in layer.variables]
    counted = ops.convert_to_numpy(seeds[0])
    model.fit(x, y, epochs=1, batch_size=6, verbose=0)
    # Once of 1 towards a variance of at most 0.51: twice would leave at most 0.986.
    moved = ops.convert_to_numpy(norm.moving_variance)
    assert ((moved > 0.989) & (moved < 0.996)).all()
    assert np.abs(ops.convert_to_numpy(seeds[0]) - counted).sum() == 1
    for ours, theirs in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    ours = {weight.path for weight in student().weights}
    assert {weight.path for weight in model.trainable_weights} >= {path for path in ours if "moving" not in path}
    assert not {id(weight) for weight in model.variables} & {id(weight) for weight in teacher.variables}
    assert model.predict(x, verbose=0).shape == (6, 3)
    kept = method.finish(keras.Model(model.input, model.outputs[0]))
    kept.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert PROJECTION not in [layer.name for layer in loaded.layers]
    np.testing.assert_array_equal(loaded(x), model(x)[0])


@pytest.fixture(scope="module")
def teacher(data_directory, tmp_path_factory) -> Run:
    data = Images(directory=data_directory, only=tuple("0123"), size=(8, 8), limit=60, batch=16)
    model = partial(bigmodel, filters=(8, 16), units=16, batch_normalization=True)
    return fit(Recipe("base", model, data, Classification(), epochs=3), logs=tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def recipe(data_directory) -> Recipe:
    data = Images(directory=data_directory, only=tuple("0123"), size=(8, 8), limit=60, batch=16)
    model, task = partial(cnn, filters=(4,), units=8), Classification(label_smoothing=0.1, class_weights="balanced")
    return Recipe("small", model, data, task, epochs=3)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_run_like_any_other(teacher, recipe, precision, tmp_path, capsys):
    run = distill(replace(recipe, precision=precision), teacher, method=Distill(features=1.0), logs=tmp_path)
    said = capsys.readouterr().out
    assert f"teacher: {teacher.path} (bigmodel, " in said
    assert "90% of the loss is agreement with it at temperature 4, and the difference of features counts 1" in said
    assert run.path.name.startswith("distilled-small-")
    assert run.model().count_params() == run.summary["weights"] < teacher.summary["weights"]
    assert evaluate(run)["accuracy"] > 0.3
    (run.path / "summary.json").unlink()  # as if it had been stopped
    assert fit(run.path).summary["epochs"] == 3
    other = recipe_for(recipe, run)  # another teacher is another recipe
    assert other.id(tmp_path) != recipe_for(recipe, teacher).id(tmp_path)


def test_a_teacher_that_does_not_fit(teacher, recipe, tmp_path, data_directory):
    def complaint(recipe: Recipe, who=teacher.path) -> str:
        with pytest.raises(UserError) as error:
            distill(recipe, who, logs=tmp_path / "logs")
        return str(error.value)

    others = replace(recipe, data=replace(recipe.data, only=tuple("0132")))
    assert "knows 4 classes (0, 1, 2, 3), but distilled-small learns 4 classes (0, 1, 3, 2)" in complaint(others)
    larger = replace(recipe, data=replace(recipe.data, size=(9, 9)))
    assert "takes input_shape [8, 8, 1], but distilled-small gets [9, 9, 1]" in complaint(larger)
    assert "no run at" in complaint(recipe, tmp_path / "none")
    with pytest.raises(ValueError, match="it has auxiliary heads"):
        Distill().taught_by(TEACHER()).wrap(googlenet((32, 32, 1), 3))
    with pytest.raises(ValueError, match=r"it has no teacher: give --method.teacher RUN"):
        Distill().wrap(student())
    wide = keras.Input((8, 8, 1))
    wide = keras.Model(wide, layers.Dense(3)(wide)[:, 0, 0])
    with pytest.raises(ValueError, match=r"its features are .*, but its teacher's .*: leave out --method.features"):
        Distill(features=1.0).taught_by(wide).wrap(student())
    with pytest.raises(UserError, match="but none was named"):
        fit(replace(recipe, method=Distill()), logs=tmp_path)
    with pytest.raises(UserError, match="has changed since this run was started"):
        fit(replace(recipe, method=Distill(teacher=teacher.path, digest="0")), logs=tmp_path)


def test_a_teacher_that_is_no_classifier(recipe, tmp_path):
    run = fit(replace(RECIPES["nlinear"], epochs=1), logs=tmp_path)
    with pytest.raises(UserError, match="tells no classes of its inputs apart"):
        distill(recipe, run, logs=tmp_path)


def test_settings_are_checked():
    for settings, said in {
        (("temperature", 0.0),): "--method.temperature came as 0.0",
        (("alpha", 1.5),): "--method.alpha came as 1.5",
        (("features", -1.0),): "--method.features came as -1.0",
        (("alpha", 0.0),): "then nothing is learned from the teacher",
    }.items():
        with pytest.raises(ValueError, match=said):
            Distill(**dict(settings))


def test_fine_tuning_with_a_teacher(teacher, recipe, tmp_path):
    method = Distill(teacher=teacher.path, alpha=0.5)
    run = fit(replace(tuned(teacher, method=method), data=recipe.data, epochs=1), logs=tmp_path)
    assert run.path.name.startswith("finetuned-base-")
    assert run.summary["epochs"] == 1


def test_command(teacher, tmp_path, data_directory, zoo_here):
    words = ["--data.only", *"0123", "--data.size", 8, 8, "--data.limit", 60, "--model.filters", 4, "--epochs", 1]
    words += ["--logs", tmp_path]
    done = zoo_here("distill", "cnn", "--teacher", teacher.path, *words, "--method.temperature", 2)
    assert done.returncode == 0, done.stderr
    assert "at temperature 2" in done.stdout
    run = Path(done.stdout.splitlines()[-1].removeprefix("run: "))
    assert run.name.startswith("distilled-cnn-")
    assert_complaint(zoo_here("distill", "cnn", *words), "distill came without a teacher: give --teacher RUN")
    assert_complaint(zoo_here("distill", "cnn", "--method.teacher", "x"), "--method.teacher came to distill")
    assert_complaint(zoo_here("distill", "cnn", "--teacher", tmp_path / "none"), "no run at")
    assert zoo_here("distill").returncode == 2
    assert "--teacher" in zoo_here("distill", "cnn", "--help").stdout
