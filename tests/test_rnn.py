"""The recurrent networks: their facts, and the plain cell beside the chapters' formula."""

import os
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from conftest import ROOT

from zoo.models import gru, lstm, recurrent, rnn
from zoo.models.rnn import CELLS

SHAPE, OUTPUTS = (7, 5), 3
both_ways = partial(recurrent, units=(6, 4), bidirectional=True, every_step=True, dropout=0.1)
stack = partial(recurrent, units=(6, 4), dropout=0.1)
BUILDERS = {
    "rnn": rnn,
    "stack": stack,
    "loop": partial(stack, dropout=0.0),
    "lstm": partial(both_ways, cell="lstm"),
    "gru": partial(both_ways, cell="gru", dense=()),
}


def sequences(count: int = 4, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")


@pytest.fixture(params=BUILDERS)
def build(request):
    keras.utils.set_random_seed(0)
    return partial(BUILDERS[request.param], SHAPE, OUTPUTS)


def test_shape_and_type(build, policy):
    model = build()
    outputs = model(sequences())
    every_step = build.keywords.get("every_step", False)
    assert outputs.shape == ((4, SHAPE[0], OUTPUTS) if every_step else (4, OUTPUTS))
    assert outputs.dtype == "float32"
    assert np.isfinite(outputs).all()


def test_numbers_of_weights():
    # as PyTorch counts them, less its second bias
    assert rnn((100, 1), 1).count_params() == 131
    assert lstm((100, 64), 10).count_params() == 370_890
    assert gru((100, 64), 10).count_params() == 281_546


def test_every_weight_learns(build, policy):
    model = build()
    optimizer = keras.optimizers.SGD(0.1)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=16)
    model.compile(optimizer, "mean_squared_error")
    before = [keras.ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    model.fit(sequences(16), np.ones((16, *model.output_shape[1:])), batch_size=8, epochs=2, verbose=0)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - old).max() > 0, variable.path


def test_saved_and_loaded(build, policy, tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(sequences()), model(sequences()))


def test_plain_cell_by_the_formula():
    """h_t = tanh(W [h_{t-1}, x_t] + b), o_t = W_o h_t + b_o of the chapters, in numpy, step by step."""
    model, steps = rnn((9, 2), 3, every_step=True), sequences(4, (9, 2))
    for weight in model.weights:  # biases begin as zeros, with which none would be missed
        weight.assign(np.random.default_rng(1).normal(0, 0.5, weight.shape))
    kernel, recurrent_kernel, b, w_o, b_o = (keras.ops.convert_to_numpy(weight) for weight in model.weights)
    w, h = np.concatenate([recurrent_kernel, kernel]).T, np.zeros((4, 10))
    for t in range(9):
        h = np.tanh(np.concatenate([h, steps[:, t]], -1) @ w.T + b)
        np.testing.assert_allclose(model(steps)[:, t], h @ w_o + b_o, rtol=1e-4, atol=1e-5)
    last = rnn((9, 2), 3)
    last.set_weights(model.get_weights())
    np.testing.assert_allclose(last(steps), h @ w_o + b_o, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every_step", [False, True])
def test_one_loop_is_layer_after_layer(cell, every_step, policy, monkeypatch):
    model = stack(SHAPE, OUTPUTS, cell=cell, every_step=every_step)
    assert [weight.path.split("/")[1] for weight in model.get_layer("stack").weights if "bias" in weight.path] == [
        f"{cell}1",
        f"{cell}2",
    ]
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    inside = keras.Model(model.input, model.get_layer("stack").output)
    one_loop = np.asarray(inside(sequences()), "float32")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    layer_after_layer = np.asarray(inside(sequences()), "float32")
    np.testing.assert_allclose(one_loop, layer_after_layer, atol=1e-6 if policy == "float32" else 1e-2)
    monkeypatch.undo()
    dropped = np.asarray(inside(sequences(100), training=True), "float32")
    assert (dropped == 0).mean() == pytest.approx(0.1, abs=0.05)
    between, after = model.get_layer("stack").drops
    between.rate, after.rate = 0.5, 0
    dropped = np.asarray(inside(sequences(100), training=True), "float32")
    assert np.abs(dropped - np.asarray(inside(sequences(100)), "float32")).max() > 0.1


def test_complaints():
    with pytest.raises(ValueError, match="cell came as 'elman', but the known ones are rnn, lstm, gru"):
        recurrent(SHAPE, OUTPUTS, cell="elman")
    with pytest.raises(ValueError, match="units came empty, but the network needs at least one recurrent layer"):
        recurrent(SHAPE, OUTPUTS, units=())


def test_same_outputs_on_jax(tmp_path):
    pytest.importorskip("jax", reason="jax is not installed: the second backend is not tested")
    for name, builder in BUILDERS.items():
        model = builder(SHAPE, OUTPUTS)
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", x=sequences(), outputs=model(sequences()))
    script = (
        "import pathlib, sys, keras, numpy as np\n"
        "import zoo.models\n"
        "assert keras.backend.backend() == 'jax' and 'tensorflow' not in sys.modules\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.keras'):\n"
        "    stored = np.load(path.with_suffix('.npz'))\n"
        "    outputs = keras.saving.load_model(path)(stored['x'])\n"
        "    np.testing.assert_allclose(outputs, stored['outputs'], rtol=1e-4, atol=1e-5)\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
