"""The random field and the tagger: all paths one by one, their gradients, and padding."""

import itertools
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.crf import Chain, viterbi
from zoo.models import tagger
from zoo.tasks.tagging import TagCrossEntropy

KINDS, LENGTHS = 3, (5, 3, 1)
SMALL = partial(tagger, 12, 5, 7, width=4, units=6, letters=3, dropout=0.0)


@pytest.fixture
def field():
    """A field with scores of its own, scores of tags (3, 5, 3), and where there is text."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(len(LENGTHS), max(LENGTHS), KINDS)).astype("float32")
    text = np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]
    chain = Chain(dtype="float32")
    chain(scores, text)
    chain.cell.transitions.assign(random.normal(size=(KINDS, KINDS)))
    return chain, scores, text


def paths(length: int) -> np.ndarray:
    """All tags (K ** T, T) of a text, and before them the tag 0."""
    found = np.array(list(itertools.product(range(KINDS), repeat=length)))
    return np.pad(found, ((0, 0), (1, 0)))


def totals(scores, transitions, every: np.ndarray):
    """The score of each path over one text (T, K)."""
    steps = tf.gather_nd(transitions, np.stack([every[:, :-1], every[:, 1:]], -1))
    places = np.broadcast_to(np.arange(every.shape[1] - 1), steps.shape)
    return tf.reduce_sum(steps + tf.gather_nd(scores, np.stack([places, every[:, 1:]], -1)), axis=1)


def test_probabilities_and_best_path_against_all_paths(field):
    chain, scores, text = field
    follows = keras.ops.convert_to_numpy(chain(scores, text))
    best = keras.ops.convert_to_numpy(viterbi(follows))
    for row, length in enumerate(LENGTHS):
        every = paths(length)
        expected = totals(scores[row], chain.cell.transitions.value, every).numpy()
        expected -= np.log(np.exp(expected).sum())
        ours = follows[row][np.arange(length), every[:, :-1], every[:, 1:]].sum(1)
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(best[row, :length], every[expected.argmax(), 1:])
        assert not best[row, length:].any()


def test_one_text_alone(field):
    """Also of one token: what has sides of 1 is not taken for a bias."""
    chain, scores, text = field
    whole = chain(scores, text)
    for row, length in enumerate(LENGTHS):
        alone = chain(scores[row : row + 1, :length], text[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], whole[row, :length], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("xla", [False, True], ids=["plain", "xla"])
def test_gradients_of_the_loss_against_all_paths(field, xla):
    chain, scores, text = field
    tags = np.where(text, np.random.default_rng(1).integers(0, KINDS, text.shape), -1)

    @tf.function(jit_compile=xla)
    def ours(given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = TagCrossEntropy()(tags, chain(given, text), tf.cast(text, tf.float32))
        return loss, tape.gradient(loss, [given, chain.cell.transitions.value])

    with tf.GradientTape() as tape:
        given, transitions = tf.constant(scores), chain.cell.transitions.value
        tape.watch([given, transitions])
        nats = 0.0
        for row, length in enumerate(LENGTHS):
            nats += tf.reduce_logsumexp(totals(given[row], transitions, paths(length)))
            nats -= totals(given[row], transitions, np.pad(tags[row : row + 1, :length], ((0, 0), (1, 0))))[0]
        nats /= sum(LENGTHS)
    expected = tape.gradient(nats, [given, transitions])
    loss, slopes = ours(tf.constant(scores))
    np.testing.assert_allclose(loss, nats, rtol=1e-5)
    for one, other in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_number_of_weights():
    """Lample 2016, sections 4.1 and 4.2, by hand: an LSTM of n units on d numbers has 4 n (d + n + 1) weights."""
    with keras.StatelessScope(initialize_variables=False):
        model = tagger(1000, 13, 80)
    letters = 80 * 25 + 2 * 4 * 25 * (25 + 25 + 1)
    words = 1000 * 100 + 2 * 4 * 100 * (150 + 100 + 1)
    assert model.count_params() == letters + words + 201 * 100 + 101 * 13 + 13 * 13


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("spelled", [True, False])
def test_padding_changes_no_output_and_no_gradient(crf, spelled):
    keras.utils.set_random_seed(0)
    model = SMALL(crf=crf) if spelled else tagger(12, 5, width=4, units=6, crf=crf, dropout=0.0)
    random = np.random.default_rng(0)
    tokens = np.array([[3, 4, 5], [2, 0, 0]], np.int32)
    letters = (random.integers(1, 7, (2, 3, 4)) * (tokens > 0)[..., None]).astype("int32")
    tags = np.where(tokens > 0, random.integers(0, 5, tokens.shape), -1)
    seen = []
    for after in (0, 3):
        wide = ((0, 0), (0, after))
        inputs = [np.pad(tokens, wide), np.pad(letters, (*wide, (0, after)))]
        targets = np.pad(tags, wide, constant_values=-1)
        with tf.GradientTape() as tape:
            outputs = model(inputs if spelled else inputs[0])
            loss = TagCrossEntropy()(targets, outputs, (targets >= 0).astype("float32"))
        slopes = map(tf.convert_to_tensor, tape.gradient(loss, model.trainable_variables))
        seen.append([outputs[:, :3][tokens > 0], loss, *slopes])
    for one, other in zip(*seen, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_the_loss_is_a_mean_over_tokens():
    """Two texts at once, or each in a batch of its own: every token counts the same."""
    keras.utils.set_random_seed(0)
    model, loss = tagger(12, 5, width=4, units=6, dropout=0.0), TagCrossEntropy()
    long, short = np.array([[3, 4, 5, 6]]), np.array([[2, 0, 0, 0]])
    nats = []
    for tokens in (np.concatenate([long, short]), long, short):
        real = tokens > 0
        nats.append(float(loss(np.where(real, 1, -1), model(tokens), real.astype("float32"))) * real.sum())
    assert nats[0] == pytest.approx(nats[1] + nats[2], rel=1e-5)
