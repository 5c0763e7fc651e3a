"""Normalisation: batch normalisation as fast as the backend has it, and AlexNet's of neighbouring channels.

Keras builds batch normalisation from a dozen elementary operations, each a pass over memory. Where TensorFlow is the
backend its fused operation takes their place; on other backends it is Keras' own layer. Checked against: Keras' layer,
outputs, gradients and moving statistics; plain numpy for AlexNet's.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' BatchNormalization (Ioffe & Szegedy 2015, arXiv:1502.03167): same arguments, weights and numbers."""

    def call(self, inputs, training=None, mask=None):
        """(B, H, W, C) to the same, each channel with mean 0 and variance 1, then scaled and shifted."""
        pictures = len(inputs.shape) == 4 and self.axis in (-1, 3) and mask is None
        # The fused operation knows one device, and no epsilon below this.
        renormalized = getattr(self, "renorm", False)  # Keras has it from 3.14 on
        as_it_can = not self.synchronized and not renormalized and self.epsilon >= 1.001e-5
        if keras.backend.backend() != "tensorflow" or not pictures or not as_it_can:
            return super().call(inputs, training=training, mask=mask)
        # The one place in a network where a backend is named: only it has the fused operation.
        import tensorflow as tf  # noqa: PLC0415

        learning = bool(training and self.trainable)
        channels = inputs.shape[-1]
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            ops.cast(inputs, self.compute_dtype),
            self.gamma if self.scale else tf.ones(channels),
            self.beta if self.center else tf.zeros(channels),
            mean=None if learning else self.moving_mean,
            variance=None if learning else self.moving_variance,
            epsilon=self.epsilon,
            is_training=learning,
        )
        if learning:
            count = ops.cast(ops.size(inputs) // channels, variance.dtype)
            variance = variance * (count - 1) / count  # TensorFlow's is that of a sample, Keras' of the batch itself
            for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable(package="zoo")
class LocalResponseNormalization(keras.Layer):
    """(B, H, W, C) to the same: each number divided by how large its neighbours in the channels are.

    Krizhevsky 2012, section 3.3, with its constants: k = 2, n = 5, alpha = 1e-4, beta = 0.75. Checked against
    plain numpy.
    """

    def call(self, inputs):
        """x / (2 + 1e-4 * sum of the squares of the 5 channels around it) ** 0.75."""
        x = ops.cast(inputs, "float32")  # squares soon leave what half precision holds
        channels = x.shape[-1]
        squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (2, 2)))
        around = sum(squares[..., start : start + channels] for start in range(5))
        return ops.cast(x * ops.power(2 + 1e-4 * around, -0.75), inputs.dtype)
