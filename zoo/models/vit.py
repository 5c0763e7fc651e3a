"""The Vision Transformer (Dosovitskiy 2020, arXiv:2010.11929): an image as a sequence of patches.

Each patch becomes a vector to which a learned position is added, and in blocks of attention and dense layers every
patch can attend to every other. Only the division into patches treats the input as an image: locality, which
convolutions have built in, has to be learned from data.
Departs from the paper: the head is a single dense layer, which the paper uses for fine-tuning, without the hidden layer
that it has in pre-training.
Checked against: transformers' ViT in PyTorch, outputs; torchvision and timm, numbers of weights.
"""

from typing import NamedTuple

import keras
from keras import layers, ops

from zoo.layers import BatchNormalization, scaled


class Variant(NamedTuple):
    """The size of a Vision Transformer; the hidden dense layer of a block is four times as wide as the block."""

    width: int
    depth: int  # blocks
    heads: int


VARIANTS = {
    # Dosovitskiy 2020, table 1.
    "base": Variant(768, 12, 12),
    "large": Variant(1024, 24, 16),
    # Touvron 2020 (arXiv:2012.12877), table 1.
    "tiny": Variant(192, 12, 3),
    "small": Variant(384, 12, 6),
    # Ours, for images of 32x32 in 64 patches: Tiny with half its depth, and a third of its weights for two CPU cores.
    "mini": Variant(192, 6, 3),
    "micro": Variant(128, 4, 4),
}


def vit(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    variant: str = "mini",
    patch: int = 4,
    stem: tuple[int, ...] = (),
    dropout: float = 0.0,
    scaling: str = "symmetric",
) -> keras.Model:
    """Patches, a class token and positions, blocks of attention and dense layers; the class token is classified.

    ViT-B/16 (base, patch 16) has 86,567,656 weights on 224x224x3 and 1000 classes.

    Args:
        input_shape: (height, width, channels) of an image in pixels; each side a multiple of `patch`
            times `2 ** len(stem)`.
        classes: labels to tell apart.
        variant: tiny, small, base or large of the papers, or mini or micro for images of 32x32.
        patch: side of a patch in pixels; with a stem, in pixels of the stem's output.
        stem: channels of 3x3 convolutions before the patches, each of which halves the resolution: the hybrid of
            section 3.1, with a small stem (Xiao 2021, arXiv:2106.14881). Empty for the plain network.
        dropout: fraction dropped while training, of the embedded patches and within each block (appendix B.1).
        scaling: how pixels are scaled: unit, symmetric or caffe (see zoo.layers.scaled).

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: variant is unknown, or the image cannot be divided into such patches.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant came as {variant!r}, but the known ones are {', '.join(VARIANTS)}")
    width, depth, heads = VARIANTS[variant]
    side = patch * 2 ** len(stem)
    if patch < 1:
        raise ValueError(f"patch came as {patch}, but must be at least 1 pixel")
    if input_shape[0] % side or input_shape[1] % side:
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but patches of {side}x{side} need "
            f"multiples of {side} on both sides"
        )
    # Letters of the shapes: T = 1 + H * W / side ** 2 tokens, D = width.
    inputs = keras.Input(input_shape, name="pixels")
    x = scaled(inputs, scaling)  # (B, H, W, C)
    for number, channels in enumerate(stem, 1):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"stem_conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"stem_pool{number}")(x)
        x = layers.ReLU(name=f"stem_relu{number}")(BatchNormalization(name=f"stem_norm{number}")(x))
    x = layers.Conv2D(width, patch, patch, name="patches")(x)  # (B, H / side, W / side, D)
    x = layers.Reshape((-1, width), name="flatten")(x)  # (B, T - 1, D)
    x = Tokens(name="tokens")(x)  # (B, T, D)
    x = layers.Dropout(dropout, name="drop")(x)
    for number in range(1, depth):
        x = block(x, heads, dropout, f"block{number}")  # (B, T, D)
    # Only the class token is used after the last block, so the block computes no other.
    x = block(x, heads, dropout, f"block{depth}", first_only=True)  # (B, 1, D)
    x = normalized(x, "last_norm")
    x = layers.Reshape((width,), name="features")(x)  # (B, D), the class token
    # The last layer stays in float32: half precision is too coarse for a softmax over logits.
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=f"vit_{variant}")


def block(x, heads: int, dropout: float, name: str, first_only: bool = False):
    """Attention, then two dense layers, each with a normalisation before it and a residual connection (equations 2, 3).

    (B, T, D) to (B, T, D). With `first_only` all tokens are attended to, but only the first is computed: (B, 1, D).
    """
    width = x.shape[-1]
    y = attention(normalized(x, f"{name}_norm1"), heads, f"{name}_attention", first_only)
    if first_only:
        x = x[:, :1]
    x = layers.Add(name=f"{name}_add1")([x, layers.Dropout(dropout, name=f"{name}_drop1")(y)])
    y = layers.Dense(4 * width, name=f"{name}_mlp_in")(normalized(x, f"{name}_norm2"))
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = layers.Dropout(dropout, name=f"{name}_drop2")(y)
    y = layers.Dropout(dropout, name=f"{name}_drop3")(layers.Dense(width, name=f"{name}_mlp_out")(y))
    return layers.Add(name=f"{name}_add2")([x, y])


def attention(x, heads: int, name: str, first_only: bool = False):
    """Multi-head attention of all tokens to all tokens (appendix A): (B, T, D) to (B, T, D).

    With `first_only` only the first token attends: (B, T, D) to (B, 1, D).
    """
    # Not zoo.layers.SelfAttention, which has no `first_only`.
    width = x.shape[-1]
    qkv = layers.Dense(3 * width, name=f"{name}_qkv")(x)
    query, key, value = ops.split(layers.Reshape((-1, 3 * heads, width // heads), name=f"{name}_heads")(qkv), 3, 2)
    if first_only:
        query = query[:, :1]
    y = ops.dot_product_attention(query, key, value)  # (B, T or 1, heads, D / heads)
    return layers.Dense(width, name=f"{name}_out")(layers.Reshape((-1, width), name=f"{name}_join")(y))


def normalized(x, name: str):
    """Layer normalisation, with the epsilon of the authors' code."""
    return layers.LayerNormalization(epsilon=1e-6, name=name)(x)


@keras.saving.register_keras_serializable(package="zoo")
class Tokens(keras.Layer):
    """Puts a learned token in front and adds learned positions (equation 1): (B, T - 1, D) to (B, T, D)."""

    def build(self, input_shape):
        """Creates the token (D,) and the positions (T, D)."""
        count, width = input_shape[1:]
        self.token = self.add_weight((width,), "zeros", name="token")
        self.positions = self.add_weight(
            (count + 1, width), keras.initializers.RandomNormal(stddev=0.02), name="positions"
        )

    def call(self, patches):
        """The token and then the patches, with their positions."""
        token = ops.broadcast_to(self.token, (ops.shape(patches)[0], 1, patches.shape[-1]))
        return ops.concatenate([token, patches], axis=1) + self.positions

    def compute_output_shape(self, input_shape):
        """(B, T - 1, D) to (B, T, D)."""
        return (input_shape[0], input_shape[1] + 1, input_shape[2])
