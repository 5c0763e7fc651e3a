"""Parts that a user's folder is divided into already: which sub-folders are training, validation and test."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.data.files import entries_of
from zoo.errors import UserError

SPLITS = ("train", "validation", "test")
# What published sets call their parts; other words in the name, as in seg_train or test_set, make no difference.
PARTS = {
    **dict.fromkeys(("train", "training", "trn", "trainset", "traindata"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "validate", "development", "valset"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "testset", "testdata", "eval", "evaluation", "holdout"), "test"),
}
UNDECIDED = {"fold", "part", "split", "set", "subset", "batch", "cv"}  # names of parts that do not say which
NAMED = 3  # classes that an error lists at most


def folders_in(folder: Path) -> list[Path]:
    """The sub-folders by name; hidden ones are left out, and so is what ZIP files of a Mac bring along."""
    hidden = (".", "__MACOSX")
    return [Path(e.path) for e in entries_of(folder) if not e.name.startswith(hidden) and e.is_dir()]


def inmost(folder: Path, find: Callable[[Path], list[Path]]) -> Path:
    """The folder itself, or what it holds if that is one folder with folders in it, as archives leave them."""
    while len(inner := folders_in(folder)) == 1 and folders_in(inner[0]) and not beside_folders(inner[0], find):
        folder = inner[0]
    return folder


def beside_folders(folder: Path, find: Callable[[Path], list[Path]]) -> bool:
    """Whether files that can be read lie in the folder itself."""
    return any(path.parent == folder for path in find(folder))


def part_of(name: str) -> str | None:
    """The split that a folder or a cell of a table names, such as train for Training or seg_train; None: no split."""
    words = re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    found = {PARTS[word.lower()] for word in words if word.lower() in PARTS}
    return found.pop() if len(found) == 1 else None


def is_of_parts(name: str, cells: Sequence[str], place: Callable[[int], str]) -> bool:
    """Whether the cells of a column name splits; `place` says where the row with an index stands.

    Raises:
        UserError: most of them do, and one does not.
    """
    known = [part_of(cell) is not None for cell in cells]
    if not all(known) and sum(known) > len(known) / 2:
        row = known.index(False)
        raise UserError(
            f"the column {name} holds splits, but {cells[row]!r} in {place(row)}: write train, validation or test "
            "there, or call the column otherwise"
        )
    return bool(known) and all(known)


def parts_in(folder: Path, find: Callable[[Path], list[Path]]) -> tuple[dict[str, Path], list[Path]]:
    """The parts that the sub-folders are, and those of no use; no parts if the sub-folders are classes.

    Raises:
        UserError: it cannot be decided what the sub-folders are.
    """
    subs = {sub: inmost_part(sub) for sub in folders_in(folder)}
    inner = {sub: {path.name for path in folders_in(place)} for sub, place in subs.items()}
    parts = {sub: part_of(sub.name) for sub in subs}
    known, others = [sub for sub in subs if parts[sub]], [sub for sub in subs if not parts[sub]]
    if not known and not undecided(subs, inner):
        return {}, []
    listed = ", ".join(sub.name for sub in subs)
    if known and not any(inner[sub] for sub in known):
        if others:
            return {}, []  # a class of trains among others, for example
        raise UserError(
            f"the sub-folders of {folder} are {listed}, which are splits, not classes: wanted a sub-folder per class "
            f"in each of them, such as {known[0] / 'cat'}, or --data.file TABLE with columns file, label and split"
        )
    whole = [sub for sub in subs if inner[sub]]
    if len(known) == 1 and whole and not any(inner[known[0]] & inner[sub] for sub in others if inner[sub]):
        elsewhere = beside_folders(known[0], find) or set(whole) - set(known)
        if elsewhere:
            return {}, []  # classes with sub-folders of their own, of which one happens to be called so
    splits = [parts[sub] for sub in whole]
    distinct = None not in splits and len(set(splits)) == len(splits) and "train" in splits
    if not distinct or (len(known) == 1 and any(map(find, others))):
        raise UserError(
            f"the sub-folders of {folder} are {listed}, and it cannot be decided which are classes and which are "
            "parts: rename the parts to train, validation and test, or give one of them, such as "
            f"--data.folder {(known or whole)[0]}"
        )
    order = sorted(whole, key=lambda sub: SPLITS.index(parts[sub]))
    lacking = {name for sub in order for name in inner[sub]} - inner[order[0]]
    if lacking:
        raise UserError(
            f"{order[0]} lacks the classes {', '.join(sorted(lacking)[:NAMED])}, which other parts have: "
            "the parts of a set need the same sub-folders"
        )
    return {parts[sub]: subs[sub] for sub in order if any(map(find, folders_in(subs[sub])))}, [
        sub for sub in subs if sub not in whole
    ]


def inmost_part(sub: Path) -> Path:
    """The folder of a part, or what it holds if that is one folder of the same name with the classes in it."""
    inner = folders_in(sub)
    return inner[0] if len(inner) == 1 and part_of(inner[0].name) and folders_in(inner[0]) else sub


def undecided(subs: dict[Path, Path], inner: dict[Path, set[str]]) -> bool:
    """Whether the sub-folders have the same classes and names such as fold1, which do not say what part they are."""
    names = [set(re.findall(r"[^\W\d_]+", sub.name.lower())) for sub in subs]
    same = len(set(map(frozenset, inner.values()))) == 1 and any(inner.values())
    return len(subs) > 1 and same and all(UNDECIDED & words for words in names)


def cut_from_train(parts: dict[str, Path]) -> str:
    """The end of a sentence on given parts: what is taken from the training part because it is lacking."""
    lacking = [split for split in ("validation", "test") if split not in parts]
    return f"; {' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} cut from train" if lacking else ""
