"""Tagged sentences out of TFDS's data sets and users' files, in train, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds

from zoo.data.conll import Sentence
from zoo.data.given import part_of
from zoo.errors import UserError

TAG_FEATURES = ("tags", "ner", "ner_tags")  # what TFDS's sets call their tags


class Parts(NamedTuple):
    """The sentences of each split, and how they were read."""

    sentences: dict[str, list[Sentence]]
    notes: list[str]


def features_of(builder: tfds.core.DatasetBuilder, name: str) -> str:
    """The feature of a TFDS data set with the tags of its `tokens`.

    Raises:
        UserError: there is none.
    """
    features = builder.info.features
    for feature in TAG_FEATURES:
        if {"tokens", feature} <= set(features) and isinstance(features[feature], tfds.features.Sequence):
            return feature
    raise UserError(
        f"{name} does not hold tagged sentences: its features are {', '.join(features)}, but must be tokens and "
        f"{' or '.join(TAG_FEATURES)}"
    )


def read_tag(tag, held: tfds.features.FeatureConnector) -> str:
    """A tag as TFDS stores it, as text."""
    return tag.decode() if isinstance(tag, bytes) else held.int2str(int(tag))


def found_beside(path: Path) -> dict[str, Path]:
    """Files for validation and test beside one that is called train, if there is just one for each."""
    if part_of(path.stem) != "train" or not path.parent.is_dir():
        return {}
    found: dict[str, list[Path]] = {}
    for other in sorted(path.parent.iterdir()):
        split = part_of(other.stem)
        if split in ("validation", "test") and other.is_file() and not other.name.startswith("."):
            found.setdefault(split, []).append(other)
    return {split: paths[0] for split, paths in found.items() if len(paths) == 1}


def shares(sentences: list[Sentence], splits: Sequence[str], title: str) -> dict[str, list[Sentence]]:
    """A tenth of the sentences for each of the splits, and the rest for train; equal ones stay together.

    Raises:
        UserError: there are too few.
    """
    # Ranked by a hash, so that neither the order of the sentences nor copies of one matter.
    key = [hashlib.sha256("\0".join(tokens).encode()).digest() for tokens, _ in sentences]
    ranked = sorted(set(key))
    if len(ranked) < 10:
        raise UserError(
            f"{title} has {len(ranked)} different sentences (an empty line ends one): give at least 10, or "
            "--data.validation and --data.test"
        )
    tenth = len(ranked) // 10
    place = {one: split for at, split in enumerate(splits) for one in ranked[at * tenth : (at + 1) * tenth]}
    parts: dict[str, list[Sentence]] = {split: [] for split in ("train", *splits)}
    for sentence, one in zip(sentences, key, strict=True):
        parts[place.get(one, "train")].append(sentence)
    return parts
