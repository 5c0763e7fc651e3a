"""What two or more networks share."""

from zoo.layers.normalization import BatchNormalization, LocalResponseNormalization
from zoo.layers.pixels import scaled

__all__ = ["BatchNormalization", "LocalResponseNormalization", "scaled"]
