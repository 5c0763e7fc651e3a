"""A linear-chain conditional random field (Lafferty 2001; as in Lample 2016, arXiv:1603.01360, section 2.2).

A network says of each step how well each tag fits there, and the field adds how well tags follow one another: what
counts is a sequence of tags as a whole. Given the text, such a sequence is a Markov chain, and `Chain` gives its
probabilities, of each tag after each tag. Their product over the steps is the field's probability of the sequence. So
the loss is cross entropy and needs no partition function, and a decoder needs nothing but the output.
Departs from the paper: there are no tags of start and end. Before the first step stands tag 0, such as "outside", and
after a text comes nothing but tag 0, with certainty: so padding changes nothing.
Checked against: all paths of small chains, one by one, and the gradients of their sum.
"""

import keras
from keras import layers, ops

NEVER = -1e9  # the score of what must not be


@keras.saving.register_keras_serializable(package="zoo")
class Chain(keras.Layer):
    """From scores of tags (B, T, K), and where there is text (B, T), to float32 log-probabilities (B, T, K, K).

    These are, at each step, of each tag (last axis) after each tag. In padding, tag 0 is certain.
    """

    def compute_mask(self, scores, text=None, previous_mask=None):
        """None: what is padding, the output says by itself."""

    def build(self, scores_shape, text_shape):
        """Creates the cell, whose weights are the scores of each tag (column) after each tag (row)."""
        self.cell = Message(scores_shape[-1], dtype=self.dtype_policy, name="cell")
        options = {"return_sequences": True, "go_backwards": True, "dtype": self.dtype_policy, "name": "loop"}
        self.loop = layers.RNN(self.cell, **options)
        self.loop.build(scores_shape)

    def call(self, scores, text):
        """Applies the layer."""
        messages = ops.flip(self.loop(scores, mask=text), axis=1)  # (B, T, K)
        # In this order: Keras 3.15 adds (1, 1, K) to (K, K) as if it were a bias, and (B, ...) is lost.
        follows = ops.log_softmax(messages[:, :, None, :] + self.cell.transitions, axis=-1)  # (B, T, K, K)
        return ops.where(text[:, :, None, None], follows, only_first(scores.shape[-1]))

    def compute_output_shape(self, scores_shape, text_shape):
        """The shape (B, T, K, K)."""
        return (*scores_shape, scores_shape[-1])


@keras.saving.register_keras_serializable(package="zoo")
class Message(keras.Layer):
    """A step of the backward algorithm, from a text's end on, as a recurrent cell.

    Its state (B, K) is the logarithm of the sum over all that may follow each tag, up to a constant; its output (B, K)
    is the same of each tag at this step, with the score of that tag.

    Args:
        kinds: number of tags.
    """

    def __init__(self, kinds: int, **options):
        super().__init__(**options)
        self.state_size = self.output_size = self.kinds = kinds

    def build(self, shape):
        """Creates the transitions."""
        self.transitions = self.add_weight(shape=(self.kinds, self.kinds), initializer="zeros", name="transitions")

    def call(self, scores, states):
        """Takes a step."""
        message = scores + states[0]
        state = ops.logsumexp(message[:, None, :] + self.transitions, axis=-1)
        return message, [state - state[:, :1]]  # less a constant, so that long texts lose no precision

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"kinds": self.kinds}


def viterbi(follows):
    """The most probable tags (Viterbi 1967).

    Args:
        follows: float32 (B, T, K, K), as from `Chain`.

    Returns:
        (B, T) int32.
    """

    def ahead(carry, now):
        scores = carry[0][:, :, None] + now  # (B, K, K)
        carry = ops.max(scores, axis=1), ops.cast(ops.argmax(scores, axis=1), "int32")
        return carry, carry

    def back(tag, before):  # (B,); (B, K), the best tag before each
        return ops.take_along_axis(before, tag[:, None], axis=1)[:, 0], tag

    begin = ops.zeros_like(follows[:, 0, 0]) + only_first(follows.shape[-1])  # (B, K)
    (last, _), (_, pointers) = ops.scan(ahead, (begin, ops.cast(begin, "int32")), ops.moveaxis(follows, 1, 0))
    tags = ops.scan(back, ops.cast(ops.argmax(last, axis=-1), "int32"), pointers, reverse=True)[1]  # (T, B)
    return ops.moveaxis(tags, 0, 1)


def only_first(kinds: int):
    """Log-probabilities (K,) of tag 0 and no other."""
    return ops.where(ops.arange(kinds) == 0, 0.0, NEVER)
