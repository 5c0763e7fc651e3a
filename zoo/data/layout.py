"""How a user's files with one class each lie in folders: which are the classes, which the parts, what is left out.

A folder has a sub-folder per class, or a sub-folder per part (training, test, ...) which has those of the classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from zoo.data.files import links_left_out, walked
from zoo.data.given import cut_from_train, folders_in, inmost, parts_in
from zoo.data.sounds import MORE
from zoo.errors import UserError

NO_CONTENT = {".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".html", ".htm", ".log", ".ini", ".db"}
OTHER = "other file"
LIBRARIES = {"picture": ("pillow-heif", {".heic", ".heif"}), "sound": ("soundfile", MORE)}
NAMED = 3  # things that a sentence lists before it sums up the others
UNEQUAL = 10  # times as many files as the smallest class has, from which on this is said


class Example(NamedTuple):
    """A file with its class."""

    path: Path
    label: str
    name: str
    """The path within the folder, with / between its parts."""
    below: str
    """The path below the sub-folder of the class."""
    group: str | None = None
    """What is kept in one split; None: nothing but this file."""
    part: str | None = None
    """The split in which the user has put it, if so."""


@dataclass(frozen=True)
class Layout:
    """The files of all classes, and sentences on how their order was understood."""

    place: Path
    """The folder or table, as the user named it."""
    examples: list[Example]
    said: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """The names of the classes, sorted."""
        return sorted({example.label for example in self.examples})


def layout_of(
    folder: Path, find: Callable[[Path], list[Path]], kind: str, example: str, groups: str | None = None
) -> Layout:
    """The files of a folder with their classes.

    Args:
        folder: has one sub-folder per class, or one per part with those of the classes.
        find: returns the files of a sub-folder that can be read.
        kind: what a file is called, such as picture.
        example: a file name to show in error messages, such as 1.jpg.
        groups: see `group_of`.

    Raises:
        UserError: the folder is missing, its order cannot be understood, or it has too few classes or files.
    """
    if not folder.is_dir():
        raise UserError(f"--data.folder came as {folder}, which is not a folder: give one with a sub-folder per class")
    top, said = inmost(folder, find), []
    if top != folder:
        said.append(f"the classes are the sub-folders of {top}")
    parts, unused = parts_in(top, find)
    if parts:
        as_given = ", ".join(f"{where.relative_to(folder).as_posix()} is {part}" for part, where in parts.items())
        said.append(f"parts as they are given: {as_given}{cut_from_train(parts)}")
    if unused:
        said.append(f"left out: {', '.join(path.name for path in unused)} (no sub-folder per class)")
    examples, left_out, links = [], {}, []
    for part, place in (parts or {None: top}).items():
        for sub in folders_in(place):
            found, within = find(sub), sub.relative_to(folder).as_posix()
            names = [path.as_posix()[len(sub.as_posix()) + 1 :] for path in found]  # as relative_to, but at once
            examples += [
                Example(path, sub.name, f"{within}/{below}", below, group_of(below, groups), part)
                for path, below in zip(found, names, strict=True)
            ]
            inside = list(walked(sub))
            others = set(map(Path, inside)) - set(found) if len(inside) > len(found) else ()
            left_out.setdefault(sub.name, Counter()).update(endings(others))
            links += links_left_out(sub)
        beside = [path for path in place.iterdir() if path.is_file() and not path.name.startswith(".")]
        left_out.setdefault("", Counter()).update(endings(beside))
    classes = sorted(left_out.keys() - {""})
    if not examples:
        counts = sum(left_out.values(), Counter())
        there = summed(counts) + advice(counts, kind)
        raise UserError(
            f"no {kind}s in {folder}: wanted one sub-folder per class, such as {folder / 'cat' / example}"
            + (f"; it has {there}" if there else "")
        )
    if len(classes) == 1:
        raise UserError(f"{top} has one class, {classes[0]}: a classifier needs a sub-folder for each of 2 or more")
    if not parts and groups is None:
        said += alike(top, folders_in(top))
    said += said_of_left_out(left_out, kind)
    if links:
        said.append(f"left out: {some(len(links), 'link')} to a folder or to nothing, such as {links[0]}")
    refuse_no_groups(examples, groups)
    layout = Layout(folder, examples, said)
    check(layout, classes, kind)
    return layout


def check(layout: Layout, classes: Sequence[str], kind: str) -> None:
    """Checks that there is enough to train on, and adds what is remarkable about the classes to what is said.

    Args:
        layout: of the files.
        classes: the names of all, also of those without files.
        kind: what a file is called, such as picture.

    Raises:
        UserError: a class has too few files, or a file's name is not text.
    """
    for example in layout.examples:
        try:
            str(example.path).encode()
        except UnicodeEncodeError:  # a name from an old ZIP file, for example
            raise UserError(f"{example.path} has letters in its name that are not UTF-8: rename it") from None
    given = {example.part for example in layout.examples if example.part}
    counts = Counter(example.label for example in layout.examples if example.part in (None, "train"))
    needed = 4 - max(1, len(given))
    for name in classes:
        if counts[name] < needed:
            where = f"{layout.place}, in the training part," if given else f"{layout.place}"
            raise UserError(
                f"class {name} in {where} has {some(counts[name], kind)}: at least {needed} are needed"
                + (", one each for training, validation and test" if not given else "")
                + "".join(f"; {said}" for said in layout.said if said.startswith(f"left out of {name}:"))
            )
    units = {(example.label, example.group or example.name) for example in layout.examples if not example.part}
    if any(example.group for example in layout.examples):
        of_class = Counter(label for label, _ in units)
        few = next((name for name in classes if not given and of_class[name] < 3), None)
        if few:
            raise UserError(
                f"class {few} in {layout.place} has {of_class[few]} of the groups of --data.groups: "
                "at least 3 are needed, one each for training, validation and test"
            )
        layout.said.append(
            f"kept together: {len({e.group for e in layout.examples if e.group}):,} groups, each in one split"
        )
    layout.said.extend(said_of_classes(counts, kind))


def said_of_classes(counts: Counter, kind: str) -> list[str]:
    """Sentences on classes whose names are nearly the same and on very unequal numbers of files."""
    said, plain = [], {}
    for name in counts:
        plain.setdefault(re.sub(r"[\W_]+", "", name).casefold() or name, []).append(name)
    for names in plain.values():
        if len(names) > 1:
            listed = ", ".join(map(repr, sorted(names)))
            said.append(f"two classes are told apart whose names are nearly the same: {listed}")
    (most, many), (fewest, few) = counts.most_common()[0], counts.most_common()[-1]
    if many >= UNEQUAL * few:
        said.append(
            f"very unequal classes: {some(many, kind)} of {most}, {few:,} of {fewest}; "
            "--task.class-weights balanced weighs them alike"
        )
    return said


def alike(folder: Path, classes: list[Path]) -> list[str]:
    """A sentence if all classes have sub-folders of the same names, which may be what was meant by classes."""
    inner = {frozenset(path.name for path in folders_in(sub)) for sub in classes}
    if len(inner) != 1 or len(names := sorted(*inner)) < 2:
        return []
    listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
    some = ", ".join(sub.name for sub in classes[:NAMED]) + (", ..." if len(classes) > NAMED else "")
    return [
        f"the classes are {some}; each has the sub-folders {listed}, whose files belong to it "
        "(--data.groups folder keeps those of one name in one split)"
    ]


def group_of(below: str, groups: str | None) -> str | None:
    r"""What a file is kept together with, in one split.

    Args:
        below: the file's path below its class, with / between its parts.
        groups: folder: its sub-folder; or a regular expression, of which the first group, if it is found in the path,
            is taken, as in 'patient(\d+)'; None: every file is by itself.
    """
    if groups is None:
        return None
    if groups == "folder":
        return below.partition("/")[0] if "/" in below else None
    found = re.search(groups, below)
    return found[1] if found else None


def refuse_no_groups(examples: Sequence[Example], groups: str | None) -> None:
    """Raises UserError if what must be kept together was said, and no file is of any group."""
    if groups is not None and not any(example.group for example in examples):
        what = "is in a sub-folder of its class" if groups == "folder" else "has it in its path below the class"
        raise UserError(
            f"--data.groups came as {groups}, but none of the {some(len(examples), 'file')} {what}, such as "
            f"{examples[0].below}"
        )


def check_groups(groups: str | None) -> None:
    """Raises ValueError if it is no pattern with a group in it."""
    try:
        fine = groups in (None, "folder") or re.compile(groups).groups
    except re.error as error:
        raise ValueError(f"--data.groups came as {groups}, which is no regular expression: {error}") from error
    if not fine:
        raise ValueError(
            f"--data.groups came as {groups}, but must be folder or a regular expression with one group in "
            "parentheses, such as 'patient(\\d+)'"
        )


def endings(paths) -> Counter:
    """How many of the files have which ending, in small letters; those that are no content are counted as one."""
    return Counter(OTHER if (end := path.suffix.lower()) in NO_CONTENT else end for path in paths)


def summed(counts: Counter) -> str:
    """Numbers of files by their endings, as text: 40 .heic, 10 without an ending."""
    listed = sorted(counts.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
    shown = [some(count, end) if end == OTHER else f"{count:,} {end or 'without an ending'}" for end, count in listed]
    return ", ".join(shown[: 2 * NAMED] + [f"{len(shown) - 2 * NAMED} more endings"] * (len(shown) > 2 * NAMED))


def said_of_left_out(left_out: dict[str, Counter], kind: str) -> list[str]:
    """Sentences on files that are not read: of each class, or of all if that were many sentences."""
    told = {name: counts for name, counts in left_out.items() if counts}
    beside = told.pop("", None)
    if len(told) > NAMED:
        told = {f"{len(told)} classes": sum(told.values(), Counter())}
    said = [
        f"left out of {name}: {summed(counts)} (not a kind that is read){advice(counts, kind)}"
        for name, counts in told.items()
    ]
    if beside:
        said.append(f"left out: {summed(beside)} beside the sub-folders of the classes")
    return said


def some(count: int, kind: str) -> str:
    """A number of things, such as 1 picture or 2,000 pictures."""
    return f"{count:,} {kind}{'s' * (count != 1)}"


def are(count: int) -> str:
    """The verb that follows a number of things."""
    return "is" if count == 1 else "are"


def advice(counts: Counter, kind: str) -> str:
    """What to do about files that a library would read, which is not installed."""
    library, wanted = LIBRARIES.get(kind, ("", set()))
    listed = ", ".join(sorted(wanted & set(counts)))
    return f"; {library} reads {listed}: pip install {library}" if listed else ""
