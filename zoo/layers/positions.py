"""Positions: what tells a network without recurrence where in the text each token stands."""

import keras
from keras import ops

from zoo.errors import UserError


@keras.saving.register_keras_serializable(package="zoo")
class LearnedPositions(keras.Layer):
    """Adds a learned vector for each position (Gehring 2017, arXiv:1705.03122): (B, T, D) to (B, T, D).

    Args:
        count: number of positions; T is at most that.
    """

    def __init__(self, count: int, **options):
        super().__init__(**options)
        self.count = count

    def build(self, shape):
        """Creates the vectors, (count, D)."""
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight((self.count, shape[-1]), start, name="positions")

    def call(self, x, at=0):
        """Adds positions `at` to `at + T - 1` to x.

        Raises:
            UserError: there are not as many.
        """
        length = x.shape[1]  # while a graph is drawn None, or on JAX a symbol
        if isinstance(at, int) and isinstance(length, int) and at + length > self.count:
            raise UserError(
                f"texts have {length} tokens, but the network has {self.count - at} positions: give a smaller "
                "--data.length, or a network that was built for more"
            )
        # Taken, not sliced: XLA would compile a slice anew for each value of `at`.
        return x + ops.cast(ops.take(self.positions, ops.arange(ops.shape(x)[1]) + at, axis=0), x.dtype)

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {"count": self.count}


@keras.saving.register_keras_serializable(package="zoo")
class SinusoidalPositions(keras.Layer):
    """Scales by sqrt(D) and adds waves of D / 2 wavelengths (Vaswani 2017, sections 3.4, 3.5): (B, T, D) to (B, T, D).

    Sines and cosines alternate, so that moving on by some positions rotates each pair; there is no last position. Token
    embeddings are initialised with a deviation of 1 / sqrt(D), because they also predict tokens at the output; the
    factor brings them to the magnitude of the waves.
    """

    def build(self, shape):
        """Checks the shape; there are no weights.

        Raises:
            ValueError: D is odd.
        """
        if shape[-1] % 2:
            raise ValueError(f"width came as {shape[-1]}, but must be even, for pairs of a sine and a cosine")

    def call(self, x, at=0):
        """Scales x and adds positions `at` to `at + T - 1`."""
        width = x.shape[-1]
        places = ops.cast(ops.arange(ops.shape(x)[1]) + at, "float32")
        rates = 10_000 ** (-ops.arange(0, width, 2, dtype="float32") / width)
        angles = places[:, None] * rates  # (T, D / 2)
        waves = ops.reshape(ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1), (-1, width))  # (T, D)
        return x * width**0.5 + ops.cast(waves, x.dtype)
