"""Spans that are left out of a text: marks that match, shares that hold, and the text put together again."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from test_text import write_text

from zoo.data import Spans
from zoo.data.corruption import FIRST, Sizes, corrupted, left_out, parts
from zoo.data.spans import MARKS, SPECIAL
from zoo.data.tokens import learn
from zoo.errors import UserError


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("text") / "my.txt")


def together(source: list[int], target: list[int]) -> list[int]:
    """The text out of both: each mark of the source is replaced by what follows the same mark in the target."""
    spans, text = {}, []
    for token in target:
        if FIRST <= token < FIRST + MARKS:
            spans[token] = []
            last = token
        else:
            spans[last].append(token)
    assert list(spans) == list(range(FIRST, FIRST + len(spans)))  # in order, each once
    assert spans.pop(last) == []  # the one at the end
    for token in source:
        text += spans.pop(token) if token in spans else [token]
    assert not spans
    return text


@pytest.mark.parametrize(
    ("share", "span", "context"), [(0.15, 3.0, 128), (0.15, 3.0, 20), (0.5, 1.0, 64), (0.9, 2.0, 30), (0.15, 3.0, 2)]
)
def test_a_text_is_put_together_again(share, span, context, file):
    source = Spans(file=file, tokens="characters", context=context, share=share, span=span, vocabulary=400)
    sizes, text = source.sizes, source.stored("train")
    assert sizes.left_out == max(1, round(share * context))
    whole = "".join(map(chr, text))
    for (sources, targets), labels, weights in islice(source.load("train", seed=2).as_numpy_iterator(), 3):
        assert sources.shape[1] == context - sizes.left_out + sizes.spans
        assert labels.shape[1] == targets.shape[1] == sizes.left_out + sizes.spans + 2
        assert (weights == 1).all()
        assert (targets[:, 0] == 1).all()
        assert (labels[:, -1] == 2).all()
        np.testing.assert_array_equal(targets[:, 1:], labels[:, :-1])
        for row, label in zip(sources.tolist(), labels.tolist(), strict=True):
            again = together(row, label[:-1])
            assert len(again) == context
            assert "".join(map(chr, again)) in whole


def test_all_of_validation_is_read_and_always_the_same(file):
    source = Spans(file=file, tokens="characters", context=50, batch=4, vocabulary=400)
    text, found = source.stored("validation"), source.numbers("validation")
    again = [together(*pair) for pair in found]
    assert len(found) == source.count("validation") == -(-len(text) // 50)
    np.testing.assert_array_equal(
        np.concatenate([*again[:-1], again[-1][-(len(text) - 50 * (len(found) - 1)) :]]), text
    )
    other = Spans(file=file, tokens="characters", context=50, batch=9, vocabulary=400)
    assert other.numbers("validation") == found
    assert len({tuple(token < FIRST + MARKS for token in row) for row, _ in found}) > 1  # not the same places in each


def test_training_stream_seeks(file):
    source = Spans(file=file, context=30, batch=7, vocabulary=400)
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), 40))
    for step in (0, 1, 17, 39):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        np.testing.assert_array_equal(again[0][0], batches[step][0][0])
        np.testing.assert_array_equal(again[1], batches[step][1])
    other = next(source.load("train", seed=4).as_numpy_iterator())
    assert (other[0][0] != batches[0][0][0]).any()
    assert (batches[1][0][0] != batches[0][0][0]).any()


def test_places_are_spread_evenly():
    """All cuts are equally likely: each place is left out about as often as the share says."""
    keys, sizes = tf.stack([tf.range(1500, dtype=tf.int64), tf.zeros(1500, tf.int64)], 1), Sizes(left_out=9, spans=3)
    out = tf.function(lambda keys: left_out(keys, 60, sizes))(keys).numpy()
    assert (out.sum(1) == 9).all()
    assert (np.diff(np.pad(out, ((0, 0), (1, 0))).astype(int)) == 1).sum() == 3 * 1500
    for part in np.split(out, 6, axis=1):
        assert part.mean() == pytest.approx(9 / 60, abs=0.03)
    assert out[:, 0].any()
    assert out[:, -1].any()
    lengths = tf.map_fn(lambda key: parts(5, 2, key), keys[:400], fn_output_signature=tf.int32).numpy()
    assert (lengths.sum(1) == 5).all()
    np.testing.assert_allclose(np.bincount(lengths[:, 0])[1:] / 400, 1 / 4, atol=0.08)


def test_the_example_of_the_paper():
    """Figure 2: Thank you <X> me to your party <Y> week, and <X> for inviting <Y> last <Z>."""
    text = tf.constant([[200, 201, 202, 203, 204, 205, 206, 207, 208, 209]])
    out = tf.constant([[False, False, True, True, False, False, False, False, True, False]])
    source, target = corrupted(text, out, Sizes(3, 2))
    assert source.numpy().tolist() == [[200, 201, FIRST, 204, 205, 206, 207, FIRST + 1, 209]]
    assert target.numpy().tolist() == [[FIRST, 202, 203, FIRST + 1, 208, FIRST + 2]]


def test_marks_are_typed_and_read(file, tmp_path):
    source = Spans(file=file, context=30, vocabulary=400)
    tokens, _ = source.read("one <extra_id_0> two <extra_id_1>", {})
    assert [token for token in tokens if token < len(SPECIAL)] == [FIRST, FIRST + 1]
    assert source.decode([1, *tokens, 2, 9]).split() == ["one", "<extra_id_0>", "two", "<extra_id_1>"]
    (tmp_path / "tokenizer.json").write_text(source.files()["tokenizer.json"], encoding="utf-8")
    assert source.of_run(tmp_path, ()).numbers("test") == source.numbers("test")
    with pytest.raises(UserError, match=r"it has .* tokens, but the network learned from 30 at once"):
        source.read("nowhere " * 30, {})
    learn("bpe", "one two", 300).save(str(tmp_path / "other.json"))
    with pytest.raises(
        UserError, match=r"is not a tokenizer for left-out spans: its first tokens must be <pad>, <bos>"
    ):
        Spans(file=file, tokenizer=tmp_path / "other.json").spec  # noqa: B018 - the property raises


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"share": 1.0}, "--data.share came as 1.0, but must lie between 0 and 1"),
        ({"span": 0.5}, "--data.span came as 0.5, but must be at least 1"),
        ({"context": 1}, "--data.context came as 1, but must be from 2 to 2048"),
        ({"vocabulary": 300}, "--data.vocabulary came as 300, but bpe need at least 359, with the marks"),
        ({"context": 2000}, "make 100 spans a window, but there are marks for 99: cut shorter windows"),
        ({"batch": 0}, "--data.batch came as 0"),
    ],
)
def test_bad_flags(flags, words):
    with pytest.raises(ValueError, match=words):
        Spans(**flags)


def test_too_little_text(tmp_path):
    (tmp_path / "my.txt").write_text("a b c d e f g " * 30)
    with pytest.raises(UserError, match="do not fill a window of"):
        Spans(file=tmp_path / "my.txt", tokens="characters", vocabulary=400).count("validation")
