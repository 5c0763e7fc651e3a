"""A user's files, such as pictures or sounds, with one sub-folder per class, as a TFDS builder.

Preparation reads each file once, converts it to a common form and stores it in TFDS's own format, so that a folder of
any size can then be streamed like any other data set.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.pictures import find_pictures, read_picture, shape_of
from zoo.data.prepare import builder_of, examples
from zoo.data.sounds import find_sounds, read_sound
from zoo.errors import UserError

SPLITS = {"train", "test", "validation", "valid", "val"}


def picture_folder(folder: Path, size: tuple[int, int] | None, data_dir: Path | str | None) -> ClassFolder:
    """The builder of a user's pictures, as `image`, all converted to the same shape.

    Args:
        folder: has one sub-folder per class.
        size: height and width in pixels; None: see `zoo.data.pictures.shape_of`.
        data_dir: where TFDS stores data; None: its default.

    Raises:
        UserError: see `classes_of`.
    """
    classes = classes_of(folder, find_pictures, "picture", "1.jpg")
    shape = shape_of(list(chain(*classes.values())), size)
    kind = partial(
        ClassFolder,
        "picture",
        folder,
        classes,
        form=shape,
        content=("image", tfds.features.Image(shape=shape, encoding_format="png")),
        read=lambda path: read_picture(path, shape),
    )
    return builder_of(kind, data_dir)


def sound_folder(folder: Path, rate: int, data_dir: Path | str | None) -> ClassFolder:
    """The builder of a user's sounds, as `audio`, all resampled to `rate`.

    Args:
        folder: has one sub-folder per class.
        rate: sampling rate in hertz.
        data_dir: where TFDS stores data; None: its default.

    Raises:
        UserError: see `classes_of`.
    """
    classes = classes_of(folder, find_sounds, "sound", "1.wav")
    kind = partial(
        ClassFolder,
        "sound",
        folder,
        classes,
        form=rate,
        content=("audio", tfds.features.Tensor(shape=(None,), dtype=np.float32, encoding="bytes")),
        read=lambda path: read_sound(path, rate),
    )
    return builder_of(kind, data_dir)


class ClassFolder(tfds.core.GeneratorBasedBuilder):
    """A data set with one sub-folder per class; 10 % of each class are held out for validation and 10 % for the test.

    Args:
        kind: what a file is called, such as picture.
        folder: has the files.
        classes: each class with its files.
        form: the form to which they are converted, which is part of the data set's identity.
        content: the name of the feature that holds a file's content, and the feature.
        read: returns a file's content in that form; raises OSError if the file is broken.
        data_dir: where TFDS stores data; None: its default.
    """

    VERSION = tfds.core.Version("1.1.0")

    def __init__(
        self,
        kind: str,
        folder: Path,
        classes: dict[str, list[Path]],
        *,
        form: object,
        content: tuple[str, tfds.features.FeatureConnector],
        read: Callable[[Path], np.ndarray],
        data_dir: Path | str | None,
    ):
        self.name = f"{kind}_folder"  # also the name of the folder in which TFDS stores the data
        self.kind, self.folder, self.classes, self.content, self.read = kind, folder, classes, content, read
        self.skipped = []
        config = tfds.core.BuilderConfig(name=digest_of(folder, form, classes), description=f"{kind}s of {folder.name}")
        super().__init__(config=config, data_dir=data_dir)

    def _info(self):
        name, feature = self.content
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.kind.capitalize()}s of one folder, one sub-folder per class.",
            features=tfds.features.FeaturesDict(
                {
                    name: feature,
                    "label": tfds.features.ClassLabel(names=list(self.classes)),
                    "name": tfds.features.Text(),  # of the file, within the folder
                }
            ),
            supervised_keys=(name, "label"),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(files) for name, files in parts_of(self.classes).items()}

    def _generate_examples(self, files):
        for label, path in files:
            name = path.relative_to(self.folder).as_posix()
            try:
                content = self.read(path)
            except OSError as error:
                self.skipped.append(name)
                self.info.metadata["skipped"] = self.skipped
                print(f"skipped {path}: {error}", file=sys.stderr)
                continue
            yield name, {self.content[0]: content, "label": label, "name": name}


def classes_of(folder: Path, find: Callable[[Path], list[Path]], kind: str, example: str) -> dict[str, list[Path]]:
    """Each class of the folder with its files.

    Args:
        folder: has one sub-folder per class.
        find: returns the files of a sub-folder that can be read.
        kind: what a file is called, such as picture.
        example: a file name to show in error messages, such as 1.jpg.

    Raises:
        UserError: the folder is missing, or it has too few classes or files.
    """
    if not folder.is_dir():
        raise UserError(f"--data.folder came as {folder}, which is not a folder: give one with a sub-folder per class")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if names and {name.lower() for name in names} <= SPLITS:
        raise UserError(
            f"the sub-folders of {folder} are {', '.join(names)}, which are splits, not classes: "
            f"give the training part, {folder / max(names, key='train'.__eq__)}; validation and test are cut from it"
        )
    classes = {name: find(folder / name) for name in names}
    if not any(classes.values()):
        raise UserError(f"no {kind}s in {folder}: wanted one sub-folder per class, such as {folder / 'cat' / example}")
    if len(names) == 1:
        raise UserError(f"{folder} has one class, {names[0]}: a classifier needs a sub-folder for each of 2 or more")
    for path in chain(*classes.values()):
        try:
            str(path).encode()
        except UnicodeEncodeError:  # a name from an old ZIP file, for example
            raise UserError(f"{path} has letters in its name that are not UTF-8: rename it") from None
    for name, files in classes.items():
        if len(files) < 3:
            raise UserError(
                f"class {name} in {folder} has {len(files)} {kind}s: at least 3 are needed, "
                "one each for training, validation and test"
            )
    return classes


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


def parts_of(classes: dict[str, list[Path]]) -> dict[str, list[tuple[str, Path]]]:
    """The files, each with its class, in three splits: a tenth of each class for validation, a tenth for the test."""
    parts = {"train": [], "validation": [], "test": []}
    for label, paths in classes.items():
        # Shuffled by a hash of the name, so that the splits do not depend on the order of the names.
        ranked = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())
        held_out = max(1, len(ranked) // 10)
        parts["test"] += [(label, path) for path in ranked[:held_out]]
        parts["validation"] += [(label, path) for path in ranked[held_out : 2 * held_out]]
        parts["train"] += [(label, path) for path in ranked[2 * held_out :]]
    return parts


def digest_of(folder: Path, form: object, classes: dict[str, list[Path]]) -> str:
    """Twelve hexadecimal digits that change with the folder, its files and the form to which they are converted."""
    stamps = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for paths in classes.values()
        for path in paths
    ]
    return hashlib.sha256(json.dumps([str(folder.resolve()), form, stamps]).encode()).hexdigest()[:12]
