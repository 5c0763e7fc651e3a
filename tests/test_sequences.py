"""Networks for sequences: what they may see, and that writing token by token changes no number."""

import keras
import numpy as np
import pytest
from test_models import BUILDERS, array

from zoo.models import WRITERS, writer_of

WRITTEN = [name for name in BUILDERS if name.split("-")[0] in WRITERS]


def written(model: keras.Model, given, known: int) -> np.ndarray:
    """The logits by the network's writer: the first `known` tokens of the text at once, then one after another."""
    source, text = given if isinstance(given, list) else (None, given)
    writer, length, found = writer_of(model), text.shape[1], []
    memory = writer.start(len(text), source, length)
    for begin, end in [(0, known), *((at, at + 1) for at in range(known, length))]:
        logits, memory = writer.step(text[:, begin:end], begin, memory)
        found.append(array(logits))
    return np.concatenate(found, axis=1)


@pytest.fixture(scope="module", params=WRITTEN)
def network(request):
    """A network that writes, made once: no test changes it. One that carries windows takes 4 rows, so it gets 3."""
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(1)
    case = BUILDERS[request.param]
    return request.param, case.build(), case.inputs(count=3)


def test_token_by_token_gives_the_logits_of_the_whole(network):
    name, model, given = network
    expected = array(model(given))
    for known in (1,) if name.startswith("lm") else (1, 3, 4):  # whose writer takes one token at a time
        np.testing.assert_allclose(written(model, given, known), expected, rtol=1e-5, atol=1e-5)


def test_rows_of_a_memory(network):
    """Each row twice, then another choice among the two: as texts that were written in this way from the beginning."""
    _, model, given = network
    source, text = given if isinstance(given, list) else (None, given)
    writer, twice, rows = writer_of(model), np.repeat(text, 2, axis=0), np.array([1, 1, 2, 3, 5, 4], "int32")
    memory = writer.repeated(writer.start(3, source, text.shape[1]), 2)
    twice[::2, 0] = 5  # so that the two of a pair are not the same
    _, memory = writer.step(twice[:, :1], 0, memory)
    logits, _ = writer.step(twice[:, 1:2], 1, writer.reordered(memory, rows))
    texts = np.concatenate([twice[rows, :1], twice[:, 1:]], axis=1)
    expected = model(texts if source is None else [np.repeat(source, 2, axis=0), texts])
    np.testing.assert_allclose(logits[:, 0], expected[:, 1], rtol=1e-5, atol=1e-5)
    assert np.abs(array(logits)[0, 0] - array(logits)[2, 0]).max() > 0


def test_it_sees_only_what_is_before(network):
    """And, if there is one, the source."""
    _, model, given = network
    source, text = given if isinstance(given, list) else (None, given)
    before = array(model(given))
    other = text.copy()
    other[:, 3] = 3 + (other[:, 3] + 1) % 8
    after = array(model(other if source is None else [source, other]))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max(-1).min() > 0
    if source is not None:
        changed = source.copy()
        changed[:, 1] = 3 + (changed[:, 1] + 1) % 8
        assert np.abs(array(model([changed, text])) - before).max(-1).min() > 0


@pytest.mark.parametrize("network", ["gpt", "gpt-2"], indirect=True)
def test_what_fills_up_a_context_is_not_seen_later(network):
    """GPT reads a beginning that is padded to its context, so that XLA compiles one length alone."""
    _, model, text = network
    writer, beginning = writer_of(model), text.copy()
    assert writer.context == text.shape[1]
    beginning[:, 4:] = 0
    _, memory = writer.step(beginning, 0, writer.start(3))
    logits, _ = writer.step(text[:, 4:5], 4, memory)
    np.testing.assert_allclose(logits[:, 0], array(model(text))[:, 4], rtol=1e-5, atol=1e-5)


def test_networks_without_a_writer():
    with pytest.raises(ValueError, match="cnn cannot write token by token: the networks that can are gpt, lm, seq2"):
        writer_of(keras.Sequential([keras.layers.Dense(1)], name="cnn"))
    with pytest.raises(ValueError, match="transformer_classifier has no decoder to write with"):
        writer_of(BUILDERS["classifier"].build())
    with pytest.raises(ValueError, match="give source and places"):
        writer_of(BUILDERS["transformer-pre"].build()).start(3)
