"""A table of files with one class each: a CSV or TSV file with a row for each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from zoo.data.files import all_files
from zoo.data.given import cut_from_train, is_of_parts, part_of
from zoo.data.layout import NAMED, Example, Layout, are, check, check_groups, group_of, refuse_no_groups, some
from zoo.data.table import Table, read_table
from zoo.errors import UserError

# What people call the columns, the likeliest first.
FILES = ("file", "filename", "filepath", "path", "image", "imagepath", "imagefile", "imagename", "picture", "photo")
FILES += ("audio", "sound", "wav", "slicefilename", "fname", "name", "imageid", "id")
LABELS = ("label", "class", "category", "target", "classname", "labels", "y", "diagnosis", "species", "breed", "tag")
SPLITS = ("split", "part", "set", "subset", "fold", "dataset", "partition", "phase", "usage")


def layout_of_table(
    table: Path, folder: Path | None, columns: tuple[str, str] | None, kind: str, groups: str | None = None
) -> Layout:
    """The files that a table names, with their classes.

    Args:
        table: a CSV file: see `zoo.data.table.read_table`.
        folder: from where the paths in it lead; None: from the table's own folder.
        columns: the names of the columns of files and classes; None: those with one of the usual names.
        kind: what a file is called, such as picture.
        groups: see `zoo.data.layout.group_of`; or the name of a column.

    Raises:
        UserError: the table cannot be read or understood, or none of its files is there.
    """
    read = read_table(table)
    names, rows = read.names, read.rows
    base = folder or table.parent
    if not base.is_dir():
        raise UserError(f"--data.folder came as {base}, which is not a folder: give the one that {table.name} is about")
    file_at, label_at = (column(read, wanted, what) for wanted, what in columns_of(columns))
    part_at = part_column(read, {file_at, label_at})
    group_at = group_column(read, groups)
    examples, missing, bare, found_in = {}, [], 0, finder(base)
    for row in rows:
        given, label = row[file_at].replace("\\", "/"), row[label_at]
        path = found_in(given) if given and label else None
        if path is None:
            if given and label:
                missing.append(given)
            bare += not (given and label)
            continue
        name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
        group = group_of(name, groups) if group_at is None else row[group_at] or None
        part = None if part_at is None else part_of(row[part_at])
        before = examples.setdefault(name, Example(path, label, name, name, group, part))
        if before.label != label:
            raise UserError(f"{table} gives {given} two classes, {before.label} and {label}: each has one here")
    unique = list(examples.values())
    if not unique:
        raise UserError(
            f"none of the {some(len(missing), 'file')} in the column {names[file_at]} of {table} is there, such as "
            f"{base / missing[0]}: give the folder from where the paths lead, --data.folder DIR"
            if missing
            else f"{table} has no row with both {names[file_at]} and {names[label_at]}"
        )
    refuse_no_groups(unique, groups)
    said = [*read.said, f"files are in the column {names[file_at]}, classes in {names[label_at]}"]
    if missing:
        listed = ", ".join(missing[:NAMED]) + ", ..." * (len(missing) > NAMED)
        gone = f"{some(len(missing), 'file')} of {table.name} that {are(len(missing))} not there"
        said.append(f"left out: {gone}, such as {listed}")
    if bare:
        said.append(f"left out: {some(bare, 'row')} without a file or a class")
    twice = len(rows) - bare - len(missing) - len(unique)
    if twice:
        said.append(f"left out: {some(twice, 'row')} of files that were named before")
    parts = {example.part: base for example in unique if example.part}
    if parts:
        if "train" not in parts:
            raise UserError(f"the column {names[part_at]} of {table} has no train: it has {', '.join(parts)}")
        said.append(f"parts as they are given in the column {names[part_at]}{cut_from_train(parts)}")
    layout = Layout(table, unique, said)
    if len(layout.labels) == 1:
        raise UserError(f"{table} has one class, {layout.labels[0]}: a classifier needs 2 or more")
    check(layout, layout.labels, kind)
    return layout


def group_column(table: Table, groups: str | None) -> int | None:
    """The number of the column of groups; None if they are in no column, but in the paths.

    Raises:
        UserError: they are neither.
    """
    if groups in table.names:
        return table.names.index(table.find(groups))
    try:
        check_groups(groups)
    except ValueError as error:
        raise UserError(f"{error}; or the name of a column of {table.path}: {', '.join(table.names)}") from error
    return None


def part_column(table: Table, taken: set[int]) -> int | None:
    """The index of the column that says for every row in which split it is; None: there is none."""
    for at, (name, cells) in enumerate(zip(table.names, table.columns, strict=True)):
        if squeezed(name) in SPLITS and at not in taken and is_of_parts(name, cells, table.place):
            return at
    return None


def finder(base: Path) -> Callable[[str], Path | None]:
    """A function that finds a file by its path from `base`, or else by its name, with or without ending, below it."""
    known = {}

    def find(given: str) -> Path | None:
        path = base / given
        if path.is_file():
            return path
        if not known:
            known.update(by_name(base))
        return known.get(PurePosixPath(given).name)

    return find


def columns_of(columns: tuple[str, str] | None) -> list[tuple[tuple[str, ...], str]]:
    """For files and for classes: the names that their column may have, and what to call them."""
    wanted = ((columns[0],), (columns[1],)) if columns else (FILES, LABELS)
    return list(zip(wanted, ("files", "classes"), strict=True))


def column(table: Table, wanted: tuple[str, ...], what: str) -> int:
    """The index of the column with one of the wanted names; the exact name goes first.

    Raises:
        UserError: there is none, or there are several of that name, or no two columns.
    """
    if len(table.names) < 2:
        raise UserError(
            f"{table.path} is no table of files and classes: wanted names of columns in its first line, such as "
            "file,label, and a row for each file"
        )
    plain = [squeezed(name) for name in table.names]
    for names, known in ((wanted, table.names), (map(squeezed, wanted), plain)):
        found = next((known.index(name) for name in names if name in known), None)
        if found is not None:
            return table.names.index(table.find(table.names[found]))
    raise UserError(
        f"{table.path} has the columns {', '.join(table.names)}, and none is known to hold the {what}: "
        "say --data.columns FILES CLASSES with the names of both columns"
    )


def squeezed(name: str) -> str:
    """A column's name in small letters and digits alone."""
    return re.sub(r"[\W_]+", "", name).casefold()


def by_name(folder: Path) -> dict[str, Path | None]:
    """The files below a folder by their names with and without ending; None where several have the same."""
    files, often = all_files(folder), Counter()
    for path in files:
        often.update({path.name, path.stem})
    return {name: path for path in files for name in (path.stem, path.name) if often[name] == 1}
