"""TextCNN: convolutions over the words of a text (Kim 2014, arXiv:1408.5882).

Each filter looks for a phrase of three, four or five words anywhere in the text, and the most that it found anywhere is
what the last layer sees. So the order of words counts within a phrase and not beyond it, which is enough for a mood or
a topic, and cheap.
Departs from the paper: padding (token 0) after a text changes nothing here, and weights are not rescaled to a norm.
Checked against: PyTorch with the same weights, to 1e-4, in all variants; the number of weights of table 1's settings.
"""

import keras
from keras import layers, ops

VARIANTS = ("rand", "static", "non-static", "multichannel")  # section 3.3


def textcnn(
    vocabulary: int,
    classes: int,
    vectors: int | None = None,
    *,
    variant: str = "rand",
    width: int = 300,
    windows: tuple[int, ...] = (3, 4, 5),
    filters: int = 100,
    pool: str = "max",
    dropout: float = 0.5,
    word_dropout: float = 0.0,
) -> keras.Model:
    """The paper's network: 300 weights a token, 360,300 in the convolutions and 602 in the last layer for two classes.

    Args:
        vocabulary: number of tokens, with 0 for padding.
        classes: labels to tell apart.
        vectors: width of the vectors that the data give for `tokens` and `tokens_static`; None: they give none.
        variant: rand: the vectors of words are learned; static: those that the data give stay as they are; non-static:
            they are where learning begins; multichannel: the sum of both, as each filter sees both (section 3.3).
        width: of the vectors that stand for tokens, if the data give none.
        windows: tokens that a filter sees at once.
        filters: for each of the windows.
        pool: max, as in the paper: how strongly the phrase that fits best fits; or mean: of all phrases, for long
            texts in which it counts how often something is said.
        dropout: fraction of what the filters found that is dropped while training (section 2.1).
        word_dropout: fraction of the tokens that are left out of a text while training (Iyyer 2015, section 3.2).

    Returns:
        An uncompiled functional model: (batch, length) int32 tokens of whatever length
        to (batch, classes) float32 logits.

    Raises:
        ValueError: there are no windows, one is below 1, there is no such variant or pool, the variant does not go
            with the data, or a share is not below 1.
    """
    if not windows or min(windows) < 1:
        raise ValueError(f"windows came as {windows}, but must be one or more numbers of tokens")
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    if (variant == "rand") != (vectors is None):
        given = "--data.vectors FILE is missing" if vectors is None else "vectors were given"
        raise ValueError(f"variant came as {variant!r}, but {given}: rand is the variant without")
    width = width if vectors is None else vectors
    for name, share in (("dropout", dropout), ("word_dropout", word_dropout)):
        if not 0 <= share < 1:
            raise ValueError(f"{name} came as {share}, but must be from 0 to less than 1")
    if pool not in ("max", "mean"):
        raise ValueError(f"pool came as {pool!r}, but must be max or mean")
    inputs = keras.Input((None,), dtype="int32", name="text")
    # A text may be shorter than a window: beyond its end are zeros, as many as the largest window can reach.
    padded = ops.pad(inputs, ((0, 0), (0, max(windows) - 1)))  # (B, T)
    real = ops.not_equal(padded, 0)[..., None]  # (B, T, 1)
    x = layers.Embedding(vocabulary, width, trainable=variant != "static", name="tokens")(padded)
    if variant == "multichannel":
        # What a filter finds in two channels is added, which is what it finds in their sum.
        x = x + layers.Embedding(vocabulary, width, trainable=False, name="tokens_static")(padded)
    x = x * ops.cast(real, x.dtype)  # (B, T, D), without what stands for padding
    x = layers.Dropout(word_dropout, noise_shape=(None, None, 1), name="drop_words")(x) if word_dropout else x
    found = []
    for window in windows:
        y = layers.Conv1D(filters, window, activation="relu", name=f"window{window}")(x)  # (B, T - window + 1, F)
        # A window that starts in the padding is not a phrase. ReLU is never below 0, so 0 hides nothing.
        phrases = ops.cast(real[:, : 1 - window or None], y.dtype)
        y = y * phrases
        if pool == "max":
            found.append(layers.GlobalMaxPooling1D(name=f"most{window}")(y))  # (B, F)
        else:
            found.append(ops.sum(y, 1) / ops.maximum(ops.sum(phrases, 1), 1))
    x = layers.Concatenate(name="features")(found) if len(found) > 1 else found[0]
    x = layers.Dropout(dropout, name="drop")(x)
    # Half precision is too coarse for a softmax over logits: the last layer stays in float32.
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name="textcnn")
