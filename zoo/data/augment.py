"""Augmentation of training pictures, mostly by Keras' layers, on whole batches, as a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import keras
import tensorflow as tf
from keras import layers

from zoo.data.randaugment import RandAugment


@dataclass(frozen=True)
class Augment:
    """Random changes of training pictures; 0 or False turns a change off."""

    flip: bool = False
    """Mirror left to right, at random."""
    shift: float = 0.0
    """Shift by up to this fraction of the side and fill with zeros (4 pixels of 32 are 0.125: He 2015, section 4.2)."""
    rotate: float = 0.0
    """Rotate by up to this fraction of a full turn."""
    randaugment: float = 0.0
    """Largest strength of two random operations on each picture, such as rotate or contrast (Cubuk 2019), 0 to 1."""
    erase: float = 0.0
    """Fraction of the pictures in which a rectangle is erased (Zhong 2017)."""
    mixup: float = 0.0
    """Alpha of the distribution of the weights that mix two pictures and their labels (Zhang 2017), 0 to 1."""
    cutmix: float = 0.0
    """Alpha of the distribution of the area pasted in from a second picture (Yun 2019), 0 to 1."""

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= 1:
                raise ValueError(f"--data.augment.{field.name} came as {value}, but must be from 0 to 1")

    def function(self) -> Callable | None:
        """A function from (images, labels, seed, step) to the augmented (images, labels); None if all changes are off.

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
        # float32, whatever the precision of the network: half precision is too coarse for pixels.
        edge = {"fill_mode": "constant", "dtype": "float32"}
        pixels = {"value_range": (0, 255), "dtype": "float32"}
        changes = []
        if self.flip:
            changes.append(layers.RandomFlip("horizontal", dtype="float32"))
        if self.shift:
            # Whole pixels, filled with zeros: this is the "pad and crop" of the papers.
            changes.append(layers.RandomTranslation(self.shift, self.shift, interpolation="nearest", **edge))
        if self.rotate:
            changes.append(layers.RandomRotation(self.rotate, **edge))
        if self.randaugment:
            changes.append(RandAugment(self.randaugment))
        if self.erase:
            changes.append(layers.RandomErasing(factor=(self.erase, self.erase), **pixels))
        if self.mixup:
            changes.append(layers.MixUp(alpha=self.mixup, dtype="float32"))
        if self.cutmix:
            changes.append(layers.CutMix(factor=(self.cutmix, self.cutmix), dtype="float32"))
        return changes


class StepSeeds(keras.random.SeedGenerator):
    """Seeds that depend on the step instead of on the number of draws before.

    Keras' generators count draws in a variable, which a resumed run lacks and which parallel calls
    increment in any order. Here the n-th draw within a step always gets the same seed.
    """

    def __init__(self):
        super().__init__(seed=0)
        self._drawn, self._step = 0, None

    def begin(self, seed: int, step: tf.Tensor) -> None:
        """Begins the draws of one step; called while tf.data traces the function."""
        self._drawn, self._step = 0, tf.cast(tf.stack([seed, step]), tf.int64)

    def next(self, ordered: bool = True):
        self._drawn += 1
        return tf.random.experimental.stateless_fold_in(self._step, self._drawn)


def seeded(layer: keras.Layer, seeds: StepSeeds) -> keras.Layer:
    """The layer, after replacing its random generator and those of the layers inside it."""
    for part in layer._flatten_layers():
        if hasattr(part, "generator"):
            part.generator = seeds
    return layer
