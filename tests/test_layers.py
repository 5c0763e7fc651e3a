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
    scaled,
)
from zoo.layers.transformer import padding_mask


def test_scaling():
    with pytest.raises(ValueError, match="scaling came as 'vgg', but must be unit, symmetric or caffe"):
        scaled(keras.Input((8, 8, 3)), "vgg")
    with pytest.raises(ValueError, match="is for 3 channels, but the pictures have 1"):
        scaled(keras.Input((8, 8, 1)), "caffe")


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
