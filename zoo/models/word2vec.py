"""Word vectors by negative sampling: skip-gram and CBOW (Mikolov 2013, arXiv:1301.3781 and arXiv:1310.4546).

A word is known by those around it. Each word has two vectors, one as itself and one as a neighbour of others, and the
product of two such vectors says how likely the one word stands near the other. Skip-gram predicts the words around one;
CBOW predicts a word from the mean of those around it. The vectors of words that stand in the same places come to lie
near each other.
Departs from the paper: a stretch of text is multiplied at once with all its neighbours and with false neighbours that
it shares (Ji 2016, arXiv:1604.04661), as matrices; targets say which products count.
Checked against: gensim's update of the same vectors with the same false neighbours (tests/references/test_gensim.py).
"""

import keras
from keras import layers, ops


def word2vec(vocabulary: int, cbow: bool, *, width: int = 100) -> keras.Model:
    """Two vectors a word: 2,000,000 weights for 10,000 words.

    Args:
        vocabulary: number of words, with 0 for none.
        cbow: whether a word is predicted from the mean of those around it; else those around it are predicted.
        width: of the vectors.

    Returns:
        An uncompiled functional model of float32 logits (batch, T, C), which say of T words, or of T sets of words, and
        of each of C others whether they stand together. Its inputs are int32 words (batch, T) and others (batch, C);
        with `cbow` there are words (batch, L), others, and near (batch, T, L), which is 1 for the words of a set and
        else 0.

    Raises:
        ValueError: width is below 1.
    """
    if width < 1:
        raise ValueError(f"width came as {width}, but must be at least 1")
    words = keras.Input((None,), dtype="int32", name="words")
    others = keras.Input((None,), dtype="int32", name="others")
    near = keras.Input((None, None), name="near")
    # gensim's first vectors: small ones, and zeros for neighbours.
    x = layers.Embedding(vocabulary, width, keras.initializers.RandomUniform(-1 / width, 1 / width), name="vectors")(
        words
    )  # (B, T, D), or with CBOW (B, L, D)
    if cbow:
        total = ops.matmul(near, x)  # (B, T, D)
        mean = total / ops.maximum(ops.sum(near, axis=-1, keepdims=True), 1)
        # As in the authors' program, each word of a mean is moved by the whole gradient, not by its share.
        x = total + ops.stop_gradient(mean - total)
    y = layers.Embedding(vocabulary, width, "zeros", name="contexts")(others)  # (B, C, D)
    logits = layers.Dot(axes=2, dtype="float32", name="logits")([x, y])  # (B, T, C)
    return keras.Model([words, others, near] if cbow else [words, others], logits, name="word2vec")
