"""Labelled texts as they are stored, in splits or folds: data sets by name, and a user's own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.folds import FOLDS, Pairs, in_fold
from zoo.data.labelled import Labelled, read_labelled, read_rows
from zoo.data.languages import Languages
from zoo.data.prepare import builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.rotten_tomatoes import RottenTomatoes
from zoo.errors import UserError

OURS = {"languages": Languages, "rotten_tomatoes": RottenTomatoes}
SPLITS = ("train", "validation", "test")
NAMED = 20  # classes that are counted in what was understood


@dataclass(frozen=True)
class TextSet:
    """Texts with their classes; the fields are those of `zoo.data.Texts`, and `own` is its folder or file."""

    name: str
    own: Path | None
    text: str | None
    label: str | None
    directory: Path | None
    fold: int | None

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.own.resolve().name if self.own else self.name

    @property
    def notes(self) -> list[str]:
        """How the texts were read and divided, a sentence each."""
        said = [f"several classes are right for {len(self.also):,} of them"] if self.also else []
        if self.fold is not None:
            said.append(
                f"fold {self.fold} of {FOLDS}: a tenth of all texts is the test, a tenth of the rest for validation, "
                "whatever splits the data have; copies of a text lie in one fold"
            )
        if self._labelled:
            split = {name: Counter(self.stored(name)[1].tolist()) for name in SPLITS}
            for number, label in enumerate(self.labels[:NAMED]):
                said.append(f"{label}: " + ", ".join(f"{counts[number]} {name}" for name, counts in split.items()))
            said += [f"and {len(self.labels) - NAMED} more classes"] if len(self.labels) > NAMED else []
            said += self._labelled.notes
        return said

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes."""
        return self._labelled.labels if self._labelled else list(self.builder.info.features[self._features[1]].names)

    @cached_property
    def splits(self) -> dict[str, str]:
        """Train, validation and test, as TFDS's expressions; splits that a set lacks are taken from its train."""
        if self.fold is not None:
            what = ("the rest", f"a tenth of what is not in fold {self.fold}", f"fold {self.fold} of {FOLDS}")
            return dict(zip(SPLITS, what, strict=True))
        if self._labelled:
            return dict.fromkeys(SPLITS, "different texts of each class, or the given ones")
        return self._expressions

    def count(self, split: str) -> int:
        """The number of texts of a split."""
        if self._labelled or self.fold is not None:
            return len(self.stored(split)[0])
        return self._prepared.info.splits[self._expressions[split]].num_examples

    def stored(self, split: str) -> tuple[list[str], np.ndarray]:
        """The texts of a split and the numbers of their classes (N,) int64, in the order of the data.

        Raises:
            UserError: there are none, or they have no labels.
        """
        cache = self.__dict__.setdefault("_texts", {})  # the record is frozen, and its data never change
        if split not in cache:
            pairs = self._given(split) if self.fold is None else self._folded[split]
            if not pairs:
                raise UserError(f"{self.title} has no {split} texts: give it more")
            cache[split] = [text for text, _ in pairs], np.array([label for _, label in pairs], np.int64)
        return cache[split]

    def whole(self, labels: list[str]) -> tuple[list[str], np.ndarray, list[str]]:
        """All of a user's own texts, whether or not one could train on them, their classes, and how they were read.

        Raises:
            UserError: they cannot be read, or have other classes.
        """
        rows, notes = read_rows(self.own, self.text, self.label, (None, None))
        if not rows:
            raise UserError(f"{self.title} has no text with a label: there is nothing to measure")
        number = {label: place for place, label in enumerate(labels)}
        strange = sorted({label for _, label, _ in rows} - number.keys())
        if strange:
            alike = [label for label in labels if label.casefold() == strange[0].casefold()]
            mend = f": write {alike[0]!r} for {strange[0]!r}" if alike else ""
            raise UserError(
                f"{self.title} has labels that are no class of the run: {', '.join(strange[:NAMED])}; it knows "
                f"{', '.join(labels[:NAMED])}{' ...' * (len(labels) > NAMED)}{mend}"
            )
        return [text for text, _, _ in rows], np.array([number[label] for _, label, _ in rows], np.int64), notes

    def right(self, split: str) -> np.ndarray | None:
        """Which classes are right for each text, (N, classes) bool; None if no text has several."""
        if not self.also:
            return None
        texts, labels = self.stored(split)
        right = np.eye(len(self.labels), dtype=bool)[labels]
        for row, text in zip(right, texts, strict=True):
            row[self.also.get(text, [])] = True
        return right

    @cached_property
    def also(self) -> dict[str, list[int]]:
        """The texts that belong to several classes, and which these are besides their label."""
        if self._labelled or not self._further:
            return {}
        for split in SPLITS:
            self.stored(split)
        return self._found

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set, or it does not contain texts with one class each.
        """
        directory = place_of(self.directory)
        if self.name in OURS:
            return builder_of(OURS[self.name], directory)
        builder = known_builder(self.name, directory, "languages")
        features_of(builder, self.name, self.text, self.label)
        return builder

    @cached_property
    def _labelled(self) -> Labelled | None:
        return None if self.own is None else read_labelled(self.own, self.text, self.label)

    @cached_property
    def _features(self) -> tuple[str, str]:
        return features_of(self.builder, self.name, self.text, self.label)

    @cached_property
    def _further(self) -> tuple[str, ...]:
        """The feature with the other classes of a text, if there is one."""
        return ("also",) if "also" in self.builder.info.features else ()

    @cached_property
    def _found(self) -> dict[str, list[int]]:
        """What was read of it."""
        return {}

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self.builder, "languages")

    @cached_property
    def _expressions(self) -> dict[str, str]:
        """The splits in TFDS's words."""
        return split_names(self._prepared, self.title)

    @cached_property
    def _folded(self) -> dict[str, Pairs]:
        """All texts in the splits of the fold."""
        return in_fold([pair for split in SPLITS for pair in self._given(split)], self.fold)

    def _given(self, split: str) -> Pairs:
        """The texts of a split that the data have."""
        if self._labelled:
            number = {label: place for place, label in enumerate(self.labels)}
            return [(text, number[label]) for text, label in self._labelled.parts[split]]
        pairs = []
        wanted = (*self._features, *self._further)
        for text, label, *further in examples(self._prepared, self._expressions[split], *wanted):
            pairs.append((text.decode(), int(label)))
            if further and len(further[0]):
                self._found[pairs[-1][0]] = further[0].tolist()
        if any(label < 0 for _, label in pairs):  # as sets do whose test labels only their makers know
            raise UserError(f"the {split} texts of {self.title} are published without labels: take another set")
        return pairs


def features_of(builder: tfds.core.DatasetBuilder, name: str, text: str | None, label: str | None) -> tuple[str, str]:
    """The features of a TFDS data set with the texts and their labels: the named ones, the usual, or the only ones.

    Raises:
        UserError: there are none.
    """
    features, found = dict(builder.info.features.items()), []
    for asked, usual, kind in ((text, "text", tfds.features.Text), (label, "label", tfds.features.ClassLabel)):
        fitting = [feature for feature, held in features.items() if isinstance(held, kind)]
        found.append(asked or (usual if usual in fitting or len(fitting) != 1 else fitting[0]))
        if found[-1] not in fitting:
            flags = f"; --data.{usual} takes one of {', '.join(fitting)}" if fitting and len(features) > 1 else ""
            raise UserError(
                f"{name} does not hold texts with one class each: its features are {', '.join(features)}{flags}"
            )
    return found[0], found[1]
