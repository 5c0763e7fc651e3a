"""The recurrent networks, and the language model of them, beside torch.nn.RNN, LSTM and GRU with the same weights."""

import itertools
import sys

import numpy as np
import pytest
import tensorflow as tf
from compare import randomize, relative
from keras.layers import Bidirectional

from zoo.models import lm, recurrent
from zoo.models.lm import UNROLLED

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
STEPS, FEATURES, OUTPUTS = 9, 5, 3
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def moved(weights: list) -> dict[str, np.ndarray]:
    """One direction of a Keras layer by PyTorch's names; PyTorch has a bias on both sides, Keras' LSTM one."""
    kernel, recurrent_kernel, bias = (np.asarray(weight) for weight in weights)
    both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    parts = {"weight_ih": kernel.T, "weight_hh": recurrent_kernel.T, "bias_ih": both[0], "bias_hh": both[1]}
    if bias.ndim == 2:  # GRU: Keras' gates are update, reset, new; PyTorch's are reset, update, new
        for name, part in parts.items():
            update, reset, new = np.split(part, 3)
            parts[name] = np.concatenate([reset, update, new])
    return parts


@pytest.mark.parametrize("cell", MODULES)
@pytest.mark.parametrize(("bidirectional", "every_step"), list(itertools.product([False, True], repeat=2)))
def test_recurrent(cell, bidirectional, every_step):
    options = {"bidirectional": bidirectional, "every_step": every_step}
    ours = recurrent((STEPS, FEATURES), OUTPUTS, cell=cell, units=(8, 8, 8), dense=(6,), **options)
    randomize(ours)
    theirs = MODULES[cell](FEATURES, 8, num_layers=3, batch_first=True, bidirectional=bidirectional)
    state, weights = {}, {}
    for number in range(3):
        layer = ours.get_layer(f"{cell}{number + 1}") if bidirectional else ours.get_layer("stack").layers[number]
        ways = {"": layer}
        if isinstance(layer, Bidirectional):
            ways = {"": layer.forward_layer, "_reverse": layer.backward_layer}
        for way, part in ways.items():
            state |= {f"{name}_l{number}{way}": torch.tensor(w) for name, w in moved(part.get_weights()).items()}
            weights[f"_l{number}{way}"] = part.trainable_variables
    theirs.load_state_dict(state)
    sequences = np.random.default_rng(0).normal(size=(4, STEPS, FEATURES)).astype("float32")
    expected, last = theirs(torch.from_numpy(sequences))
    if not every_step:
        last = last[0] if cell == "lstm" else last  # of LSTM also what its cells hold
        expected = torch.cat([last[-2], last[-1]], -1) if bidirectional else last[-1]
    for name in ("features", "logits"):
        kernel, bias = (torch.tensor(np.asarray(weight)) for weight in ours.get_layer(name).get_weights())
        expected = expected @ kernel + bias
        expected = torch.relu(expected) if name == "features" else expected
    with tf.GradientTape() as tape:
        outputs = ours(sequences)
        loss = tf.reduce_sum(outputs**2)
    assert outputs.shape == expected.shape
    assert relative(outputs, expected.detach().numpy()) < 1e-4

    (expected**2).sum().backward()
    slopes = dict(theirs.named_parameters())
    for place, gradients in tape.gradient(loss, weights).items():
        for name, slope in moved(gradients).items():
            if name != "bias_hh" or cell == "gru":  # for the other cells the same as of the other bias
                assert relative(slope, slopes[name + place].grad.numpy()) < 1e-4, name + place


@pytest.mark.parametrize("cell", MODULES)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("context", [STEPS, UNROLLED + 1], ids=["unrolled", "looped"])
def test_language_model(cell, tied, context):
    """Three windows of a text, with what is remembered carried from each into the next."""
    ours = lm(12, context, 4, cell=cell, embedding=8, units=(8, 8), tied=tied)
    randomize(ours)
    theirs, state = MODULES[cell](8, 8, num_layers=2, batch_first=True), {}
    for number in range(2):
        weights = moved(ours.get_layer(f"{cell}{number + 1}").recurrent.get_weights())
        state |= {f"{name}_l{number}": torch.tensor(w) for name, w in weights.items()}
    theirs.load_state_dict(state)
    vectors = torch.tensor(np.asarray(ours.get_layer("tokens").get_weights()[0]))
    kernel, bias = (
        (vectors.T, 0) if tied else (torch.tensor(np.asarray(w)) for w in ours.get_layer("logits").get_weights())
    )
    remembered = None
    for window in np.split(np.random.default_rng(0).integers(0, 12, (4, 3 * context)), 3, axis=1):
        expected, remembered = theirs(vectors[torch.from_numpy(window)], remembered)
        expected = expected @ kernel + bias
        assert relative(ours(window), expected.detach().numpy()) < 1e-4
