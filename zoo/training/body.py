"""What a trained network hands on: its body, which is all that lies below its head, the layer called logits."""

from __future__ import annotations

import hashlib

import keras

HEAD = "logits"
ADAPTERS = ("lora_kernel_a", "lora_kernel_b")  # weights that learn beside those of the body


def digest_of(model: keras.Model, *, whole: bool = False) -> str:
    """Twelve hexadecimal digits that change with any weight of the body, or of the whole network."""
    digest = hashlib.sha256()
    for layer in model.layers:
        for weight in layer.weights if whole or layer.name != HEAD else ():
            if weight.name not in ADAPTERS:
                digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()[:12]
