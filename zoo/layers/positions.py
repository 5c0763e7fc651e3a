"""What tells a network without recurrence where in the text a token stands."""

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
        # Not a slice, which XLA compiles anew for each place.
        return x + ops.cast(ops.take(self.positions, ops.arange(x.shape[1]) + at, axis=0), x.dtype)

    def get_config(self):
        """What makes the layer anew."""
        return super().get_config() | {"count": self.count}
