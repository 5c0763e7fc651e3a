"""TextCNN in all variants beside PyTorch with the same weights: each channel by itself, and a class for each filter."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from compare import randomize, relative

from zoo.models import textcnn
from zoo.models.textcnn import VARIANTS

# Triton, which comes with PyTorch for CUDA, aborts in a process that has loaded TensorFlow (tensorflow#124205).
sys.modules["triton"] = None
torch = pytest.importorskip("torch", reason="torch is not installed (extra test-references): no PyTorch reference")
VOCABULARY, CLASSES, WINDOWS = 30, 3, (2, 3, 4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("pool", ["max", "mean"])
def test_textcnn(variant, pool):
    """Texts of the network's length, so that padding, which torch does not know, only begins after the last phrase."""
    keras.utils.set_random_seed(0)
    how = {"width": 8, "windows": WINDOWS, "filters": 5, "dropout": 0.0}
    ours = textcnn(VOCABULARY, CLASSES, None if variant == "rand" else 8, variant=variant, pool=pool, **how)
    randomize(ours)
    text = np.random.default_rng(0).integers(1, VOCABULARY, (4, 11)).astype("int32")
    weights = {v.path: torch.tensor(v.numpy(), requires_grad=True) for v in ours.weights}
    tables = [weights[f"{name}/embeddings"] for name in ("tokens", "tokens_static") if f"{name}/embeddings" in weights]
    assert len(tables) == 1 + (variant == "multichannel")
    zeros = torch.zeros(len(text), max(WINDOWS) - 1, 8)
    channels = [torch.cat([table[torch.tensor(text).long()], zeros], 1).transpose(1, 2) for table in tables]
    found = []
    for window in WINDOWS:
        kernel, bias = (weights[f"window{window}/{part}"] for part in ("kernel", "bias"))
        # (T, D, F) in Keras, (F, D, T) in PyTorch; a filter is applied to both channels and the results are added.
        y = sum(torch.nn.functional.conv1d(channel, kernel.permute(2, 1, 0)) for channel in channels)
        y = torch.relu(y + bias[:, None])[..., : text.shape[1]]  # phrases begin in the text
        found.append(y.amax(-1) if pool == "max" else y.mean(-1))
    expected = torch.cat(found, -1) @ weights["logits/kernel"] + weights["logits/bias"]
    with tf.GradientTape() as tape:
        logits = ours(text)
        loss = tf.reduce_sum(logits**2)
    assert relative(logits, expected.detach()) < 1e-4
    (expected**2).sum().backward()
    trained = [v.path for v in ours.trainable_weights]
    assert ("tokens/embeddings" in trained) == (variant != "static")
    assert "tokens_static/embeddings" not in trained
    # Of tables the tape has only the rows that were looked up.
    gradients = map(tf.convert_to_tensor, tape.gradient(loss, ours.trainable_weights))
    for path, gradient in zip(trained, gradients, strict=True):
        assert relative(gradient, weights[path].grad) < 1e-4, path
