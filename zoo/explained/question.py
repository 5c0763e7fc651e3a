"""What is explained: one number that a network gives for an input, as a function of that input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo.data.features import Features
from zoo.errors import UserError
from zoo.tasks.task import Aim

AT_ONCE = 256  # inputs per batch, at most
NUMBERS = 2**20  # numbers of a batch, at most


@dataclass(frozen=True)
class Settings:
    """How methods compute; each takes what it needs."""

    layer: str | None = None
    """Of grad_cam: name of the layer whose feature maps are used; by default the last that has some."""
    steps: int = 32
    """Of integrated_gradients: parts of the way from the baseline to the input, which are cut finer where needed."""
    samples: int | None = None
    """Inputs that are drawn or tried: by default 50 of smoothgrad, 1000 of lime, 500 of shap and 200 of
    gradient_shap."""
    baseline: Literal["zero", "mean"] = "zero"
    """What stands for nothing: zero is black, silence, the mean of a series or column, or a hidden token; mean is the
    input's own mean, as a grey or tinted picture without a pattern."""
    seed: int = 0
    """Of what is drawn at random."""

    def __post_init__(self):
        for name in ("steps", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name} came as {value}, but must be at least 1")


@dataclass(frozen=True)
class Attribution:
    """How much each thing of an input counts, by one method.

    Args:
        values: (G,) float64, one for each thing.
        unit: of the values.
        said: what else there is to know, a sentence each.
        total: what all attributions add up to, where they are meant to add up to `difference`; else None.
        difference: the explained number for the input less that for the baseline.
    """

    values: np.ndarray
    unit: str
    said: tuple[str, ...] = ()
    total: float | None = None
    difference: float | None = None


class Question:
    """One number that a network gives for an input.

    Gradients are those with respect to the input's numbers, or where these are tokens, to the vectors that stand for
    them: both are called points here.

    Args:
        model: the network, whose weights are not changed.
        aim: the input and the number.
        features: what the input consists of.
        baseline: see `Settings`.

    Raises:
        UserError: tokens have no mean.
    """

    def __init__(self, model: keras.Model, aim: Aim, features: Features, baseline: str = "zero"):
        self.model, self.aim, self.features = model, aim, features
        self.is_of_tokens = takes_tokens(model)
        self.input = np.asarray(aim.given, "int32" if self.is_of_tokens else "float32")
        if baseline == "mean" and (self.is_of_tokens or self.input.ndim < 2):
            raise UserError("--baseline came as mean, which only pictures, sounds and series have: leave it out")
        self.baseline = np.zeros_like(self.input)
        if baseline == "mean":
            self.baseline += self.input.mean(tuple(range(self.input.ndim - 1)))

    @property
    def count(self) -> int:
        """The number of things, G."""
        return self.features.count

    def of(self, outputs: tf.Tensor) -> tf.Tensor:
        """The explained number, (N,), in its unit but without its offset, among outputs (N, ...)."""
        return tf.cast(outputs, tf.float32)[(slice(None), *self.aim.place)] * self.aim.scale

    def numbers(self, inputs: np.ndarray) -> np.ndarray:
        """The explained number for inputs (N, ...): (N,) float64, without the offset."""
        return np.concatenate(
            [self.of(self.model(tf.constant(part), training=False)).numpy() for part in parts_of(inputs)]
        ).astype(np.float64)

    @cached_property
    def number(self) -> float:
        """The explained number for the input, without the offset."""
        return float(self.numbers(self.input[None])[0])

    @cached_property
    def nothing(self) -> float:
        """The explained number for the baseline, without the offset."""
        return float(self.numbers(self.baseline[None])[0])

    def hidden(self, kept: np.ndarray) -> np.ndarray:
        """The input with some things replaced by the baseline: from (N, G) bool, true for what stays, to (N, ...)."""
        kept = np.concatenate([kept, np.ones((len(kept), 1), bool)], axis=1)  # group -1 always stays
        return np.where(kept[:, self.features.groups], self.input, self.baseline)

    def numbers_of_kept(self, kept: np.ndarray) -> np.ndarray:
        """The explained number for the input of which only some things are kept, (N, G) bool: (N,) float64."""
        return np.concatenate([self.numbers(self.hidden(part)) for part in parts_of(kept, self.input.size)])

    def summed(self, values: np.ndarray) -> np.ndarray:
        """Values at the points as one for each thing, (G,), by their sums."""
        if self.is_of_tokens:
            values = values.sum(-1)[: len(self.input)]  # a network may have added padding at the end
        there = self.features.groups >= 0
        return np.bincount(self.features.groups[there], np.float64(values[there]), self.count)

    @property
    def start(self) -> str:
        """What `origin` is, in words."""
        return "vectors of zero" if self.is_of_tokens else "the baseline"

    @cached_property
    def point(self) -> np.ndarray:
        """The input as a point."""
        return self._vectors if self.is_of_tokens else self.input

    @cached_property
    def origin(self) -> np.ndarray:
        """The baseline as a point: the vector of a hidden token is zero."""
        return np.zeros_like(self.point) if self.is_of_tokens else self.baseline

    def at(self, points: tf.Tensor) -> tf.Tensor:
        """The explained number at points (N, ...): (N,), without the offset."""
        if not self.is_of_tokens:
            return self.of(self.model(points, training=False))
        tokens = tf.repeat(tf.constant(self.input)[None], tf.shape(points)[0], axis=0)
        vectors = tf.split(points, self._widths, axis=-1)
        return self.of(self._after([tokens, *vectors], training=False))

    def at_all(self, points: np.ndarray) -> np.ndarray:
        """The explained number at points (N, ...): (N,) float64, without the offset."""
        return np.concatenate([self.at(tf.constant(part)).numpy() for part in parts_of(points)]).astype(np.float64)

    def gradients(self, points: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the gradients of the explained number at points (N, ...), some at once."""
        for part in parts_of(points):
            where = tf.constant(part)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(where)
                number = self.at(where)
            found = tape.gradient(number, where)
            yield np.zeros_like(part) if found is None else found.numpy()

    @cached_property
    def _embeddings(self) -> list:
        """The outputs of the layers that turn tokens into vectors."""
        return [layer.output for layer in self.model.layers if isinstance(layer, keras.layers.Embedding)]

    @cached_property
    def _vectors(self) -> np.ndarray:
        """The vectors of the tokens, (T, D); where a network has several for each, side by side."""
        inside = keras.Model(self.model.input, self._embeddings)
        found = inside(tf.constant(self.input[None]), training=False)
        found = found if isinstance(found, list | tuple) else [found]
        vectors = np.concatenate([np.float32(one[0]) for one in found], -1)
        self._widths = [one.shape[-1] for one in found]
        again, once = float(self.at(tf.constant(vectors[None]))[0]), self.number
        if abs(again - once) > 1e-3 * max(abs(self.aim.scale), abs(once)):
            raise UserError(f"{self.model.name} cannot be cut at its tokens' vectors: take occlusion, lime or shap")
        return vectors

    @cached_property
    def _after(self) -> keras.Model:
        """The network from the vectors of tokens on; it still has the tokens too, of which it may read the padding."""
        return keras.Model([*self.model.inputs, *self._embeddings], self.model.output)


def takes_tokens(model: keras.Model) -> bool:
    """Whether a network's inputs are whole numbers that stand for something."""
    return "int" in model.inputs[0].dtype


def parts_of(inputs: np.ndarray, size: int | None = None) -> Iterator[np.ndarray]:
    """Yields (N, ...) in parts that fit into memory, for inputs of `size` numbers each."""
    batch = int(np.clip(NUMBERS // max(1, size or inputs[0].size), 1, AT_ONCE))
    for start in range(0, len(inputs), batch):
        yield inputs[start : start + batch]
