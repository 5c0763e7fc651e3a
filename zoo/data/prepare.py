"""Preparing TFDS data sets, with an immediate error that says what to do if that is impossible."""

import contextlib
import dataclasses
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import filelock
import tensorflow as tf
import tensorflow_datasets as tfds
from requests import RequestException
from tensorflow_datasets.core.download import resource
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError

from zoo.data.described import check_classes, described_by_code
from zoo.data.network import silence_of
from zoo.errors import UserError, disk_is_full, nearest, printable

NAMED = 10  # broken files that are listed at most
# What TensorFlow raises for a file that is corrupt, truncated or missing, and for an example of another set.
DAMAGE = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,
)
# set[/configuration][:version]. TFDS also takes namespaces, whose code is somebody else's, and arguments to a builder.
NAME = re.compile(r"(?P<set>[a-z]\w*)(/(?P<config>[\w+.-]+))?(:(?P<version>(\d+|\*)(\.(\d+|\*)){2}))?", re.ASCII)
UNLABELLED = "unsupervised"  # what TFDS calls the texts of imdb_reviews that have no label
UNPICKLED = {"c4", "cifar100_n", "cifar10_n", "lbpp", "math_qa"}  # TFDS evaluates Python in the files of these


def place_of(directory: Path | None) -> Path | str | None:
    """Where TFDS stores data: `directory`, or else TFDS_DATA_DIR; None: its default."""
    return directory or os.environ.get("TFDS_DATA_DIR") or None


def at_home(source: Any) -> Any:
    """The source of a run, which somebody else may have made, without a `directory` where TFDS has stored nothing yet.

    Data sets are then prepared where the person keeps them, and no folder is made where only a run says so.
    """
    directory = getattr(source, "directory", None)
    if directory is None or any(next(directory.glob(f"{level}/dataset_info.json"), None) for level in ("*/*", "*/*/*")):
        return source
    return dataclasses.replace(source, directory=None)


def prepare(builder: tfds.core.DatasetBuilder, ours: str) -> tfds.core.DatasetBuilder:
    """Downloads and prepares the data set, if that has not been done before.

    Raises:
        UserError: it cannot be downloaded, or cannot be stored.
    """
    if builder.is_prepared():
        return report_skipped(builder)
    directory = Path(builder.data_path).parents[builder.info.full_name.count("/")]
    out_of_reach(builder, directory, ours)
    print(printable(f"preparing {builder.name} in {directory} (once)"), file=sys.stderr)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with alone(directory), contextlib.redirect_stdout(io.StringIO()):  # TFDS prints the same as the line above
            builder.download_and_prepare()  # does nothing if another process has done it in the meantime
            builder.info.read_from_directory(builder.data_path)
    except (RequestException, DownloadError, NonMatchingChecksumError) as error:
        raise UserError(f"{builder.name} could not be downloaded: {' '.join(str(error).split())}; try again") from error
    except OSError as error:
        raise UserError(
            f"cannot write the data to {directory}: {error.strerror or error}; "
            "give another place with --data.directory DIR or TFDS_DATA_DIR"
        ) from error
    except RuntimeError as error:
        if not disk_is_full(error):
            raise
        raise UserError(f"the disk is full: {directory} cannot take {builder.name}; make room and try again") from error
    except AssertionError as error:  # TFDS raises it for a set that has to be downloaded manually
        raise UserError(" ".join(str(error).split())) from error
    return report_skipped(builder)


def examples(
    builder: tfds.core.DatasetBuilder, split: str, *features: str, batch: int | None = None
) -> Iterator[tuple]:
    """Yields features of a prepared data set's examples as NumPy values, in TFDS's order, which is always the same.

    Args:
        builder: of the data set.
        split: a split expression of TFDS.
        features: their names.
        batch: examples to yield at once, for features that have the same shape in all examples; None: one by one.

    Raises:
        UserError: files are damaged or missing.
    """
    wanted, read = builder.info.splits[split].num_examples, 0
    try:
        data = builder.as_dataset(split=split).map(lambda example: tuple(example[name] for name in features))
        for values in (data if batch is None else data.batch(batch)).as_numpy_iterator():
            read += 1 if batch is None else len(values[0])
            if read > wanted:
                break
            yield values
    except DAMAGE as error:
        raise UserError(f"{builder.data_path} is damaged: delete it and type the same command") from error
    if read != wanted:
        raise UserError(f"{builder.data_path} is damaged: delete it and type the same command")


def builder_of(kind: Callable[..., tfds.core.DatasetBuilder], directory: Path | str | None) -> tfds.core.DatasetBuilder:
    """A TFDS builder that this package defines; nothing is prepared yet.

    Args:
        kind: its class, or a partial with all arguments but the directory.
        directory: where TFDS stores data; None: its default.

    Raises:
        UserError: data that were prepared before are damaged.
    """
    try:
        return described_by_code(kind(data_dir=directory))
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # for a truncated file, TFDS and its libraries raise many different errors
        where = directory or "~/tensorflow_datasets"
        raise UserError(
            f"a description (dataset_info.json) in {where} is damaged ({' '.join(str(error).split())[:200]}): "
            "delete the folder of that set and type the same command"
        ) from error


def known_builder(name: str, directory: Path | str | None, ours: str) -> tfds.core.DatasetBuilder:
    """The builder of a TFDS data set; nothing is downloaded yet.

    Args:
        name: of the data set in TFDS.
        directory: where TFDS stores data; None: its default.
        ours: a data set of this package, to be suggested for a misspelt name.

    Raises:
        UserError: there is no such data set.
    """
    asked, known = NAME.fullmatch(name), tfds.list_builders(with_community_datasets=False)
    if asked is None or asked["set"] not in known:
        raise UserError(f"no data set is called {name!r}{nearest(name, [ours, *known])}")
    if asked["set"] in UNPICKLED:
        raise UserError(f"{name} is not read here: TFDS would run code that may stand in its files; take another set")
    root = tfds.core.Path(directory or tfds.core.constants.DATA_DIR).expanduser()
    check_classes(root / asked["set"])
    given = {part: asked[part] for part in ("config", "version") if asked[part]}
    try:
        # Not tfds.builder: what TFDS's code lacks, such as another version, it builds from a description on disk.
        return described_by_code(tfds.builder_cls(asked["set"])(**given, data_dir=directory))
    except UserError:
        raise
    except Exception as error:  # an unknown version or configuration, for which TFDS raises many different errors
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"--data.name came as {name}, which TFDS refuses: {reason}") from error


def split_names(builder: tfds.core.DatasetBuilder, title: str) -> dict[str, str]:
    """TFDS's expressions for train, validation and test of a prepared set; splits that it lacks are taken from train.

    Raises:
        UserError: there is nothing to train on.
    """
    have = builder.info.splits
    if "train" not in have:
        raise UserError(f"{title} has no split to train on: it has {', '.join(have)}")
    end = 100 if "test" in have else 90
    start = end if "validation" in have else end - 10
    return {
        "train": f"train[:{start}%]",
        "validation": "validation" if "validation" in have else f"train[{start}%:{end}%]",
        "test": "test" if "test" in have else "train[90%:]",
    }


def with_unlabelled(builder: tfds.core.DatasetBuilder, title: str) -> dict[str, str]:
    """The same as `split_names`, where the texts of a set that have no label are training texts too, if it has such.

    Raises:
        UserError: there is nothing to train on.
    """
    splits = split_names(builder, title)
    return splits | {"train": f"{splits['train']}+{UNLABELLED}"} if UNLABELLED in builder.info.splits else splits


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Waits until no other process is preparing data in that directory; a crash leaves no lock behind."""
    directory.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(directory / ".zoo.lock"):
        yield


def report_skipped(builder: tfds.core.DatasetBuilder) -> tfds.core.DatasetBuilder:
    """Prints which files of a user's folder could not be read."""
    skipped = (builder.info.metadata or {}).get("skipped", [])
    if skipped:
        what = f"{builder.kind}{'s' * (len(skipped) > 1)}"
        listed = ", ".join(map(str, skipped[:NAMED])) + ", ..." * (len(skipped) > NAMED)
        print(printable(f"skipped {len(skipped)} broken {what}: {listed}"), file=sys.stderr)
    return builder


def out_of_reach(builder: tfds.core.DatasetBuilder, directory: Path, ours: str) -> None:
    """Raises UserError if a file is neither downloaded nor on a server that answers: TFDS would retry for minutes."""
    downloads = directory / "downloads"
    for url, info in (builder.url_infos or {}).items():
        name = resource.get_dl_fname(url, info.checksum)
        if any((place / name).exists() for place in (downloads, downloads / builder.name)):
            continue
        problem = silence_of(url)
        if problem:
            raise UserError(
                f"{builder.name} is not in {directory} and its server {urlsplit(url).hostname} cannot be reached "
                f"({problem}): type the same command once where there is a network and copy the folder {builder.name}, "
                f"or use --data.name {ours}, which needs no network"
            )
        return  # One server that answers is enough; TFDS reports other failures.
