"""The Transformer and T5: padding changes nothing, in the source, in the target and in a text to classify."""

import keras
import numpy as np
import pytest
from test_models import BUILDERS, array

TRANSLATORS = [name for name in BUILDERS if name.startswith(("t5", "transformer"))]
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
