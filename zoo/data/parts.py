"""A user's files in splits: as they are given, or a tenth of each class for validation and a tenth for the test."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.data.files import MANY, side_by_side
from zoo.data.given import SPLITS
from zoo.data.layout import NAMED, Example, are, some


def parts_of(examples: Sequence[Example], equal: dict[str, str]) -> dict[str, list[Example]]:
    """The examples of each split that has any.

    Those that were given a part are in it. Of the training part, or of all if there are no parts, a tenth of each class
    is held out for each of validation and test that is not given. What is in one group, or equal, is in one split.

    Args:
        examples: of all classes.
        equal: see `equal_files`.
    """
    parts = defaultdict(list)
    for example in examples:
        parts[example.part or "train"].append(example)
    sizes = Counter(example.label for example in parts["train"])
    for split in ("test", "validation"):
        if not parts[split]:
            held = held_out(parts["train"], {label: max(1, size // 10) for label, size in sizes.items()}, equal)
            parts[split] = [example for example in parts["train"] if example.name in held]
            parts["train"] = [example for example in parts["train"] if example.name not in held]
    return {split: parts[split] for split in SPLITS if parts[split]}


def held_out(examples: list[Example], wanted: dict[str, int], equal: dict[str, str]) -> set[str]:
    """The names of examples to hold out: about as many of each class as wanted, and whole units only.

    Units are taken in the order of a hash of their names, so that it depends neither on the order of the names nor on
    files that are added later. One that is too large for what is still wanted is passed over if others do.
    """
    units = defaultdict(list)
    for root, example in zip(roots(examples, equal), examples, strict=True):
        units[root].append(example)
    of_unit = {root: Counter(example.label for example in same) for root, same in units.items()}
    with_class = defaultdict(list)
    for root in sorted(units, key=lambda root: hashlib.sha256(root.encode()).digest()):
        for label in of_unit[root]:
            with_class[label].append(root)
    held, counts, left = set(), Counter(), Counter({label: len(with_class[label]) for label in with_class})

    def hold(label: str, candidates: list[str], most: float) -> None:
        for root in candidates:
            if counts[label] >= wanted[label]:
                return
            fits = counts[label] + of_unit[root][label] <= most
            if fits and root not in held and all(left[other] > 1 for other in of_unit[root]):  # some are to train on
                held.add(root)
                counts.update(of_unit[root])
                left.subtract(of_unit[root].keys())

    for label, aim in wanted.items():
        hold(label, with_class[label], aim * 1.5)
        if not counts[label]:
            hold(label, sorted(with_class[label], key=lambda root: of_unit[root][label])[:1], math.inf)
    return {example.name for root in held for example in units[root]}


def roots(examples: Iterable[Example], equal: dict[str, str]) -> list[str]:
    """For each example the name of its unit: of what is kept together because of its group, equal content, or both."""
    above = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    for example in examples:
        own = unit_of(example)
        if example.name in equal:
            a, b = sorted((top(own), top(f"equal {equal[example.name]}")))
            if a != b:
                above[b] = a
    return [top(unit_of(example)) for example in examples]


def unit_of(example: Example) -> str:
    """The name of an example's group, or its path below its class, which makes it a unit of its own."""
    return f"group {example.group}" if example.group is not None else f"{example.below} of {example.label}"


def equal_files(examples: Iterable[Example]) -> dict[str, str]:
    """The names of examples whose files are equal to another's, each with a digest of the content."""
    sizes = defaultdict(list)
    for example in examples:
        sizes[os.stat(example.path).st_size].append(example)
    alike = [example for same in sizes.values() if len(same) > 1 for example in same]
    digests = list(side_by_side(lambda example: digest_of(example.path), alike, each=MANY))
    often = Counter(digests)
    return {e.name: digest for e, digest in zip(alike, digests, strict=True) if digest and often[digest] > 1}


def digest_of(path: Path) -> str | None:
    """Hexadecimal digits of a file's content; None if it is empty or cannot be read, as will be said when it is."""
    try:
        with open(path, "rb") as file:
            digest, size = hashlib.sha256(), 0
            while block := file.read(2**20):
                size += len(block)
                digest.update(block)
            return digest.hexdigest() if size else None
    except OSError:
        return None


def said_of_equal(parts: dict[str, list[Example]], equal: dict[str, str], kind: str) -> list[str]:
    """Sentences on equal files: how many, and which of them contradict each other or are in two given parts."""
    copies = defaultdict(list)
    for split, examples in parts.items():
        for example in examples:
            if example.name in equal:
                copies[equal[example.name]].append((split, example))
    if not copies:
        return []
    extra = sum(len(same) - 1 for same in copies.values())
    first = " = ".join(example.name for _, example in next(iter(copies.values()))[:2])
    said = [f"{some(extra, kind)} {are(extra)} equal to others, such as {first}; these are kept in one split"]
    torn = [same for same in copies.values() if len({split for split, _ in same}) > 1]
    if torn:
        said[0] = said[0].partition(";")[0]
        those = f"{some(len(torn), kind)} {are(len(torn))}"
        said.append(f"{those} in more than one of the parts that were given, which makes a test too easy")
    double = [same for same in copies.values() if len({example.label for _, example in same}) > 1]
    if double:
        listed = ", ".join(" = ".join({e.label: e.name for _, e in same}.values()) for same in double[:NAMED])
        more = ", ..." * (len(double) > NAMED)
        said.append(f"{some(len(double), kind)} {are(len(double))} in more than one class: {listed}{more}")
    return said
