"""A folder of files that a trained network is measured on, though it was trained on others."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from zoo.data.given import folders_in, inmost, parts_in
from zoo.data.pipeline import single_pass
from zoo.data.source import OTHER
from zoo.errors import UserError

EVALUATED = 250  # examples per batch
IN_MEMORY = 4 * 2**30  # bytes of inputs; more are refused
LEAST = 3  # files of a class without which no training is begun


class Examples(NamedTuple):
    """The files that could be read."""

    inputs: np.ndarray
    """(N, ...) as the source reads each."""
    labels: np.ndarray
    """(N,) int64."""
    names: list[str]
    """N paths within the folder."""


def other(source: Any, spec: dict, then: dict) -> tuple[Labelled, str] | None:
    """See `zoo.data.Source`, for a source with a folder for each class; None if it has no folder.

    Args:
        source: as the run knows it, with `folder`, `find` and `read`.
        spec: the arguments that the run's data gave to its builder.
        then: the facts of the run's data (see `zoo.training.runs.data_facts`).

    Raises:
        UserError: the folder cannot be used, or has classes that the run does not know.
    """
    if source.folder is None:
        return None
    found = Labelled(source, spec)
    same = found.may_hold(then) and source.digest("train") == then["digest"]
    return None if same else (found, f"{OTHER}: {found.understood}")


@dataclass(frozen=True)
class Labelled:
    """All files of a folder with one sub-folder per class, as one split called all; nothing is copied or prepared.

    Args:
        source: see `other`.
        spec: see `other`.
    """

    source: Any
    spec: dict

    selection: ClassVar[dict] = {}

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.source.folder.resolve().name

    @property
    def labels(self) -> list[str]:
        """The names of the run's classes, in the order of the network's outputs."""
        return list(self.source.labels)

    @property
    def understood(self) -> str:
        """What was read, in a sentence."""
        count, absent = self.count(), [name for name in self.labels if not self._files.get(name)]
        lacks = f"; none of {', '.join(absent[:10])}{' ...' * (len(absent) > 10)}" if absent else ""
        unread = sum(map(len, self._files.values())) - count
        skipped = f"; {unread} cannot be read and {'is' if unread == 1 else 'are'} left out" if unread else ""
        return f"all {count:,} {self.source.kind}s are measured{lacks}{skipped}"

    def may_hold(self, then: dict) -> bool:
        """Whether these can be the files that a run was trained on, going by their classes and number."""
        sizes = [len(files) for files in self._files.values()]
        total = sum(count for count in then.values() if isinstance(count, int))
        return self._files.keys() >= set(self.labels) and sum(sizes) >= total and min(sizes) >= LEAST

    def count(self, split: str = "all") -> int:
        """The number of files that could be read."""
        return len(self._examples.names)

    def load(self, split: str = "all") -> tf.data.Dataset:
        """Batches of (inputs, one-hot labels), in one pass."""
        inputs, labels, _ = self._examples
        inputs, targets = tf.constant(inputs), tf.one_hot(labels, len(self.labels))
        return single_pass(
            len(labels), lambda rows: (tf.gather(inputs, rows), tf.gather(targets, rows)), batch=EVALUATED
        )

    def arrays(self, split: str = "all") -> tuple[np.ndarray, np.ndarray]:
        """All inputs (N, ...) and all labels (N,) int64."""
        return self._examples[:2]

    def names(self, split: str = "all") -> list[str]:
        """The path of each file within the folder."""
        return self._examples.names

    def digest(self, split: str = "all") -> str:
        """Twelve hexadecimal digits that change with any input or label."""
        inputs, labels, _ = self._examples
        return hashlib.sha256(labels.tobytes() + inputs.tobytes()).hexdigest()[:12]

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        """The files of each class."""
        folder = self.source.folder
        if not folder.is_dir():
            raise UserError(
                f"--data.folder came as {folder}, which is not a folder: give one with a sub-folder per class"
            )
        places = list(parts_in(inmost(folder, self.source.find), self.source.find)[0].values()) or [folder]
        files: dict[str, list[Path]] = {}
        for sub in (sub for place in places for sub in folders_in(place)):
            files.setdefault(sub.name, []).extend(self.source.find(sub))
        return dict(sorted(files.items()))

    @cached_property
    def _examples(self) -> Examples:
        folder, labels = self.source.folder, self.labels
        strange = [name for name in self._files if name not in labels]
        if strange:
            raise UserError(
                f"{folder} has sub-folders that are no class of the run: {', '.join(strange[:10])}"
                f"{' ...' * (len(strange) > 10)}; it knows {', '.join(labels[:20])}{' ...' * (len(labels) > 20)}"
            )
        inputs, numbers, names, size = [], [], [], 0
        for label, files in self._files.items():
            for path in files:
                try:
                    inputs.append(self.source.read(path, self.spec)[0])
                except OSError as error:
                    print(f"skipped {path}: {error}", file=sys.stderr)
                    continue
                numbers.append(labels.index(label))
                names.append(path.relative_to(folder).as_posix())
                size += inputs[-1].nbytes
                if size > IN_MEMORY:
                    raise UserError(
                        f"the {self.source.kind}s of {folder} do not fit into memory: measure a part of them"
                    )
        if not inputs:
            raise UserError(
                f"no {self.source.kind}s could be read in {folder}: wanted one sub-folder per class, such as "
                f"{folder / labels[0]}"
            )
        return Examples(np.stack(inputs), np.array(numbers, np.int64), names)
