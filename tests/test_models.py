"""One test for all builders: declared facts are true, every weight learns, saving changes nothing."""

import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.models import bigmodel, cnn

# Builder, its positional arguments, and the number of weights that somebody else states for them.
BUILDERS = {
    "cnn": (cnn, (28, 28, 1), 10, 225_034),  # the chapters' code
    "cnn-colour": (partial(cnn, filters=(8, 16, 8), dropout=0.2), (40, 33, 3), 3, None),
    "bigmodel": (bigmodel, (32, 32, 3), 10, 8_278_658),  # the same network in PyTorch
    "bigmodel-regularised": (
        partial(bigmodel, filters=(4, 8), units=16, l1=1e-4, l2=1e-4, batch_normalization=True, dropout=0.5),
        (9, 12, 1),
        2,
        None,
    ),
}
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


@pytest.fixture(params=BUILDERS)
def case(request):
    keras.utils.set_random_seed(0)
    return BUILDERS[request.param]


@pytest.fixture(params=POLICIES)
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def pixels(shape: tuple[int, ...], count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def test_shape_and_type(case, policy):
    build, shape, classes, _ = case
    logits = build(shape, classes)(pixels(shape).astype("float32"))
    assert logits.shape == (4, classes)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


def test_declared_number_of_weights(case):
    build, shape, classes, declared = case
    if declared is None:
        pytest.skip("nobody else states a number for this variant")
    assert build(shape, classes).count_params() == declared


def test_every_weight_learns(case, policy):
    build, shape, classes, _ = case
    model = build(shape, classes)
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    labels = np.eye(classes, dtype="float32")[np.arange(64) % classes]
    model.fit(pixels(shape, 64), labels, batch_size=32, epochs=2, verbose=0)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - old).max() > 0, variable.path


def test_saved_and_loaded(case, policy, tmp_path):
    build, shape, classes, _ = case
    model = build(shape, classes)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(model(pixels(shape)), again(pixels(shape)))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_rescales_inside(case):
    build, shape, classes, _ = case
    model = build(shape, classes)
    inside = keras.Model(model.input, model.get_layer("rescale").output)
    np.testing.assert_allclose(inside(pixels(shape)), pixels(shape) / 255.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("build", "shape", "words"),
    [
        (cnn, (9, 28, 1), "9x28 pixels, but 2 stages of 3x3 convolution and pooling need 10x10"),
        (bigmodel, (3, 3, 1), "3x3 pixels, but halving them 2 times needs 4x4"),
    ],
)
def test_too_small_a_picture(build, shape, words):
    with pytest.raises(ValueError, match=words):
        build(shape, 10)


def test_smallest_picture_of_cnn():
    assert cnn((10, 10, 1), 2)(pixels((10, 10, 1))).shape == (4, 2)


@pytest.mark.parametrize(("build", "padding"), [(cnn, 0), (bigmodel, 1)])
def test_equals_the_formula(build, padding):
    """The whole forward pass against plain numpy: padding, order of weights, pooling of odd sides."""
    model = build((11, 10, 2), 3, filters=(2, 3), units=4)
    weights = iter([keras.ops.convert_to_numpy(v).astype("float64") for v in model.trainable_variables])
    x = pixels((11, 10, 2)) / 255
    for _ in range(2):
        kernel, bias = next(weights), next(weights)
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        height, width = x.shape[1] - 2, x.shape[2] - 2
        y = np.zeros((len(x), height, width, kernel.shape[-1]))
        for row in range(3):
            for column in range(3):
                y += x[:, row : row + height, column : column + width] @ kernel[row, column]
        y = np.maximum(y + bias, 0)[:, : height // 2 * 2, : width // 2 * 2]
        x = y.reshape(len(y), height // 2, 2, width // 2, 2, -1).max((2, 4))
    x = np.maximum(x.reshape(len(x), -1) @ next(weights) + next(weights), 0)
    logits = x @ next(weights) + next(weights)
    np.testing.assert_allclose(model(pixels((11, 10, 2))), logits, rtol=1e-4, atol=1e-5)


def test_same_outputs_on_jax(tmp_path):
    """The builders know only Keras: a network saved here gives the same logits on the other backend."""
    pytest.importorskip("jax", reason="jax is not installed: the second backend is not tested")
    for name, (build, shape, classes, _) in BUILDERS.items():
        model = build(shape, classes)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        np.savez(tmp_path / f"{name}.npz", x=pixels(shape), logits=keras.ops.convert_to_numpy(model(pixels(shape))))
    script = (
        "import sys, keras, numpy as np\n"
        "from test_models import BUILDERS\n"
        "assert keras.backend.backend() == 'jax'\n"
        "assert 'tensorflow' not in sys.modules\n"
        "for name, (build, shape, classes, _) in BUILDERS.items():\n"
        "    model, stored = build(shape, classes), np.load(f'{sys.argv[1]}/{name}.npz')\n"
        "    model.load_weights(f'{sys.argv[1]}/{name}.weights.h5')\n"
        "    np.testing.assert_allclose(model(stored['x']), stored['logits'], rtol=1e-4, atol=1e-5)\n"
        "    model.compile('sgd', keras.losses.CategoricalCrossentropy(from_logits=True))\n"
        "    loss = model.train_on_batch(stored['x'], np.eye(classes)[np.arange(4) % classes])\n"
        "    assert np.isfinite(loss)\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
