"""Augmentation: Keras' own layers on whole batches, made a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import keras
import tensorflow as tf
from keras import layers


@dataclass(frozen=True)
class Augment:
    """Random changes of training pictures; 0 or False leaves a change out."""

    flip: bool = False
    """Mirror left and right."""
    shift: float = 0.0
    """Move by up to this fraction of the side, zeros coming in (4 pixels of 32 are 0.125: He 2015, section 4.2)."""
    rotate: float = 0.0
    """Turn by up to this fraction of a full circle."""
    randaugment: float = 0.0
    """Strength of two random operations (Cubuk 2019), 0 to 1; drawn by Keras once for all pictures of a batch."""
    erase: float = 0.0
    """Fraction of the pictures in which a rectangle is overwritten (Zhong 2017)."""
    mixup: float = 0.0
    """Alpha of the mixing weights of two pictures and their labels (Zhang 2017), 0 to 1."""
    cutmix: float = 0.0
    """Alpha of the share of a second picture pasted in (Yun 2019), 0 to 1."""

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise ValueError(f"--data.augment.{field.name} came as {value}, but must be from 0 to 1")

    def function(self) -> Callable | None:
        """(images, labels, seed, step) to augmented (images, labels) of a batch; None where nothing is on.

        Images are (B, H, W, C) pixels in 0..255, labels (B, classes) probabilities.
        """
        seeds = StepSeeds()
        steps = [seeded(layer, seeds) for layer in self._layers()]
        if not steps:
            return None

        def augment(images, labels, seed, step):
            seeds.begin(seed, step)
            batch = {"images": tf.cast(images, tf.float32), "labels": labels}
            for layer in steps:
                batch = layer(batch, training=True)
            return tf.clip_by_value(batch["images"], 0, 255), batch["labels"]

        return augment

    def _layers(self) -> list[keras.Layer]:
        # float32, whatever the precision of the network: half precision would blur the pixels.
        edge = {"fill_mode": "constant", "dtype": "float32"}
        pixels = {"value_range": (0, 255), "dtype": "float32"}
        chosen = []
        if self.flip:
            chosen.append(layers.RandomFlip("horizontal", dtype="float32"))
        if self.shift:
            # Whole pixels and zeros: this is the "pad and crop" of the papers.
            chosen.append(layers.RandomTranslation(self.shift, self.shift, interpolation="nearest", **edge))
        if self.rotate:
            chosen.append(layers.RandomRotation(self.rotate, **edge))
        if self.randaugment:
            chosen.append(layers.RandAugment(factor=self.randaugment, **pixels))
        if self.erase:
            chosen.append(layers.RandomErasing(factor=(self.erase, self.erase), **pixels))
        if self.mixup:
            chosen.append(layers.MixUp(alpha=self.mixup, dtype="float32"))
        if self.cutmix:
            chosen.append(layers.CutMix(factor=(self.cutmix, self.cutmix), dtype="float32"))
        return chosen


class StepSeeds(keras.random.SeedGenerator):
    """Seeds that follow from the step instead of from how often somebody has asked.

    Keras' generators count in a variable, which a resumed run does not have and which parallel calls
    reach in any order. Here the n-th draw within a step always gets the same numbers.
    """

    def __init__(self):
        super().__init__(seed=0)
        self._drawn, self._step = 0, None

    def begin(self, seed: int, step: tf.Tensor) -> None:
        """Starts the draws of one step; called while tf.data traces its function."""
        self._drawn, self._step = 0, tf.cast(tf.stack([seed, step]), tf.int64)

    def next(self, ordered: bool = True):
        self._drawn += 1
        return tf.random.experimental.stateless_fold_in(self._step, self._drawn)


def seeded(layer: keras.Layer, seeds: StepSeeds) -> keras.Layer:
    """The layer with its random generator, and those of the layers inside it, replaced."""
    for part in layer._flatten_layers():
        if hasattr(part, "generator"):
            part.generator = seeds
    return layer
