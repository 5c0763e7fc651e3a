"""The Transformer token by token: it reads a sentence once, and remembers what it made of all that is written.

It knows the names that `zoo.models.transformer` gives. Checked against: the logits of the whole network.
"""

import keras
from keras import ops

from zoo.layers import DecoderBlock, EncoderBlock
from zoo.layers.transformer import real


class Stepwise:
    """A network for translation that goes token by token: it reads the source once, and keeps what it made of all.

    Args:
        model: what `zoo.models.transformer` made, perhaps saved and loaded since.
    """

    def __init__(self, model: keras.Model):
        self.named = {layer.name: layer for layer in model.layers}
        self.encoder = [layer for layer in model.layers if isinstance(layer, EncoderBlock)]
        self.decoder = [layer for layer in model.layers if isinstance(layer, DecoderBlock)]

    def read(self, source, places: int) -> tuple:
        """What the decoder keeps of a source, and an empty cache for each of its blocks.

        Args:
            source: (B, S) int32 tokens.
            places: of the longest translation that there may be.
        """
        x, seen = self.encode(source)
        remembered = [block.cross.remember(x) for block in self.decoder]  # 2 of (B, S, H, D / H) a block
        batch, (heads, width) = ops.shape(x)[0], remembered[0][0].shape[2:]
        caches = [ops.zeros((2, batch, places, heads, width), block.compute_dtype) for block in self.decoder]
        return (remembered, seen), caches

    def step(self, tokens, at, kept: tuple, caches: list) -> tuple:
        """What comes next, and the caches with the tokens in them.

        Args:
            tokens: (B, T) int32.
            at: the place of the first of them.
            kept: of the source, as `read` returns it.
            caches: of the tokens before.

        Returns:
            (B, T, vocabulary) float32 logits, and the caches.
        """
        x, (remembered, seen), written = self.embedded(tokens, "target_tokens", at), kept, []
        for block, memory, cache in zip(self.decoder, remembered, caches, strict=True):
            x, cache = block.go_on(x, memory, seen, cache, at)  # noqa: PLW2901 - the same cache, some tokens further
            written.append(cache)
        x = self.normalized(x, "decoder_norm")
        return (self.named["logits"](x) if "logits" in self.named else self.named["tokens"](x, reverse=True)), written

    def looks(self, source, target) -> list:
        """Where the decoder looks: for each of its blocks float32 (B, heads, T, S), rows of which sum to 1.

        Args:
            source: (B, S) int32 tokens.
            target: (B, T) int32 tokens, with that which begins it.
        """
        (memory, seen), x, found = self.encode(source), self.embedded(target, "target_tokens"), []
        for block in self.decoder:
            found.append(block.looks(x, memory, seen))
            x = block(x, memory, seen=seen)
        return found

    def encode(self, source) -> tuple:
        """(B, S) tokens to what the encoder makes of them, (B, S, D), and where they are real, (B, 1, 1, S)."""
        x, seen = self.embedded(source, "source_tokens"), real(source)
        for block in self.encoder:
            x = block(x, seen=seen)
        return self.normalized(x, "encoder_norm"), seen

    def embedded(self, tokens, name: str, at=0):
        """(B, T) tokens to vectors (B, T, D) with their positions, by the layer of that name if it isn't shared."""
        return self.named["positions"](self.named.get("tokens", self.named.get(name))(tokens), at=at)

    def normalized(self, x, name: str):
        """x after the normalisation of that name, which a pre-norm network has."""
        return self.named[name](x) if name in self.named else x
