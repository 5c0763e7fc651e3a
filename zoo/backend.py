"""What one backend has and `keras.ops` lacks.

This is the only file of the networks that names a backend. Each function imports it when it is called, so that the
networks can be imported, and run, where that backend is not installed.
"""


def fused_batch_norm(x, scale, offset, *, mean, variance, epsilon: float) -> tuple:
    """TensorFlow's batch normalisation over the last axis, in one operation instead of a dozen passes over memory.

    Only for the TensorFlow backend.

    Args:
        x: (B, H, W, C), in any floating-point type.
        scale: (C,) float32, by which what is normalised is multiplied.
        offset: (C,) float32, which is then added.
        mean: (C,) float32 to normalise with; None: that of the batch.
        variance: (C,) float32 to normalise with; None, together with `mean`: that of the batch.
        epsilon: added to the variance; at least 1.001e-5, below which TensorFlow takes that instead.

    Returns:
        (B, H, W, C), and the mean and the variance, each (C,) float32. Those of the batch are meant for moving
        averages: the variance is the unbiased one, with B H W - 1 in the denominator.
    """
    import tensorflow as tf  # noqa: PLC0415

    return tf.compat.v1.nn.fused_batch_norm(
        x, scale, offset, mean=mean, variance=variance, epsilon=epsilon, is_training=mean is None
    )
