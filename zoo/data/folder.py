"""A user's files, such as pictures or sounds, with one class each, as a TFDS builder.

Preparation reads each file once, converts it to a common form and stores it in TFDS's own format, so that a folder of
any size can then be streamed like any other data set.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.deep import Scale, survey
from zoo.data.files import THREADS, side_by_side
from zoo.data.layout import Example, Layout, are, layout_of, some
from zoo.data.listed import layout_of_table
from zoo.data.parts import equal_files, parts_of, said_of_equal
from zoo.data.pictures import ENDINGS, FORMATS, find_pictures, read_picture, shape_of
from zoo.data.prepare import builder_of, examples
from zoo.data.sounds import add_facts, find_sounds, heard, in_words
from zoo.errors import UserError, printable

BLACK = 32  # of 255: a picture whose brightest pixel is darker is called nearly black


class Reader(Protocol):
    """How files of one kind are read."""

    threads: int
    """Files that are read at the same time."""

    def survey(self, paths: Sequence[Path]) -> dict:
        """Looks at all files before the first is read; what it returns is kept as facts, which JSON can hold."""

    def read(self, path: Path) -> np.ndarray:
        """A file's content in the common form; raises OSError if the file is broken."""

    def note(self, name: str, content: np.ndarray) -> None:
        """Takes notice of a content that was read."""

    def said(self) -> list[str]:
        """Sentences on what was read so far."""


class Pictures:
    """Reads pictures as uint8 of one shape.

    Args:
        shape: height, width and channels.
    """

    threads = THREADS

    def __init__(self, shape: tuple[int, int, int]):
        self.shape, self.scale, self.found = shape, Scale(), []
        self.count, self.mean, self.low, self.high, self.black, self.empty = 0, 0.0, 255, 0, 0, []

    def survey(self, paths: Sequence[Path]) -> dict:
        """Decides what is black and white in pictures of more than 8 bits."""
        self.scale, self.found = survey(paths, FORMATS)
        return {"scale": self.scale}

    def read(self, path: Path) -> np.ndarray:
        """The pixels of a picture."""
        return read_picture(path, self.shape, self.scale)

    def note(self, name: str, content: np.ndarray) -> None:
        """Notes the range of the pixels."""
        low, high = int(content.min()), int(content.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.count, self.mean = self.count + 1, self.mean + float(content[::4, ::4].mean())
        self.black += high < BLACK
        if low == high:
            self.empty.append(name)

    def said(self) -> list[str]:
        """The range of the pixels, and whether the pictures are nearly black or of one colour."""
        if not self.count:
            return self.found
        said = [*self.found, f"pixels from {self.low} to {self.high} of 255, mean {self.mean / self.count:.0f}"]
        if self.black > self.count / 10:
            those = f"{self.black:,} of {self.count:,} pictures are nearly black, all pixels below {BLACK} of 255"
            said.append(f"{those}: spread their values over the whole range if more can be seen in them")
        if self.empty:
            more = ", ..." if len(self.empty) > 1 else ""
            said.append(f"{len(self.empty):,} of {self.count:,} pictures have a single colour: {self.empty[0]}{more}")
        return said


class Sounds:
    """Reads sounds as float32 samples of one rate.

    Args:
        rate: sampling rate in hertz.
    """

    threads = 1  # SciPy's warnings are caught, which is not safe in threads

    def __init__(self, rate: int):
        self.rate, self.facts = rate, {}

    def survey(self, paths: Sequence[Path]) -> dict:
        """Nothing has to be known before."""
        return {}

    def read(self, path: Path) -> np.ndarray:
        """The samples of a sound."""
        sound = heard(path, self.rate)
        add_facts(self.facts, sound)
        return sound.wave

    def note(self, name: str, content: np.ndarray) -> None:
        """Nothing: what is noted comes from the file itself."""

    def said(self) -> list[str]:
        """Sampling rates, lengths, and what is silent or clipped."""
        return in_words(self.facts)


def picture_folder(
    folder: Path | None,
    size: tuple[int, int] | None,
    data_dir: Path | str | None,
    *,
    file: Path | None = None,
    columns: tuple[str, str] | None = None,
    groups: str | None = None,
) -> ClassFolder:
    """The builder of a user's pictures, as `image`, all converted to the same shape.

    Args:
        folder: has one sub-folder per class, or with `file` the pictures.
        size: height and width in pixels; None: see `zoo.data.pictures.shape_of`.
        data_dir: where TFDS stores data; None: its default.
        file: a table of pictures and classes; see `zoo.data.listed.layout_of_table`.
        columns: of the table.
        groups: what is kept in one split; see `zoo.data.layout.group_of`.

    Raises:
        UserError: see `zoo.data.layout.layout_of`.
    """
    if file is None:
        layout = layout_of(folder, find_pictures, "picture", "1.jpg", groups)
    else:
        layout = layout_of_table(file, folder, columns, "picture", groups)
    unnamed = sum(example.path.suffix.lower() not in ENDINGS for example in layout.examples)
    if unnamed:
        layout.said.append(f"{some(unnamed, 'picture')} without a usual ending {are(unnamed)} read")
    shape = shape_of([example.path for example in layout.examples], size)
    feature = tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="bytes")
    return builder_of(partial(ClassFolder, "picture", layout, shape, ("image", feature), Pictures(shape)), data_dir)


def sound_folder(folder: Path, rate: int, data_dir: Path | str | None, *, groups: str | None = None) -> ClassFolder:
    """The builder of a user's sounds, as `audio`, all resampled to `rate`.

    Args:
        folder: has one sub-folder per class.
        rate: sampling rate in hertz.
        data_dir: where TFDS stores data; None: its default.
        groups: what is kept in one split; see `zoo.data.layout.group_of`.

    Raises:
        UserError: see `zoo.data.layout.layout_of`.
    """
    layout = layout_of(folder, find_sounds, "sound", "1.wav", groups)
    feature = tfds.features.Tensor(shape=(None,), dtype=np.float32, encoding="bytes")
    form = (rate, "one channel")  # if the mean of the channels would be silence
    return builder_of(partial(ClassFolder, "sound", layout, form, ("audio", feature), Sounds(rate)), data_dir)


class ClassFolder(tfds.core.GeneratorBasedBuilder):
    """A data set of files with one class each, in splits as `zoo.data.parts.parts_of` cuts them.

    What became known of the files when they were read is kept with the data; see `understood` and `facts`.

    Args:
        kind: what a file is called, such as picture.
        layout: the files and their classes.
        form: the form to which they are converted, which is part of the data set's identity.
        content: the name of the feature that holds a file's content, and the feature.
        reader: reads a file in that form.
        data_dir: where TFDS stores data; None: its default.
    """

    VERSION = tfds.core.Version("2.1.0")

    def __init__(
        self,
        kind: str,
        layout: Layout,
        form: object,
        content: tuple[str, tfds.features.FeatureConnector],
        reader: Reader,
        *,
        data_dir: Path | str | None,
    ):
        self.name = f"{kind}_folder"  # also the name of the folder in which TFDS stores the data
        self.kind, self.layout, self.content, self.reader = kind, layout, content, reader
        self.skipped, self.equal = [], []
        name = digest_of(layout, form)
        config = tfds.core.BuilderConfig(name=name, description=f"{kind}s of {layout.place.name}")
        super().__init__(config=config, data_dir=data_dir)

    @property
    def understood(self) -> list[str]:
        """Sentences on how the files were understood, once they are prepared."""
        skipped = self.kept("skipped", [])
        broken = f"left out: {some(len(skipped), self.kind)} that could not be read: {', '.join(skipped[:3])}"
        said = [broken + ", ..." * (len(skipped) > 3)] if skipped else []
        return [*self.layout.said, *self.kept("said", []), *said]

    def kept(self, name: str, otherwise: Any) -> Any:
        """What preparation has kept under a name: facts, said or skipped."""
        return (self.info.metadata or {}).get(name, otherwise)

    def _info(self):
        name, feature = self.content
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.kind.capitalize()}s of one folder, one sub-folder per class.",
            features=tfds.features.FeaturesDict(
                {
                    name: feature,
                    "label": tfds.features.ClassLabel(names=self.layout.labels),
                    "name": tfds.features.Text(),  # of the file, within the folder
                }
            ),
            supervised_keys=(name, "label"),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        examples = self.layout.examples
        equal = equal_files(examples)
        parts = parts_of(examples, equal)
        self.equal = said_of_equal(parts, equal, self.kind)
        self.info.metadata["facts"] = self.reader.survey([example.path for example in examples])
        return {split: self._generate_examples(split, parts) for split in parts}

    def _generate_examples(self, split: str, parts: dict[str, list[Example]]):
        read = 0
        for example, content in self._contents(parts[split]):
            if content is not None:
                read += 1
                self.reader.note(example.name, content)
                yield example.name, {self.content[0]: content, "label": example.label, "name": example.name}
        if not read:
            others = [example for other, those in parts.items() if other != split for example in those]
            if any(content is not None for _, content in self._contents(others)):
                what = f"{some(len(parts[split]), self.kind)} of the split {split}"
            else:
                what = some(len(self.layout.examples), self.kind)
            raise UserError(f"none of the {what} could be read: see above")
        self.info.metadata["said"] = [*self.equal, *self.reader.said()]

    def _contents(self, examples: list[Example]):
        """Yields each example with its content, or None if it is broken, which is said."""

        def attempt(example):
            try:
                return self.reader.read(example.path), None
            except OSError as error:
                return None, error

        contents = side_by_side(attempt, examples, self.reader.threads, each=8)
        for example, (content, error) in zip(examples, contents, strict=True):
            if error is not None:
                self.skipped.append(example.name)
                self.info.metadata["skipped"] = self.skipped
                print(printable(f"skipped {example.path}: {error}"), file=sys.stderr)
            yield example, content


def refuse_absent(labels: np.ndarray, names: list[str], kind: str) -> None:
    """Raises UserError if a class has no example among the labels (N,).

    Args:
        labels: of the training files that could be read.
        names: of the classes.
        kind: what a file is called, such as picture.
    """
    absent = sorted(set(range(len(names))) - set(labels.tolist()))
    if absent:
        listed = ", ".join(names[label] for label in absent)
        raise UserError(f"no {kind} to train on could be read of {listed}: see what was skipped above")


def names_in(builder: ClassFolder, split: str, labels: Sequence[str]) -> list[str]:
    """The files of a prepared folder, in the order of the data.

    Args:
        builder: of the folder.
        split: a split expression of TFDS.
        labels: the names of the classes whose files are wanted.
    """
    classes = builder.info.features["label"].names
    stored = examples(builder, split, "name", "label")
    return [name.decode() for name, label in stored if classes[label] in labels]


def digest_of(layout: Layout, form: object) -> str:
    """Twelve hexadecimal digits that change with the files, their classes and groups, and the form they get."""
    stamps = []
    for example in layout.examples:
        stat = os.stat(example.path)
        stamps.append((*example[1:], stat.st_size, stat.st_mtime_ns))
    content = json.dumps([str(layout.place.resolve()), form, stamps])
    return hashlib.sha256(content.encode()).hexdigest()[:12]
