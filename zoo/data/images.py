"""Pictures with one class each, by TFDS name or from a person's folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from zoo.data.augment import Augment
from zoo.data.digits import Digits
from zoo.data.folder import picture_folder, refuse_absent
from zoo.data.inputs import Files
from zoo.data.pictures import SIZE, find_pictures, fit, read_picture
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import alone, builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.source import Source, as_paths, knowing
from zoo.errors import UserError

EVALUATED = 250  # pictures that go through the network at once where nothing is learned
IN_MEMORY = 2 * 2**30  # bytes of pixels; more than that stays on disk and is read as it is needed


@dataclass(frozen=True)
class Images(Source):
    """Pictures with one class each: a TFDS data set by name, or the person's own folder."""

    name: str = "digits"
    """TFDS name: digits (needs no network), mnist, fashion_mnist, cifar10, ..."""
    folder: Path | None = None
    """Own pictures instead, one sub-folder a class."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS keeps data; TFDS_DATA_DIR or ~/tensorflow_datasets if not given."""
    size: tuple[int, int] | None = None
    """Height and width in pixels to bring the pictures to; their own where all share one of at
    most 96 pixels, else 64 64."""
    only: tuple[str, ...] = ()
    """Classes to take, by name, and to hold in memory; all if none is given."""
    limit: int | None = None
    """Pictures of each class to train on at most: the first that there are."""
    batch: int = 64
    """Pictures a training step; at most all there are."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of training pictures."""

    kind: ClassVar[str] = "picture"
    Inputs: ClassVar[type] = Files
    usage: ClassVar[str] = "PICTURE..."

    def __post_init__(self):
        as_paths(self)
        if self.batch < 1:
            raise ValueError(f"--data.batch came as {self.batch}, but must be at least 1")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--data.limit came as {self.limit}, but must be at least 1")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(f"--data.size came as {self.size}, but must be two sides of at least 1 pixel")

    @property
    def title(self) -> str:
        """What the data are called in a report."""
        return self.folder.name if self.folder else self.name

    @property
    def summary(self) -> str:
        """What `fit` says of the data at its end besides the counts."""
        return f"{len(self.labels)} classes"

    @property
    def selection(self) -> dict:
        """Some of the classes, some pictures of each."""
        return {name: getattr(self, name) for name in ("only", "limit") if getattr(self, name)}

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set or folder, or it does not hold pictures with a class.
        """
        directory = place_of(self.directory)
        if self.folder is not None:
            return picture_folder(self.folder, self.size, directory)
        if self.name == "digits":
            return builder_of(Digits, directory)
        builder = known_builder(self.name, directory, "digits")
        features = dict(builder.info.features.items())
        if not (
            isinstance(features.get("image"), tfds.features.Image)
            and isinstance(features.get("label"), tfds.features.ClassLabel)
        ):
            raise UserError(
                f"{self.name} does not hold pictures with one class each: its features are {', '.join(features)}"
            )
        if features["image"].shape[-1] not in (None, 1, 3):
            raise UserError(f"{self.name} has pictures of {features['image'].shape[-1]} channels: wanted 1 or 3")
        return builder

    @cached_property
    def spec(self) -> dict:
        """The builder's positional arguments, known before anything is downloaded."""
        height, width, channels = self.builder.info.features["image"].shape
        height, width = self.size or (SIZE if None in (height, width) else (height, width))
        return {"input_shape": (height, width, channels or 3), "classes": len(self.labels)}

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs."""
        names = list(self.builder.info.features["label"].names)
        unknown = [name for name in self.only if name not in names]
        if unknown or len(set(self.only)) < len(self.only) or len(self.only) == 1:
            raise UserError(
                f"--data.only came as {' '.join(self.only)}, but must be two or more different ones of: "
                f"{', '.join(names)}"
            )
        return list(self.only) or names

    @cached_property
    def splits(self) -> dict[str, str]:
        """TFDS's words for train, validation and test; what a set does not have is cut from train."""
        return split_names(self._prepared, self.title)

    def count(self, split: str) -> int:
        """Examples of train, validation or test."""
        if self.only or self.limit:
            return len(self.arrays(split)[1])
        return self._prepared.info.splits[self.splits[split]].num_examples

    @property
    def epoch_size(self) -> int:
        """Pictures that count as an epoch: all."""
        return self.count("train")

    def of_run(self, folder: Path, labels: Sequence[str]) -> Images:
        """The same with the run's labels; its folder keeps nothing of the data."""
        return knowing(self, labels=list(labels))

    def beside(self, folder: Path, spec: dict) -> Images:
        """Other pictures, which are brought to the same size."""
        return Images(size=tuple(spec["input_shape"][:2]), batch=32)

    def files(self) -> dict[str, str]:
        """What a run keeps of the data for later verbs besides its record: nothing."""
        return {}

    def find(self, folder: Path) -> list[Path]:
        """The files in a person's folder that can be read."""
        return find_pictures(folder)

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The pixels (height, width, channels) uint8 of a picture file.

        Raises:
            OSError: it cannot be read; the text says why.
        """
        return read_picture(given, spec["input_shape"]), {}

    def views(self, inputs: np.ndarray) -> np.ndarray:
        """What a person sees of inputs (N, height, width, channels): the pictures."""
        return inputs

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (uint8 or float32 pixels, one-hot labels) as a tf.data.Dataset.

        Args:
            split: train (for ever, shuffled, augmented), validation or test (one pass, as they are).
            seed: decides the order and the augmentation of train.
            step: at which of its batches train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        pixels, labels = self.arrays(split)
        if split != "train":
            return single_pass(len(labels), self._reader(pixels, labels), batch=EVALUATED)
        return self._stream(pixels, labels, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random pictures of the right shape, to time what takes it."""
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (count, *self.spec["input_shape"]), np.uint8)
        labels = random.integers(0, self.spec["classes"], count)
        return self._stream(pixels, labels, seed=0, step=0, stopwatch=stopwatch)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """All pixels (N, H, W, C) uint8, in memory or mapped from disk, and all labels (N,) int64."""
        cache = self.__dict__.setdefault("_arrays", {})  # a frozen record; what it names never changes
        if split not in cache:
            pixels, labels = self._chosen(split, *self._read(split))
            self._check_some(split, len(labels))
            if split == "train" and self.folder:
                refuse_absent(labels, self.labels, self.kind)
            cache[split] = pixels, labels
        return cache[split]

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any pixel or label of the split."""
        pixels, labels = self.arrays(split)
        digest = hashlib.sha256(labels.tobytes())
        for start in range(0, len(pixels), 1000):
            digest.update(np.ascontiguousarray(pixels[start : start + 1000]))
        return digest.hexdigest()[:12]

    def _stream(self, pixels: np.ndarray, labels: np.ndarray, *, seed: int, step: int, stopwatch):
        return training_stream(
            len(labels),
            self._reader(pixels, labels),
            batch=min(self.batch, len(labels)),
            seed=seed,
            step=step,
            augment=self.augment.function(),
            stopwatch=stopwatch,
        )

    def _reader(self, pixels: np.ndarray, labels: np.ndarray):
        """(batch,) indices to their pixels and one-hot labels, within tf.data."""
        classes, targets = self.spec["classes"], tf.constant(labels)
        if isinstance(pixels, np.memmap):

            def pictures(indices):
                read = tf.numpy_function(lambda i: np.asarray(pixels[i]), [indices], tf.uint8, stateful=False)
                return tf.ensure_shape(read, (None, *pixels.shape[1:]))
        else:
            held = tf.constant(pixels)

            def pictures(indices):
                return tf.gather(held, indices)

        return lambda indices: (pictures(indices), tf.one_hot(tf.gather(targets, indices), classes))

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self.builder)

    def _read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        count, shape = self._prepared.info.splits[self.splits[split]].num_examples, self.spec["input_shape"]
        self._check_some(split, count)
        labels = np.empty(count, np.int64)
        if count * int(np.prod(shape)) <= IN_MEMORY:
            pixels = np.empty((count, *shape), np.uint8)
            self._fill(split, pixels, labels)
            return pixels, labels
        name = f"{split}-{'x'.join(map(str, shape))}"
        folder = Path(self._prepared.data_path)
        with alone(folder):
            if not (folder / f"{name}.npy").exists():
                part, size = folder / f"{name}.part", count * int(np.prod(shape))
                part.unlink(missing_ok=True)  # of a process that was killed
                if shutil.disk_usage(folder).free < size:  # what a mapped file lacks kills the process without a word
                    raise UserError(
                        f"the disk is full: {folder} cannot take {size / 1e9:.1f} GB of such pictures: make room, "
                        "take a smaller --data.size, or give another place with --data.directory DIR or TFDS_DATA_DIR"
                    )
                pixels = np.lib.format.open_memmap(part, "w+", np.uint8, (count, *shape))
                self._fill(split, pixels, labels)
                pixels.flush()
                del pixels  # Windows moves no file that is mapped
                np.save(folder / f"{name}.labels.npy", labels)
                os.replace(part, folder / f"{name}.npy")
        pixels = np.load(folder / f"{name}.npy", mmap_mode="r")
        return pixels, np.load(folder / f"{name}.labels.npy")

    def _check_some(self, split: str, count: int) -> None:
        if not count:
            raise UserError(f"{self.title} has no {split} pictures: give it more")

    def _chosen(self, split: str, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the classes and of the number that are wanted, with labels that count the classes wanted."""
        limit = self.limit if split == "train" else None
        if not self.only and limit is None:
            return pixels, labels
        names = self.builder.info.features["label"].names
        numbers = np.full(len(names), -1)
        numbers[[names.index(name) for name in self.labels]] = np.arange(len(self.labels))
        places = [np.flatnonzero(numbers[labels] == number)[:limit] for number in range(len(self.labels))]
        kept = np.sort(np.concatenate(places))
        return pixels[kept], numbers[labels[kept]]

    def _fill(self, split: str, pixels: np.ndarray, labels: np.ndarray) -> None:
        """Reads the split in TFDS's order, which is the same each time, into the two arrays."""
        one_shape = None not in self._prepared.info.features["image"].shape
        stored = examples(self._prepared, self.splits[split], "image", "label", batch=500 if one_shape else None)
        size, at = pixels.shape[1:3], 0
        if not one_shape:
            for at, (picture, label) in enumerate(stored):
                pixels[at], labels[at] = fit(picture, size), label
            return
        for batch, batch_labels in stored:
            chosen = slice(at, at + len(batch))
            same = batch.shape[1:3] == tuple(size)
            pixels[chosen] = batch if same else np.stack([fit(picture, size) for picture in batch])
            labels[chosen] = batch_labels
            at += len(batch)
