"""The layers that networks share, beside numpy and Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import (
    BatchNormalization,
    CrossAttention,
    EncoderBlock,
    LocalResponseNormalization,
    SelfAttention,
    SinusoidalPositions,
    scaled,
)
from zoo.layers.attention import scaled_dot_product
from zoo.layers.transformer import padding_mask


def test_scaling():
    with pytest.raises(ValueError, match="scaling came as 'vgg', but must be unit, symmetric or caffe"):
        scaled(keras.Input((8, 8, 3)), "vgg")
    with pytest.raises(ValueError, match="is for 3 channels, but the pictures have 1"):
        scaled(keras.Input((8, 8, 1)), "caffe")


@pytest.mark.parametrize("scaling", ["unit", "symmetric", "caffe"])
def test_scaling_in_each_precision(scaling, policy):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3)).astype("float32")
    expected = {
        "unit": pixels / 255,
        "symmetric": pixels / 127.5 - 1,
        "caffe": pixels[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    }[scaling]
    inputs = keras.Input((3, 4, 3))
    found = keras.ops.cast(keras.Model(inputs, scaled(inputs, scaling))(pixels), "float32")
    # bfloat16 has 8 bits, and rounds more than once.
    exact = {"rtol": 1e-6, "atol": 1e-4} if policy == "float32" else {"atol": np.abs(expected).max() / 2**6}
    np.testing.assert_allclose(found, expected, **exact)


def test_local_response_normalization(policy):
    """Krizhevsky 2012, section 3.3, written out in numpy."""
    x = np.random.default_rng(0).normal(0, 30, (2, 3, 4, 7)).astype("float32")
    expected = np.empty_like(x)
    for channel in range(7):
        around = x[..., max(0, channel - 2) : channel + 3]
        expected[..., channel] = x[..., channel] / (2 + 1e-4 * (around.astype("float64") ** 2).sum(-1)) ** 0.75
    tolerance = {"float32": 1e-5, "mixed_bfloat16": 1e-2, "mixed_float16": 1e-3}[policy]
    np.testing.assert_allclose(
        keras.ops.cast(LocalResponseNormalization()(x), "float32"), expected, rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("options", [{}, {"scale": False, "epsilon": 1.001e-5}, {"center": False, "momentum": 0.9}])
@pytest.mark.parametrize("frozen", [False, True])
def test_fused_batch_normalization_is_that_of_keras(options, frozen, policy):
    x = np.random.default_rng(0).normal(1, 3, (4, 5, 6, 3)).astype("float32")
    outputs, gradients = [], []
    pair = [kind(**options) for kind in (BatchNormalization, keras.layers.BatchNormalization)]
    for layer in pair:
        layer.build(x.shape)
        layer.trainable = not frozen
        for weight, value in zip(layer.weights, (1.5, 0.5, 2.0, 3.0), strict=False):
            weight.assign(value + np.arange(3) / 10)
        inputs = tf.constant(x)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            y = layer(inputs, training=True)
            total = tf.reduce_sum(tf.cast(y, "float32") ** 3)
        outputs += [tf.cast(y, "float32"), tf.cast(layer(x, training=False), "float32")]
        gradients.append([tape.gradient(total, inputs), *tape.gradient(total, [w.value for w in layer.weights[:2]])])
    tolerance = {"float32": 1e-4, "mixed_bfloat16": 3e-2, "mixed_float16": 3e-3}[policy]
    half = len(outputs) // 2
    for mine, theirs in zip(outputs[:half], outputs[half:], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)
    for mine, theirs in zip(*gradients, strict=True):
        if theirs is not None:
            np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())
    for mine, theirs in zip(pair[0].weights, pair[1].weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2 if policy == "mixed_bfloat16" else 1e-3)


def test_masks_that_keras_passes_on():
    """Keras hands the mask of `mask_zero` from layer to layer; it is the mask that is given by hand."""
    keras.utils.set_random_seed(0)
    tokens = np.array([[3, 4, 5, 0], [3, 0, 0, 0]], "int32")
    vectors = keras.layers.Embedding(9, 8, mask_zero=True)(tokens)
    by_hand = without = np.asarray(vectors)
    for norm in ("pre", "post"):
        block = EncoderBlock(2, 16, norm=norm, activation="relu", dropout=0.1)
        vectors, by_hand, without = block(vectors), block(by_hand, mask=padding_mask(tokens)), block(without)
    np.testing.assert_array_equal(vectors, by_hand)
    assert np.abs(vectors - without).max() > 0.01


@pytest.mark.filterwarnings("error")
def test_masks_for_one_layer_alone_are_not_passed_on():
    x = np.random.default_rng(0).normal(size=(1, 6, 8)).astype("float32")
    near = np.abs(np.arange(6)[:, None] - np.arange(6)) < 2  # (T, T)
    first, second = SelfAttention(2), SelfAttention(2)
    alone = second(np.asarray(first(x, mask=near[None, None])))
    np.testing.assert_array_equal(second(first(x, mask=near[None, None])), alone)
    cross = CrossAttention(2)
    np.testing.assert_array_equal(second(cross(x, x, mask=np.ones((1, 6), bool))), second(np.asarray(cross(x, x))))


def test_attention_by_the_formula():
    """softmax(Q K' / sqrt(d)) V of the chapters, in numpy, head by head."""
    random = np.random.default_rng(0)
    query, key, value = (random.normal(size=(2, count, 3, 4)) for count in (5, 6, 6))
    mask = random.random((2, 1, 5, 6)) < 0.7
    mask[..., 0] = True
    found = scaled_dot_product(*(np.float32(part) for part in (query, key, value)), mask)
    for row in range(2):
        for head in range(3):
            scores = query[row, :, head] @ key[row, :, head].T / np.sqrt(4)
            weights = np.where(mask[row, 0], np.exp(scores), 0)
            weights /= weights.sum(-1, keepdims=True)
            np.testing.assert_allclose(found[row, :, head], weights @ value[row, :, head], rtol=1e-5, atol=1e-6)


def test_waves():
    """Section 3.5, in numpy."""
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
    place, pair = np.arange(3, 8)[:, None], np.arange(3)[None]
    angle, waves = place / 10_000 ** (2 * pair / 6), np.zeros((5, 6))
    waves[:, 0::2], waves[:, 1::2] = np.sin(angle), np.cos(angle)
    np.testing.assert_allclose(SinusoidalPositions()(x, at=3), x * np.sqrt(6) + waves, rtol=1e-5, atol=1e-5)


def test_widths_that_the_heads_do_not_divide():
    x = np.zeros((1, 2, 8), "float32")
    with pytest.raises(ValueError, match="heads came as 3, but must divide the width, 8"):
        SelfAttention(3, causal=True)(x)
    with pytest.raises(ValueError, match="heads came as 3, but must divide the width, 8"):
        CrossAttention(3)(x, x)
