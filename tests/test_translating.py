"""Translations: greedy beside a plain loop, beam search beside all that can be written, and a network that learns."""

import itertools
from functools import partial

import keras
import numpy as np
import pytest
from test_models import SMALL, VOCABULARY, array, sentences

from zoo.decoding import decode
from zoo.decoding.beam import search
from zoo.models import transformer, writer_of
from zoo.tasks.translation import attention_map

BOS, EOS = 1, 2


@pytest.fixture(scope="module")
def taught():
    """A network that has learned to reverse sentences, from targets that are one token behind their labels."""
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    model = transformer(VOCABULARY, **SMALL | {"width": 32, "depth": 1}, dropout=0.0, norm="pre")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.Adam(5e-3), loss, jit_compile=True)
    sources = sentences(4096, 5)
    targets = np.zeros((4096, 7), "int32")
    for row, source in zip(targets, sources, strict=True):
        text = source[source > 0][::-1]
        row[: len(text) + 2] = [BOS, *text, EOS]
    model.fit([sources, targets[:, :-1]], targets[:, 1:], batch_size=64, epochs=6, verbose=0)
    return model


def logarithms(model, sources: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Of the probabilities of all tokens after bos and after each of the texts' (N, T), without a cache."""
    given = np.concatenate([np.full((len(texts), 1), BOS), texts], 1).astype("int32")
    logits = array(model([sources, given])).astype("float64")
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))  # (N, T + 1, vocabulary)


def test_greedy_is_the_likeliest_token_again_and_again(taught):
    sources, limit = sentences(9, 7), 4
    texts = np.zeros((9, limit), int)
    for place in range(limit):
        likely = logarithms(taught, sources, texts)[:, place]
        likely[:, [0, BOS]] = -np.inf
        texts[:, place] = likely.argmax(-1)
    expected = [list(itertools.takewhile(lambda token: token != EOS, text)) for text in texts.tolist()]
    assert decode(taught, sources, bos=BOS, eos=EOS, limit=limit) == expected
    assert len(set(map(len, expected))) > 1  # some end, some are cut


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 2.0])
def test_a_beam_as_wide_as_all_is_exhaustive(length_penalty):
    keras.utils.set_random_seed(3)
    model, limit = transformer(6, **SMALL), 4
    sources, best = sentences(3, 5) % 3 + 3, []
    texts = [text for count in range(limit) for text in itertools.product((3, 4, 5), repeat=count)]
    filled = np.array([[*text, *[0] * (limit - 1 - len(text))] for text in texts])
    for source in sources:
        likely = logarithms(model, np.repeat(source[None], len(texts), 0), filled)
        scores = []
        for row, text in zip(likely, texts, strict=True):
            total = sum(row[place, token] for place, token in enumerate((*text, EOS)))
            scores.append(total / ((5 + len(text) + 1) / 6) ** length_penalty)
        best.append(list(texts[int(np.argmax(scores))]))
    found = decode(model, sources, bos=BOS, eos=EOS, limit=limit, beam=120, length_penalty=length_penalty)
    assert found == best


def test_beam_search_returns_from_a_wrong_way():
    """The likeliest first token leads nowhere: a beam of 2 finds what a beam of 1 does not."""
    table = np.full((3, 6, 6), 1e-9)
    table[0, BOS, [3, 4]] = 0.6, 0.4
    table[1, 3, [3, 4, 5]] = table[2, 3, EOS] = table[2, 4, EOS] = table[2, 5, EOS] = 0.34
    table[1, 4, 5], table[2, 5, EOS] = 0.9, 0.9
    calls = []

    def choose(count, tokens, place, rows):
        calls.append(rows.tolist())
        likely = np.log(table[place][tokens])
        order = np.argsort(-likely, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(likely, order, 1), order

    options = {"bos": BOS, "eos": EOS, "limit": 3, "length_penalty": 0.0}
    for beam, text in ((1, [3, 3]), (2, [4, 5])):
        calls.clear()
        assert search(partial(choose, beam + 1), 2, beam=beam, **options) == [text, text]
    assert calls == [[0, 1, 2, 3], [0, 0, 2, 2], [1, 0, 3, 2]]


@pytest.mark.parametrize("beam", [1, 3])
def test_a_batch_is_each_alone(taught, beam, monkeypatch):
    monkeypatch.setattr("zoo.decoding.beam.SENTENCES", 4)
    options = {"bos": BOS, "eos": EOS, "limit": 8, "beam": beam}
    sources = sentences(9, 7)
    together = decode(taught, sources, **options)
    assert together == [decode(taught, source[None], **options)[0] for source in sources]
    again = decode(taught, np.pad(sources[::-1], ((0, 0), (0, 3))), **options)
    assert together == again[::-1]
    assert not {0, BOS, EOS} & {token for tokens in together for token in tokens}
    assert decode(taught, sources[:0], **options) == []


def test_it_learns_to_turn_round(taught):
    unseen = sentences(50, 5, seed=2)
    expected = [source[source > 0][::-1].tolist() for source in unseen]
    for beam in (1, 4):
        found = decode(taught, unseen, bos=BOS, eos=EOS, limit=6, beam=beam)
        assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 40


def test_where_it_looks(taught):
    looks = attention_map(taught, [3, 4, 5, 6, 7], [7, 6, 5, 4], bos=BOS)
    assert looks.shape == (5, 5)
    np.testing.assert_allclose(looks.sum(1), 1, rtol=1e-5)
    writer = writer_of(taught)
    padded = writer.attention_weights(np.array([[3, 4, 5, 6, 7, 0, 0]]), np.array([[BOS, 7, 6, 5, 4]]))[-1]
    np.testing.assert_allclose(array(padded)[0].mean(0), np.pad(looks, ((0, 0), (0, 2))), rtol=1e-5, atol=1e-6)


def test_complaints(taught):
    options = {"bos": BOS, "eos": EOS, "limit": 4}
    with pytest.raises(ValueError, match=r"sources came with shape \(3,\), but must be \(sentences, places\)"):
        decode(taught, np.array([3, 4, 5]), **options)
    for name, value in (("limit", 0), ("beam", 0), ("length_penalty", -1)):
        with pytest.raises(ValueError, match=f"{name} came as {value}, but must be at least"):
            decode(taught, sentences(1, 4), **options | {name: value})
