"""What two or more networks share."""

from zoo.layers.attention import CausalAttention, normal
from zoo.layers.normalization import BatchNormalization, LocalResponseNormalization
from zoo.layers.pixels import scaled
from zoo.layers.positions import LearnedPositions

__all__ = [
    "BatchNormalization",
    "CausalAttention",
    "LearnedPositions",
    "LocalResponseNormalization",
    "normal",
    "scaled",
]
