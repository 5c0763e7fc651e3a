"""Augmentation of training sounds, on whole batches of frames, as a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import tensorflow as tf


@dataclass(frozen=True)
class Vary:
    """Random changes of training sounds; 0 turns a change off."""

    shift: float = 0.0
    """Shift in time by up to this fraction of the frames and fill with silence."""
    speed: float = 0.0
    """Slow down or speed up by up to this fraction."""
    pitch: float = 0.0
    """Scale the mel frequencies by up to this fraction, as a longer or shorter vocal tract would."""

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < 1:
                raise ValueError(f"--data.vary.{field.name} came as {value}, but must be from 0 to less than 1")

    def function(self) -> Callable | None:
        """A function from (frames, labels, seed, step) to the changed (frames, labels); None if all changes are off.

        Frames are (B, steps, mels), labels (B, classes).
        """
        if not any(getattr(self, field.name) for field in fields(self)):
            return None

        def vary(frames, labels, seed, step):
            key = tf.random.experimental.stateless_fold_in(tf.cast([seed, 0], tf.int64), step)
            # Three numbers per example, whichever changes are on.
            drawn = tf.random.stateless_uniform((3, tf.shape(frames)[0], 1), key, -1, 1)
            shift, speed, pitch = drawn[0] * self.shift, 1 + drawn[1] * self.speed, 1 + drawn[2] * self.pitch
            steps, mels = frames.shape[1:]
            if self.shift or self.speed:
                middle = (steps - 1) / 2
                frames = between(frames, (tf.range(steps, dtype=tf.float32) - middle) * speed + middle + shift * steps)
            if self.pitch:
                bands = tf.range(mels, dtype=tf.float32) * pitch
                frames = tf.transpose(between(tf.transpose(frames, (0, 2, 1)), bands), (0, 2, 1))
            return frames, labels

        return vary


def between(rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Rows (B, N, D) interpolated linearly at `places` (B, M) in 0..N - 1, with silence outside: (B, M, D)."""
    count = rows.shape[1]
    below = tf.floor(places)

    def at(whole):
        inside = tf.cast((whole >= 0) & (whole < count), rows.dtype)[..., None]
        return inside * tf.gather(rows, tf.cast(tf.clip_by_value(whole, 0, count - 1), tf.int32), batch_dims=1)

    part = (places - below)[..., None]
    return (1 - part) * at(below) + part * at(below + 1)
