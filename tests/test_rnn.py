"""The recurrent networks: the plain cell beside the chapters' formula, and both ways to go through a stack."""

import keras
import numpy as np
import pytest
from test_models import STEPS, sequences, stack

from zoo.models import rnn
from zoo.models.rnn import CELLS


def test_plain_cell_by_the_formula():
    """h_t = tanh(W [h_{t-1}, x_t] + b), o_t = W_o h_t + b_o of the chapters, in numpy, step by step."""
    model, steps = rnn((9, 2), 3, every_step=True), sequences((9, 2))
    for weight in model.weights:  # biases begin as zeros, with which none would be missed
        weight.assign(np.random.default_rng(1).normal(0, 0.5, weight.shape))
    kernel, recurrent_kernel, b, w_o, b_o = (keras.ops.convert_to_numpy(weight) for weight in model.weights)
    w, h, outputs = np.concatenate([recurrent_kernel, kernel]).T, np.zeros((4, 10)), model(steps)
    for t in range(9):
        h = np.tanh(np.concatenate([h, steps[:, t]], -1) @ w.T + b)
        np.testing.assert_allclose(outputs[:, t], h @ w_o + b_o, rtol=1e-4, atol=1e-5)
    last = rnn((9, 2), 3)
    last.set_weights(model.get_weights())
    np.testing.assert_allclose(last(steps), h @ w_o + b_o, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("every_step", [False, True])
def test_one_loop_is_layer_after_layer(cell, every_step, policy, monkeypatch):
    model = stack(cell=cell, every_step=every_step)
    assert [weight.path.split("/")[1] for weight in model.get_layer("stack").weights if "bias" in weight.path] == [
        f"{cell}1",
        f"{cell}2",
    ]
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    inside = keras.Model(model.input, model.get_layer("stack").output)
    one_loop = np.asarray(inside(sequences(STEPS)), "float32")
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    layer_after_layer = np.asarray(inside(sequences(STEPS)), "float32")
    np.testing.assert_allclose(one_loop, layer_after_layer, atol=1e-6 if policy == "float32" else 1e-2)
    monkeypatch.undo()
    dropped = np.asarray(inside(sequences(STEPS, 100), training=True), "float32")
    assert (dropped == 0).mean() == pytest.approx(0.1, abs=0.05)
    between, after = model.get_layer("stack").drops
    between.rate, after.rate = 0.5, 0
    dropped = np.asarray(inside(sequences(STEPS, 100), training=True), "float32")
    assert np.abs(dropped - np.asarray(inside(sequences(STEPS, 100)), "float32")).max() > 0.1
