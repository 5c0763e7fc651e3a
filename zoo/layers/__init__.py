"""Layers that two or more networks share."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.layers.attention import CrossAttention, SelfAttention, normal
from zoo.layers.normalization import BatchNormalization, LocalResponseNormalization
from zoo.layers.pixels import scaled
from zoo.layers.positions import LearnedPositions, SinusoidalPositions
from zoo.layers.transformer import DecoderBlock, EncoderBlock

__all__ = [
    "BatchNormalization",
    "CrossAttention",
    "DecoderBlock",
    "EncoderBlock",
    "LearnedPositions",
    "LocalResponseNormalization",
    "SelfAttention",
    "SinusoidalPositions",
    "normal",
    "scaled",
]
