"""Batch normalisation, fused where the backend can do that, and AlexNet's normalisation over neighbouring channels.

Keras composes batch normalisation of a dozen elementary operations, each of which is a pass over memory. On the
TensorFlow backend one fused operation replaces them; on any other backend Keras' own layer runs unchanged.
Checked against: Keras' layer (outputs, gradients and moving statistics); plain numpy for AlexNet's.
"""

import keras
from keras import ops

from zoo.backend import fused_batch_norm


@keras.saving.register_keras_serializable(package="zoo")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' BatchNormalization (Ioffe & Szegedy 2015, arXiv:1502.03167): same arguments, weights and results."""

    def call(self, inputs, training=None, mask=None):
        """Normalises each channel of (B, H, W, C) to mean 0 and variance 1, then scales and shifts it."""
        pictures = len(inputs.shape) == 4 and self.axis in (-1, 3) and mask is None
        # The fused operation cannot synchronise devices, and it replaces any epsilon below 1.001e-5.
        renormalized = getattr(self, "renorm", False)  # Keras has it from 3.14 on
        plain = not self.synchronized and not renormalized and self.epsilon >= 1.001e-5
        if keras.backend.backend() != "tensorflow" or not pictures or not plain:
            return super().call(inputs, training=training, mask=mask)
        learning = bool(training and self.trainable)
        channels = inputs.shape[-1]
        outputs, mean, variance = fused_batch_norm(
            ops.cast(inputs, self.compute_dtype),
            self.gamma if self.scale else ops.ones(channels, "float32"),
            self.beta if self.center else ops.zeros(channels, "float32"),
            mean=None if learning else self.moving_mean,
            variance=None if learning else self.moving_variance,
            epsilon=self.epsilon,
        )
        if learning:
            count = ops.cast(ops.size(inputs) // channels, variance.dtype)
            variance = variance * (count - 1) / count  # Bessel's correction undone: Keras has none
            for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable(package="zoo")
class LocalResponseNormalization(keras.Layer):
    """Divides each activation by a measure of its neighbours in the channel axis: (B, H, W, C) to (B, H, W, C).

    Krizhevsky 2012, section 3.3, with its constants: k = 2, n = 5, alpha = 1e-4, beta = 0.75.
    Checked against: plain numpy.
    """

    def call(self, inputs):
        """x / (2 + 1e-4 * (sum of the squares of the 5 channels around x)) ** 0.75."""
        x = ops.cast(inputs, "float32")  # squares easily overflow in half precision
        channels = x.shape[-1]
        squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (2, 2)))
        around = sum(squares[..., start : start + channels] for start in range(5))
        return ops.cast(x * ops.power(2 + 1e-4 * around, -0.75), inputs.dtype)
