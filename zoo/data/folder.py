"""A person's pictures, one sub-folder a class, as a TFDS builder.

Preparing reads each picture once, stretches it to one size and stores it in TFDS's own format, so that
a folder of any size then streams like every other data set.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import tensorflow_datasets as tfds
from PIL import Image

from zoo.data.pictures import FORMATS, GRAY_MODES, find_pictures, read_picture
from zoo.errors import UserError

SPLITS = {"train", "test", "validation", "valid", "val"}
SAMPLE = 100  # pictures whose headers tell the size and the channels of all
OWN_SIZE = 96  # pixels up to which pictures keep a size that all share
SIZE = (64, 64)  # of all others, unless the person asks for one


def classes_of(folder: Path, find: Callable[[Path], list[Path]], kind: str, example: str) -> dict[str, list[Path]]:
    """Each class of the folder with its files.

    Args:
        folder: has a sub-folder a class.
        find: the files of a sub-folder that can be read.
        kind: what they are called, such as pictures.
        example: the name of one, such as 1.jpg.

    Raises:
        UserError: the folder, its classes or their files are missing or too few.
    """
    if not folder.is_dir():
        raise UserError(f"--data.folder came as {folder}, which is not a folder: give one with a sub-folder a class")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if names and {name.lower() for name in names} <= SPLITS:
        raise UserError(
            f"the sub-folders of {folder} are {', '.join(names)}, which are parts, not classes: "
            f"give the training part, {folder / max(names, key='train'.__eq__)}; validation and test are cut from it"
        )
    found = {name: find(folder / name) for name in names}
    if not any(found.values()):
        raise UserError(f"no {kind} in {folder}: wanted one sub-folder a class, such as {folder / 'cat' / example}")
    if len(names) == 1:
        raise UserError(f"{folder} has one class, {names[0]}: a classifier needs a sub-folder for each of 2 or more")
    for path in chain(*found.values()):
        try:
            str(path).encode()
        except UnicodeEncodeError:  # such as one out of an old ZIP file
            raise UserError(f"{path} has letters in its name that are not UTF-8: rename it") from None
    for name, files in found.items():
        if len(files) < 3:
            raise UserError(
                f"class {name} in {folder} has {len(files)} {kind}: at least 3 are needed, "
                "one each to train, to validate and to test"
            )
    return found


def parts_of(found: dict[str, list[Path]]) -> dict[str, list[tuple[str, Path]]]:
    """The files, each with its class, in three parts: of each class a tenth validates and a tenth tests."""
    parts = {"train": [], "validation": [], "test": []}
    for label, paths in found.items():
        # By the hash of the name: a mix that does not depend on the order of the names.
        ranked = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())
        held = max(1, len(ranked) // 10)
        parts["test"] += [(label, path) for path in ranked[:held]]
        parts["validation"] += [(label, path) for path in ranked[held : 2 * held]]
        parts["train"] += [(label, path) for path in ranked[2 * held :]]
    return parts


def digest_of(folder: Path, form: object, found: dict[str, list[Path]]) -> str:
    """Twelve hexadecimal digits that change with the folder, its files and the form to which they are brought."""
    stamps = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for paths in found.values()
        for path in paths
    ]
    return hashlib.sha256(json.dumps([str(folder.resolve()), form, stamps]).encode()).hexdigest()[:12]


def shape_of(pictures: list[Path], size: tuple[int, int] | None) -> tuple[int, int, int]:
    """(height, width, channels) to which the pictures are brought, told from the headers of a sample."""
    sizes, modes = set(), set()
    for path in pictures[:: max(1, len(pictures) // SAMPLE)]:
        try:
            with Image.open(path, formats=FORMATS) as picture:
                sizes.add((picture.height, picture.width))
                modes.add(picture.mode)
        except Exception:  # Broken: named when the pictures are read.
            continue
    shared = sizes.pop() if len(sizes) == 1 else None
    own = shared if shared and max(shared) <= OWN_SIZE else SIZE
    return *(size or own), 1 if modes and modes <= set(GRAY_MODES) else 3


class PictureFolder(tfds.core.GeneratorBasedBuilder):
    """One sub-folder a class; 10 % of each class are held out for validation and 10 % for the test."""

    VERSION = tfds.core.Version("1.0.0")
    KIND = "picture"

    def __init__(self, folder: Path, size: tuple[int, int] | None, data_dir: Path | None):
        self.found = classes_of(folder, find_pictures, "pictures", "1.jpg")
        self.shape = shape_of([path for paths in self.found.values() for path in paths], size)
        self.folder, self.skipped = folder, []
        config = tfds.core.BuilderConfig(
            name=digest_of(folder, self.shape, self.found), description=f"pictures of {folder.name}"
        )
        super().__init__(config=config, data_dir=data_dir)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Pictures of one folder, one sub-folder a class.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=self.shape, encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=list(self.found)),
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(chosen) for name, chosen in parts_of(self.found).items()}

    def _generate_examples(self, chosen):
        for label, path in chosen:
            name = path.relative_to(self.folder).as_posix()
            try:
                pixels = read_picture(path, self.shape)
            except OSError as error:
                self.skipped.append(name)
                self.info.metadata["skipped"] = self.skipped
                print(f"skipped {path}: {error}", file=sys.stderr)
                continue
            yield name, {"image": pixels, "label": label}
