"""Spans of tags, read and counted as the CoNLL shared tasks do (their script conlleval; Tjong Kim Sang 2003).

Tags are numbers: 0 is outside of all spans; of the kinds 0, 1, ... each has two, 1 + 2 kind, which begins a span, and
2 + 2 kind, which goes on with it. One that goes on where there is nothing of its kind begins a span too.
Checked against: seqeval, on random tags.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from zoo.layers.crf import viterbi


def decoded(outputs):
    """The tags (B, T) int32 of a network's outputs: the best of each step, or with a random field of the whole.

    Args:
        outputs: float32 (B, T, K), or (B, T, K, K) as from `zoo.layers.crf.Chain`.
    """
    return viterbi(outputs) if len(outputs.shape) == 4 else ops.cast(ops.argmax(outputs, axis=-1), "int32")


def spans_of(tags: np.ndarray, lengths: np.ndarray) -> list[tuple[int, int, int]]:
    """The spans of sentences that follow one another, as (first token, token after the last, kind), in order.

    Args:
        tags: (N,) of all tokens.
        lengths: of the sentences, in tokens; their sum is N.
    """
    tags = np.asarray(tags)
    starts = np.zeros(len(tags) + 1, bool)
    starts[np.cumsum([0, *lengths])] = True
    kinds = np.where(tags > 0, (tags - 1) // 2, -1)
    before = np.where(starts[:-1], -1, np.roll(kinds, 1))
    begins = (kinds >= 0) & ((tags % 2 == 1) | (kinds != before))
    # A span ends before a token that begins one, is outside, or is of another sentence.
    stops = np.append(begins | (kinds < 0) | starts[:-1], True)
    ends = np.flatnonzero(stops)
    firsts = np.flatnonzero(begins)
    return [
        (int(first), int(end), int(kinds[first]))
        for first, end in zip(firsts, ends[np.searchsorted(ends, firsts, "right")], strict=True)
    ]


def scored(right: int, found: int, true: int) -> dict:
    """Precision, recall and F1 of spans; 0 where there are none.

    Args:
        right: spans that were found exactly, with their kind.
        found: spans that were found.
        true: spans that there are.
    """
    return {
        "precision": right / found if found else 0.0,
        "recall": right / true if true else 0.0,
        "f1": 2 * right / (found + true) if found + true else 0.0,
    }


@keras.saving.register_keras_serializable(package="zoo")
class TagScores(keras.Metric):
    """accuracy, the fraction of tokens with the right tag; and f1, of the spans, as `spans_of` reads them.

    Targets below 0 are not counted, and tokens without a target stand in no span.
    """

    def __init__(self, name: str = "scores", **options):
        super().__init__(name=name, **options)
        names = ("hits", "tokens", "right", "found", "true")
        self.counts = [self.add_weight(shape=(), initializer="zeros", name=name) for name in names]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds targets (B, T), and outputs as of `decoded`."""
        targets = ops.cast(y_true, "int32")
        counted = targets >= 0
        places = ops.arange(targets.shape[1] or ops.shape(targets)[1])
        # The tokens that have a target are brought to the front, in their order: pieces of words have none.
        order = ops.argsort(ops.where(counted, places, places + places[-1] + 1), axis=-1)
        true, said = (
            ops.take_along_axis(ops.where(counted, tags, 0), order, axis=1) for tags in (targets, decoded(y_pred))
        )
        hits = ops.logical_and(ops.equal(true, said), ops.take_along_axis(counted, order, axis=1))
        begins, ends = zip(edges(true), edges(said), strict=True)
        # Both end here, with one kind, and the last beginning of the one is that of the other.
        both = ops.logical_and(*ends)
        last = [latest(begin) for begin in begins]
        alike = ops.logical_and(ops.equal(*last), ops.equal((true + 1) // 2, (said + 1) // 2))
        added = (hits, counted, ops.logical_and(both, alike), begins[1], begins[0])
        for count, what in zip(self.counts, added, strict=True):
            count.assign_add(ops.sum(ops.cast(what, count.dtype)))

    def result(self):
        """Both, by their names."""
        hits, tokens, right, found, true = self.counts
        return {
            "accuracy": ops.divide_no_nan(hits, tokens),
            "f1": ops.divide_no_nan(2 * right, found + true),
        }


def edges(tags):
    """Where spans of tags (B, T) begin, and where they end, each (B, T)."""
    kinds = (tags + 1) // 2  # from 1; 0: outside
    before, after = ops.pad(kinds[:, :-1], ((0, 0), (1, 0))), ops.pad(kinds[:, 1:], ((0, 0), (0, 1)))
    begins = ops.logical_and(kinds > 0, ops.logical_or(tags % 2 == 1, kinds != before))
    next_begins = ops.pad(begins[:, 1:], ((0, 0), (0, 1)))
    return begins, ops.logical_and(kinds > 0, ops.logical_or(next_begins, kinds != after))


def latest(begins):
    """At each place of (B, T) the number of the last place, from 1, up to it at which something begins; 0: none."""
    places = ops.arange(begins.shape[1] or ops.shape(begins)[1]) + 1
    up_to = places[:, None] >= places  # (T, T)
    return ops.max(ops.where(ops.logical_and(begins[:, None, :], up_to), places, 0), axis=-1)
