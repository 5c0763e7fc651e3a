"""A user's own texts with one class each: a folder with a sub-folder for each class, or a table."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from zoo.data.files import files_below
from zoo.data.given import is_of_parts, part_of
from zoo.data.plain import ENDS, MARK, read_text
from zoo.data.table import read_table
from zoo.errors import UserError, has_undecoded

TEXT_NAMES = ("text", "body", "content", "message", "review", "sentence", "comment", "description", "title")
LABEL_NAMES = ("label", "class", "category", "kind", "sentiment", "topic", "tag", "target", "language", "type")
SEPARATED, OBJECTS = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson", ".json")
LEAST = 3  # texts of a class: one for each split
UNEVEN = 10  # times as many texts of the most frequent class as of the rarest are worth a word
NAMED = 5  # classes or columns that are listed at most


class Labelled(NamedTuple):
    """Texts of train, validation and test, each with its label, and how they were read, a sentence each."""

    parts: dict[str, list[tuple[str, str]]]
    labels: list[str]
    notes: list[str]


Rows = list[tuple[str, str, str | None]]  # text, label, and the split if it is given


def read_labelled(path: Path, text: str | None = None, label: str | None = None) -> Labelled:
    """The texts of a folder or a CSV, TSV or JSONL file, in splits in which no text is twice.

    Args:
        path: a folder with a sub-folder of .txt files for each class, or train and test with such sub-folders; or a
            table with names in its first line, or an object in each line.
        text: the name of the column with the texts; by default guessed.
        label: the name of the column with the labels; by default guessed.

    Raises:
        UserError: there is nothing of that kind, or no two classes with enough texts.
    """
    whole, notes = read_rows(path, text, label)
    kinds = dict.fromkeys(label for _, label, _ in whole)
    if len(kinds) > len(whole) / 2:
        raise UserError(
            f"{path} has {len(kinds)} different labels for {len(whole)} texts, such as {next(iter(kinds))[:40]!r}: "
            "name the column of the labels with --data.label"
        )
    several: dict[str, set[str]] = {}
    for one, kind, _ in whole:
        several.setdefault(one, set()).add(kind)
    torn = {one for one, labels in several.items() if len(labels) > 1}
    if torn:
        notes.append(f"left out, since the same text has several labels: {len(torn)} texts")
        whole = [row for row in whole if row[0] not in torn]
    counts = Counter(kind for _, kind, _ in whole)
    if len(counts) < 2:
        raise UserError(
            f"{path} has {len(whole)} whole texts of {len(counts)} class: give texts of two classes or more"
        )
    few = [kind for kind in counts if len({one for one, other, _ in whole if other == kind}) < LEAST]
    if few:
        raise UserError(f"{path} has fewer than {LEAST} different texts of {', '.join(few[:NAMED])}: give more of them")
    alike = Counter("".join(kind.split()).casefold() for kind in counts)
    twins = [kind for kind in sorted(counts) if alike["".join(kind.split()).casefold()] > 1]
    if twins:
        notes.append(f"classes of their own, though they differ only in case or blanks: {', '.join(map(repr, twins))}")
    most, least = (max(counts, key=counts.get), min(counts, key=counts.get))
    if counts[most] > UNEVEN * counts[least]:
        notes.append(
            f"uneven: {counts[most]} texts of {most}, {counts[least]} of {least}; --task.class-weights balanced counts "
            "all classes alike"
        )
    again = len(whole) - len(several.keys() - torn)
    if again:
        notes.append(f"copies of texts: {again}")
    parts = in_splits(whole, path)
    known = {text for text, _ in parts["train"]}
    seen = sum(text in known for split in ("validation", "test") for text, _ in parts[split])
    if seen:
        notes.append(f"texts of the given validation and test that are in train too: {seen}")
    return Labelled(parts, sorted(counts), notes)


def read_rows(
    path: Path,
    text: str | None,
    label: str | None,
    flags: tuple[str | None, str | None] = ("--data.text", "--data.label"),
) -> tuple[Rows, list[str]]:
    """All texts that have a label, as they are stored, and how they were read; see `read_labelled` and `column_of`."""
    rows, notes = of_folder(path) if path.is_dir() else of_table(path, (text, label), flags)
    lacking = sum(not text for text, _, _ in rows), sum(bool(text) and not label for text, label, _ in rows)
    notes += [f"left out, without {what}: {n}" for what, n in zip(("text", "label"), lacking, strict=True) if n]
    return [row for row in rows if row[0] and row[1]], notes


def in_splits(rows: Rows, path: Path) -> dict[str, list[tuple[str, str]]]:
    """The rows by their split: the given ones, or else a tenth of each class's texts for test and for validation.

    Raises:
        UserError: only some splits are given and train is not among them, or a class has nothing to learn from.
    """
    given = {part for _, _, part in rows}
    if not given & {"train", None}:
        raise UserError(f"{path} has texts for {', '.join(sorted(given))}, but none for train")
    missing = [part for part in ("test", "validation") if part not in given]
    kinds: dict[str, set[str]] = {}
    for text, label, part in rows:
        if part in (None, "train"):
            kinds.setdefault(label, set()).add(text)
    place: dict[str, str] = {}
    for texts in kinds.values():
        # Ranked by a hash, so that neither the order of the rows nor copies of a text matter.
        ranked = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
        tenth = max(1, len(ranked) // 10)
        for number, part in enumerate(missing):
            place |= dict.fromkeys(ranked[number * tenth : (number + 1) * tenth], part)
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "validation": [], "test": []}
    for text, label, part in rows:
        parts[place.get(text, "train") if part in (None, "train") else part].append((text, label))
    absent = {label for _, label, _ in rows} - {label for _, label in parts["train"]}
    if absent:
        raise UserError(f"{path} has nothing to learn from of {', '.join(sorted(absent)[:NAMED])}: give more of them")
    return parts


def of_folder(folder: Path) -> tuple[Rows, list[str]]:
    """The texts below a folder.

    Raises:
        UserError: it has no sub-folders with .txt files.
    """
    rows, unread = [], Counter()
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    parts = {path: part_of(path.name) for path in below}
    split = bool(below) and all(parts.values())
    classes = (
        [(child, parts[path]) for path in below for child in sorted(path.iterdir())]
        if split
        else [(path, None) for path in below]
    )
    for path, part in classes:
        if path.is_dir():
            files = files_below(path, {".txt"})
            rows += [(read_if_any(file), path.name, part) for file in files]
            unread.update(other.suffix or "no ending" for other in path.rglob("*") if other.is_file())
    unread.pop(".txt", None)
    if not rows:
        raise UserError(f"{folder} has no sub-folders with .txt files: give one for each class")
    notes = [f"not read: {', '.join(f'{n} {ending}' for ending, n in unread.most_common(NAMED))}"] if unread else []
    return rows, notes


def read_if_any(path: Path) -> str:
    """The text of a file without white space around it, which may be empty."""
    return read_text(path).strip() if path.stat().st_size else ""


def of_table(path: Path, asked: tuple, flags: tuple) -> tuple[Rows, list[str]]:
    """The texts of a CSV, TSV or JSONL file.

    Raises:
        UserError: it cannot be read, or lacks one of the columns.
    """
    kept, said = read_columns(path)
    names = list(kept)
    columns = [
        column_of(path, names, name, usual, flag)
        for name, usual, flag in zip(asked, (TEXT_NAMES, LABEL_NAMES), flags, strict=True)
    ]
    rows = list(zip(*(kept[column] for column in columns), strict=True))
    notes = [
        *said,
        f"texts from the column {columns[0]}, labels from {columns[1]}; first: {rows[0][0][:60]!r}, {rows[0][1]}",
    ]
    part = next((name for name in names if name.casefold() == "split" and name not in columns), None)
    if part and is_of_parts(part, kept[part], lambda row: f"row {row + 1}"):
        notes.append(f"splits from the column {part}")
        return [(*row, part_of(cell)) for row, cell in zip(rows, kept[part], strict=True)], notes
    return [(*row, None) for row in rows], notes


def column_of(path: Path, names: list[str], asked: str | None, usual: tuple[str, ...], flag: str | None) -> str:
    """The name of a column: the one that was asked for, or the first with a usual name.

    Args:
        path: the table, for messages.
        names: of its columns.
        asked: the name that was asked for.
        usual: names that are looked for if none was.
        flag: with which it can be asked for; None: it must be called as in the data that a run was trained on.

    Raises:
        UserError: there is none.
    """
    if asked is not None and asked in names:
        return asked
    found = [name for word in usual for name in names if name.strip().casefold() == word] if asked is None else []
    if found:
        return found[0]
    came = f"no column {asked!r}" if asked else f"no column that is clearly that of the {usual[0]}s"
    how = f"name it with {flag}, one of" if flag else "call it as in training; there are"
    raise UserError(f"{path} has {came}: {how} {', '.join(map(repr, names))}")


def is_table(path: Path | None) -> bool:
    """Whether the name of a file is that of a table with a column of texts."""
    return path is not None and path.suffix.lower() in (*SEPARATED, *OBJECTS)


def read_columns(path: Path) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The columns of a CSV, TSV or JSONL file by name, and how it was read, a sentence each.

    Raises:
        UserError: it cannot be read.
    """
    return of_json(path) if path.suffix.lower() in OBJECTS else of_csv(path)


def of_csv(path: Path) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The columns of a CSV or TSV file by name, with Unix line endings, and how it was read, a sentence each.

    Raises:
        UserError: see `zoo.data.table.read_table`; or two columns have the same name.
    """
    table = read_table(path)
    return {
        table.find(name): [ENDS.sub("\n", cell.replace(MARK, "")).strip() for cell in table.cells(name)]
        for name in table.names
    }, table.said


def of_json(path: Path) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The values by name of a file with an object in each line, as texts that are empty where there is none.

    Raises:
        UserError: a line is no object.
    """
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"line {number} of {path} is not JSON: {error}; write one object in each line"
                ) from error
            if not isinstance(rows[-1], dict):
                raise UserError(
                    f'line {number} of {path} is no object: write one, such as {{"text": ..., "label": ...}}'
                )
            if r"\ud" in line.lower() and has_undecoded(json.dumps(rows[-1], ensure_ascii=False)):
                raise UserError(
                    f"line {number} of {path} has half of a letter, \\ud800 to \\udfff alone: mend or remove it"
                )
    names = dict.fromkeys(name for row in rows[:1000] for name in row)
    return {
        name: ["" if (value := row.get(name)) is None else str(value).strip() for row in rows] for name in names
    }, ()
