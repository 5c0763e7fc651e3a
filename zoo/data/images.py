"""Pictures with one class each, by TFDS name or from a user's folder."""

from __future__ import annotations

import hashlib
import json
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

from zoo.data import measured
from zoo.data.augment import Augment
from zoo.data.deep import Scale
from zoo.data.digits import Digits
from zoo.data.files import THREADS
from zoo.data.folder import names_in, picture_folder, refuse_absent
from zoo.data.inputs import Files
from zoo.data.layout import check_groups
from zoo.data.pictures import SIZE, find_pictures, fit, read_picture
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import alone, builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.source import Source, as_paths, counted, knowing
from zoo.errors import UserError

LARGEST = 10_000  # pixels of a side
EVALUATED = 250  # pictures per batch of validation and test
IN_MEMORY = 2 * 2**30  # bytes of pixels; a larger split stays on disk and is read as needed
SCALE = "pixels.json"  # the file of a run that says what was black and white in pictures of more than 8 bits


@dataclass(frozen=True)
class Images(Source):
    """Pictures with one class each: a TFDS data set by name, or the user's own folder."""

    name: str = "digits"
    """Name of a TFDS data set: digits (needs no network), mnist, fashion_mnist, cifar10, ..."""
    folder: Path | None = None
    """Folder of your own pictures, with one sub-folder per class, instead of a named data set."""
    file: Path | None = None
    """CSV or TSV file with names in its first line and then a row per picture, with its path and its class; paths lead
    from the folder of this file, or from --data.folder."""
    columns: tuple[str, str] | None = None
    """With --data.file: the names of its columns of paths and of classes, if they are not found by usual names."""
    groups: str | None = None
    r"""What to keep in one split: folder (pictures of one sub-folder of a class), or a regular expression whose first
    group is looked for in each path below the class, such as 'patient(\d+)'; with --data.file also the name of a
    column."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    size: tuple[int, int] | None = None
    """Height and width in pixels to which pictures are resized; by default their own size if all share one of at
    most 96 pixels, else 64 64."""
    only: tuple[str, ...] = ()
    """Names of the classes to use, which are then held in memory; by default all."""
    limit: int | None = None
    """Largest number of training pictures per class; the first ones are used."""
    batch: int = 64
    """Pictures per training step; all of them if there are fewer."""
    augment: Augment = field(default_factory=Augment)
    """Random changes of training pictures."""

    kind: ClassVar[str] = "picture"
    meaning: ClassVar[str] = (
        "pixels from 0 to 255, which the network scales by itself, as rows of grey values or of red, green and blue"
    )
    Inputs: ClassVar[type] = Files
    usage: ClassVar[str] = "PICTURE..."
    threads: ClassVar[int] = THREADS

    def __post_init__(self):
        as_paths(self)
        if self.batch < 1:
            raise ValueError(f"--data.batch came as {self.batch}, but must be at least 1")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--data.limit came as {self.limit}, but must be at least 1")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1 or max(self.size) > LARGEST):
            raise ValueError(f"--data.size came as {self.size}, but must be two sides of 1 to {LARGEST:,} pixels")
        if self.columns and not self.file:
            raise ValueError("--data.columns came without --data.file, whose columns it names")
        if self.groups is not None and not self.own:
            raise ValueError(f"--data.groups came as {self.groups}, but needs --data.folder or --data.file")
        if not self.file:
            check_groups(self.groups)

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        own = self.folder or self.file
        return (own.name or own.resolve().name) if own else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"{len(self.labels)} classes"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        return [counted(self), *(self._prepared.understood if self.own else ())]

    @property
    def own(self) -> bool:
        """Whether the pictures are a user's own files."""
        return self.folder is not None or self.file is not None

    @property
    def selection(self) -> dict:
        """The classes and the number of pictures of each, if they are limited."""
        return {name: getattr(self, name) for name in ("only", "limit") if getattr(self, name)}

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set or folder, or it does not contain pictures with one class each.
        """
        directory = place_of(self.directory)
        if self.own:
            return picture_folder(
                self.folder, self.size, directory, file=self.file, columns=self.columns, groups=self.groups
            )
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
        """The positional arguments of a network's builder, known before anything is downloaded."""
        height, width, channels = self.builder.info.features["image"].shape
        height, width = self.size or (SIZE if None in (height, width) else (height, width))
        return {"input_shape": (height, width, channels or 3), "classes": len(self.labels)}

    @property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs; of some sets their numbers, until prepared.

        Raises:
            UserError: `only` names classes that there are not.
        """
        if self._labels_of_run is not None:
            return self._labels_of_run
        names = list(self.builder.info.features["label"].names)
        if not set(self.only) <= set(names):  # TFDS reads the names of some sets, such as cifar10, with their data
            names = list(self._prepared.info.features["label"].names)
        unknown = [name for name in self.only if name not in names]
        if unknown or len(set(self.only)) < len(self.only) or len(self.only) == 1:
            raise UserError(
                f"--data.only came as {' '.join(self.only)}, but must be two or more different ones of: "
                f"{', '.join(names)}"
            )
        return list(self.only) or names

    @cached_property
    def _labels_of_run(self) -> list[str] | None:
        return None

    @cached_property
    def splits(self) -> dict[str, str]:
        """TFDS's expressions for train, validation and test; splits that the set lacks are taken from train."""
        return split_names(self._prepared, self.title)

    def count(self, split: str) -> int:
        """The number of examples of a split."""
        if self.only or self.limit:
            return len(self.arrays(split)[1])
        return self._prepared.info.splits[self.splits[split]].num_examples

    @property
    def epoch_size(self) -> int:
        """An epoch is all training pictures."""
        return self.count("train")

    def of_run(self, folder: Path, labels: Sequence[str]) -> Images:
        """This source with the run's labels and its scale of pixels.

        Raises:
            UserError: the file of the scale is damaged.
        """
        scale, kept = Scale(), folder / SCALE
        try:
            if kept.exists():
                scale = Scale(**json.loads(kept.read_text(encoding="utf-8")))
                _ = [float(black) - float(white) for black, white in filter(None, scale)]
        except (OSError, TypeError, ValueError) as error:
            raise UserError(f"{kept} is damaged ({error}): restore it or train the run again") from error
        return knowing(self, _labels_of_run=list(labels), scale=scale)

    def beside(self, folder: Path, spec: dict) -> Images:
        """Other pictures, which are resized to the same size."""
        return Images(size=tuple(spec["input_shape"][:2]), batch=32)

    def files(self) -> dict[str, str]:
        """What is black and white in pictures of more than 8 bits, if there are any."""
        return {SCALE: json.dumps(self.scale._asdict())} if any(self.scale) else {}

    @cached_property
    def scale(self) -> Scale:
        """What is black and white in pictures of more than 8 bits."""
        return Scale(*self._prepared.kept("facts", {}).get("scale", ())) if self.own else Scale()

    def find(self, folder: Path) -> list[Path]:
        """The files in a user's folder that can be read."""
        return find_pictures(folder)

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The pixels (height, width, channels) uint8 of a picture file.

        Raises:
            OSError: the file cannot be read; the message says why.
        """
        return read_picture(given, spec["input_shape"], self.scale), {}

    def views(self, inputs: np.ndarray) -> np.ndarray:
        """The inputs (N, height, width, channels) in the form in which they are shown: as they are."""
        return inputs

    def names(self, split: str) -> list[str]:
        """What each example of validation or test is called: its file within the folder, or its number in the split."""
        part = self.splits[split]
        if not self.own:
            return [f"{part}[{number}]" for number in range(self.count(split))]
        return names_in(self._prepared, part, self.labels)

    def other(self, spec: dict, then: dict) -> tuple[measured.Labelled, str] | None:
        """See `zoo.data.Source`."""
        return measured.other(self, spec, then)

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (uint8 or float32 pixels, one-hot labels) as a tf.data.Dataset.

        Args:
            split: train (endless, shuffled and augmented), validation or test (one pass, unchanged).
            seed: of the order and the augmentation of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        pixels, labels = self.arrays(split)
        if split != "train":
            return single_pass(len(labels), self._reader(pixels, labels), batch=EVALUATED)
        return self._stream(pixels, labels, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random pictures of the right shape, to time training on it."""
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (count, *self.spec["input_shape"]), np.uint8)
        labels = random.integers(0, self.spec["classes"], count)
        return self._stream(pixels, labels, seed=0, step=0, stopwatch=stopwatch)

    def augmented(self, count: int, draws: int) -> np.ndarray | None:
        """Training pictures, evenly spread over all of them, and after each what the augmentation may make of it.

        Returns:
            (count, 1 + draws, H, W, C) float32 pixels in 0..255, of fewer pictures if there are fewer; None if the
            augmentation is off.
        """
        change = self.augment.function()
        if change is None:
            return None
        pixels, labels = self.arrays("train")
        places = np.linspace(0, len(labels) - 1, min(count, len(labels))).astype(int)
        plain = np.float32(pixels[places])
        with tf.device("CPU"):  # where tf.data computes it
            targets = tf.one_hot(labels[places], self.spec["classes"])
            drawn = [change(plain, targets, 0, step)[0] for step in range(draws)]
        return np.stack([plain, *drawn], axis=1)

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """All pixels (N, H, W, C) uint8, in memory or memory-mapped, and all labels (N,) int64."""
        cache = self.__dict__.setdefault("_arrays", {})  # the record is frozen, and its data never change
        if split not in cache:
            pixels, labels = self._selected(split, *self._read(split))
            self._check_some(split, len(labels))
            if split == "train" and self.own:
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
        """A function for tf.data from (batch,) indices to their pixels and one-hot labels."""
        classes, targets = self.spec["classes"], tf.constant(labels)
        if isinstance(pixels, np.memmap):

            def pictures(indices):
                read = tf.numpy_function(lambda i: np.asarray(pixels[i]), [indices], tf.uint8, stateful=False)
                return tf.ensure_shape(read, (None, *pixels.shape[1:]))
        else:
            tensor = tf.constant(pixels)

            def pictures(indices):
                return tf.gather(tensor, indices)

        return lambda indices: (pictures(indices), tf.one_hot(tf.gather(targets, indices), classes))

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self.builder, "digits")

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
                part.unlink(missing_ok=True)  # left by a process that was killed
                if shutil.disk_usage(folder).free < size:  # writing a mapped file to a full disk kills the process
                    raise UserError(
                        f"the disk is full: {folder} cannot take {size / 1e9:.1f} GB of such pictures: make room, "
                        "take a smaller --data.size, or give another place with --data.directory DIR or TFDS_DATA_DIR"
                    )
                pixels = np.lib.format.open_memmap(part, "w+", np.uint8, (count, *shape))
                self._fill(split, pixels, labels)
                pixels.flush()
                del pixels  # Windows cannot move a file while it is mapped
                np.save(folder / f"{name}.labels.npy", labels)
                os.replace(part, folder / f"{name}.npy")
        try:
            pixels, labels = (np.load(folder / f"{name}{part}.npy", mmap_mode="r") for part in ("", ".labels"))
        except (ValueError, EOFError):
            pixels = labels = np.empty(0)
        if (pixels.shape, pixels.dtype, labels.shape) != ((count, *shape), np.uint8, (count,)):
            raise UserError(f"{folder / name}.npy is damaged: delete it and type the same command")
        return pixels, np.array(labels, np.int64)

    def _check_some(self, split: str, count: int) -> None:
        if not count:
            raise UserError(f"{self.title} has no {split} pictures: give it more")

    def _selected(self, split: str, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The examples of the requested classes, up to the limit, with labels that index the requested classes."""
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
        """Reads the split into the two arrays, in TFDS's order, which is always the same."""
        one_shape = None not in self._prepared.info.features["image"].shape
        stored = examples(self._prepared, self.splits[split], "image", "label", batch=500 if one_shape else None)
        size, at = pixels.shape[1:3], 0
        if not one_shape:
            for at, (picture, label) in enumerate(stored):
                pixels[at], labels[at] = fit(picture, size), label
            return
        for batch, batch_labels in stored:
            rows = slice(at, at + len(batch))
            same = batch.shape[1:3] == tuple(size)
            pixels[rows] = batch if same else np.stack([fit(picture, size) for picture in batch])
            labels[rows] = batch_labels
            at += len(batch)
