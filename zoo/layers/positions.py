"""What lets a network without recurrence know where in the text a token stands."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="zoo")
class LearnedPositions(keras.Layer):
    """(B, T, D) to the same: a learned vector for each of `count` places is added (Gehring 2017, arXiv:1705.03122).

    Args:
        count: places that there can be; T is at most that.
    """

    def __init__(self, count: int, **options):
        super().__init__(**options)
        self.count = count

    def build(self, shape):
        """Makes the vectors (count, D)."""
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight((self.count, shape[-1]), start, name="positions")

    def call(self, x, at=0):
        """x with its positions, the first of which is `at`."""
        # Not a slice, which XLA would compile again for each place.
        return x + ops.cast(ops.take(self.positions, ops.arange(x.shape[1]) + at, axis=0), x.dtype)

    def get_config(self):
        """The arguments that make the layer again."""
        return super().get_config() | {"count": self.count}


@keras.saving.register_keras_serializable(package="zoo")
class SinusoidalPositions(keras.Layer):
    """(B, T, D) to the same: x times sqrt(D), and to it added waves of D / 2 lengths (Vaswani 2017, sections 3.4, 3.5).

    Sine and cosine take turns, so that a place further on is a rotation of each pair; there is no last place. Vectors
    of tokens begin with a deviation of 1 / sqrt(D), so that the same vectors can predict tokens at the end: here they
    grow to the size of the waves.
    """

    def build(self, shape):
        """Makes nothing.

        Raises:
            ValueError: D is odd.
        """
        if shape[-1] % 2:
            raise ValueError(f"width came as {shape[-1]}, but sine and cosine need an even one")

    def call(self, x, at=0):
        """x with its positions, the first of which is `at`."""
        width = x.shape[-1]
        places = ops.cast(ops.arange(ops.shape(x)[1]) + at, "float32")
        rates = 10_000 ** (-ops.arange(0, width, 2, dtype="float32") / width)
        angles = places[:, None] * rates  # (T, D / 2)
        waves = ops.reshape(ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1), (-1, width))  # (T, D)
        return x * width**0.5 + ops.cast(waves, x.dtype)
