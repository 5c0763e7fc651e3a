"""Padding changes nothing, in the source, in the target and in a text to classify."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_models import BUILDERS, array

TRANSLATORS = [name for name in BUILDERS if name.startswith(("transformer", "seq2seq", "t5"))]
CLASSIFIERS = [name for name in BUILDERS if name.startswith("classifier")]
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_padding_of_a_text_to_classify(name):
    keras.utils.set_random_seed(0)
    model, text = BUILDERS[name].build(), BUILDERS[name].inputs(count=3)
    np.testing.assert_allclose(model(np.pad(text, ((0, 0), (0, 6)))), model(text), **CLOSE)
    assert np.isfinite(model(np.zeros((1, 4), "int32"))).all()


@pytest.mark.parametrize("name", TRANSLATORS)
def test_padding_of_source_and_target(name):
    keras.utils.set_random_seed(0)
    model, (source, target) = BUILDERS[name].build(), BUILDERS[name].inputs(count=3)
    expected = array(model([source, target]))
    longer = array(model([np.pad(source, ((0, 0), (0, 6))), np.pad(target, ((0, 0), (0, 4)))]))
    np.testing.assert_allclose(longer[:, :5][target > 0], expected[target > 0], **CLOSE)
    for row in range(3):
        alone = model([source[row : row + 1, : (source[row] > 0).sum()], target[row : row + 1]])
        np.testing.assert_allclose(alone[0], expected[row], **CLOSE)


@pytest.mark.parametrize("name", [*CLASSIFIERS, *TRANSLATORS])
def test_padding_teaches_nothing(name):
    """The gradient of a loss over what is no padding is the same however much padding there is."""
    keras.utils.set_random_seed(0)
    model, given = BUILDERS[name].build(), BUILDERS[name].inputs(count=3)
    given = given if isinstance(given, list) else [given]
    padded = [np.pad(text, ((0, 0), (0, 3))) for text in given]

    def gradients(texts: list[np.ndarray]) -> list[np.ndarray]:
        with tf.GradientTape() as tape:
            logits = model(texts if len(texts) > 1 else texts[0])
            real = texts[-1] > 0 if len(texts) > 1 else np.ones(len(logits), bool)
            loss = tf.reduce_sum(tf.boolean_mask(logits, real) ** 2)
        found = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
        return [array(tf.convert_to_tensor(gradient)) for gradient in found]

    for long, short in zip(gradients(padded), gradients(given), strict=True):
        np.testing.assert_allclose(long, short, rtol=1e-4, atol=1e-5)
