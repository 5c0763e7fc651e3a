"""TextCNN: convolutions over the words of a text (Kim 2014, arXiv:1408.5882).

Each filter looks for a phrase of three, four or five words anywhere in the text, and the most that it found anywhere is
what the last layer sees. So the order of words counts within a phrase and not beyond it, which is enough for a mood or
a topic, and cheap.
This is CNN-rand of section 3.1, whose word vectors are initialised at random.
Departs from the paper: padding (token 0) after a text changes nothing here, and weights are not rescaled to a norm.
Checked against: the number of weights of table 1's settings; padding and phrases by hand.
"""

import keras
from keras import layers, ops


def textcnn(
    vocabulary: int,
    classes: int,
    *,
    width: int = 300,
    windows: tuple[int, ...] = (3, 4, 5),
    filters: int = 100,
    dropout: float = 0.5,
) -> keras.Model:
    """The paper's network: 300 weights a token, 360,300 in the convolutions and 602 in the last layer for two classes.

    Args:
        vocabulary: number of tokens, with 0 for padding.
        classes: labels to tell apart.
        width: of the vectors that stand for tokens.
        windows: tokens that a filter sees at once.
        filters: for each of the windows.
        dropout: fraction of what the filters found that is dropped while training (section 2.1).

    Returns:
        An uncompiled functional model: (batch, length) int32 tokens of whatever length
        to (batch, classes) float32 logits.

    Raises:
        ValueError: there are no windows, or one is below 1.
    """
    if not windows or min(windows) < 1:
        raise ValueError(f"windows came as {windows}, but must be one or more numbers of tokens")
    inputs = keras.Input((None,), dtype="int32", name="text")
    # A text may be shorter than a window: beyond its end are zeros, as many as the largest window can reach.
    padded = ops.pad(inputs, ((0, 0), (0, max(windows) - 1)))  # (B, T)
    real = ops.not_equal(padded, 0)[..., None]  # (B, T, 1)
    x = layers.Embedding(vocabulary, width, name="tokens")(padded)
    x = x * ops.cast(real, x.dtype)  # (B, T, D), without what stands for padding
    found = []
    for window in windows:
        y = layers.Conv1D(filters, window, activation="relu", name=f"window{window}")(x)  # (B, T - window + 1, F)
        # A window that starts in the padding is not a phrase. ReLU is never below 0, so 0 hides nothing.
        y = y * ops.cast(real[:, : 1 - window or None], y.dtype)
        found.append(layers.GlobalMaxPooling1D(name=f"most{window}")(y))  # (B, F)
    x = layers.Concatenate(name="features")(found) if len(found) > 1 else found[0]
    x = layers.Dropout(dropout, name="drop")(x)
    # Half precision is too coarse for a softmax over logits: the last layer stays in float32.
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name="textcnn")
