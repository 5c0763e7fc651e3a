"""A user's file of sentence pairs: source, tab, target in each line, or these among other columns."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import babel
import numpy as np

from zoo.data.plain import read_text
from zoo.errors import UserError

NAMED = 10  # faulty lines that are listed at most
LACKING = 0.1  # share of lines without a source or a target above which the file is refused
MOSTLY = 0.9  # share of a column that makes it one of numbers, or of quoted text
SHOWN = 60  # characters of a sentence that are shown
ENDS = re.compile("\r+\n|\r")
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)*")
HEADS = {"source", "target", "src", "tgt", "trg", "input", "output", "sentence", "translation", "translated", "text"}


class Table(NamedTuple):
    """Pairs in their order, and what is worth knowing of how they were read, a sentence each."""

    pairs: list[tuple[str, str]]
    notes: list[str]


def read_pairs(path: Path) -> Table:
    """All pairs of the file.

    They are the first two columns that hold text, neither numbers nor one value throughout; empty lines, names of
    columns in the first line and further columns are left out, as are a few lines without a source or a target.

    Raises:
        UserError: the file cannot be read or is not UTF-8 text, there are no two columns of text, or lines lack a
            source, the tab or a target.
    """
    lines = enumerate(read_text(path, ENDS).split("\n"), 1)
    rows = [(number, [cell.strip() for cell in line.split("\t")]) for number, line in lines if line.strip()]
    notes = []
    columns = columns_of_text([cells for _, cells in rows], path)
    head = [rows[0][1][column] if column < len(rows[0][1]) else "" for column in columns]
    if len(rows) > 1 and is_head(head):
        rows = rows[1:]
        notes.append(f"the first line names the columns and is left out: {' and '.join(head)}")
    width = max(len(cells) for _, cells in rows)
    if width > 2:
        others = ", ".join(str(column + 1) for column in range(width) if column not in columns)
        used = " and ".join(str(column + 1) for column in columns)
        notes.append(f"source and target are the columns {used} of {width}; not read: {others}")
    pairs, faulty, tabless = [], [], 0
    for number, cells in rows:
        pair = tuple(cells[column] if column < len(cells) else "" for column in columns)
        if all(pair):
            pairs.append(pair)
        else:
            faulty.append(number)
            tabless += len(cells) <= max(columns)
    if faulty and (tabless or len(faulty) > LACKING * len(rows)):
        more = f" and {len(faulty) - NAMED} others" if len(faulty) > NAMED else ""
        raise UserError(
            f"{path} has no source, tab and target in line {', '.join(map(str, faulty[:NAMED]))}{more}: "
            "write each pair in a line, with a tab between the two"
        )
    if faulty:
        notes.append(f"left out, without a source or a target: {len(faulty)} lines, the first is line {faulty[0]}")
    return Table(*unquoted(pairs, notes))


def columns_of_text(rows: list[list[str]], path: Path) -> tuple[int, int]:
    """The numbers, from 0, of the first two columns that hold text.

    Raises:
        UserError: there are others, but no two of text.
    """
    body = rows[1:] or rows
    usual = Counter(map(len, body)).most_common(1)[0][0]
    if usual < 2:
        return 0, 1  # the lines that lack a tab are named
    text = []
    for column in range(usual):
        cells = [cells[column] for cells in body if column < len(cells) and cells[column]]
        numbers = sum(NUMBER.fullmatch(cell) is not None for cell in cells)
        same = len(set(cells)) == 1 and len(cells) >= NAMED and usual > 2  # the name of a language, for example
        if cells and numbers < MOSTLY * len(cells) and not same:
            text.append(column)
    if len(text) < 2:
        first = ", ".join(repr(cell[:SHOWN]) for cell in body[0])
        raise UserError(
            f"{path} holds no two columns of text: its first line is {first}, and columns of numbers, or of one value, "
            "are no language; give source, tab and target in each line"
        )
    return text[0], text[1]


def is_head(cells: list[str]) -> bool:
    """Whether the cells are names of columns: of languages, or such as source and target."""
    words = [cell.strip('"').strip().casefold() for cell in cells]
    return words[0] != words[1] and all(word in HEADS or word in languages() for word in words)


@cache
def languages() -> frozenset[str]:
    """The codes and the English names of languages."""
    return frozenset(word.casefold() for pair in babel.Locale("en").languages.items() for word in pair)


def unquoted(pairs: list[tuple[str, str]], notes: list[str]) -> Table:
    """The pairs without the quotation marks that a spreadsheet puts around cells, and a note if there were any."""
    inside, read = [0, 0], [list(side) for side in zip(*pairs, strict=True)] or [[], []]
    for side, cells in enumerate(read):
        whole = sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells) >= MOSTLY * len(cells)
        for place, cell in enumerate(cells):
            inner = cell[1:-1]
            quoted = len(cell) > 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
            if quoted and (whole or inner.count('""') > 1):  # otherwise the marks may be the sentence's own
                cells[place] = inner.replace('""', '"').strip()
                inside[side] += 1
    if any(inside):
        notes = [*notes, f"quotation marks around cells, as a spreadsheet writes them, taken off: {sum(inside):,}"]
    return Table(list(zip(*read, strict=True)), notes)


def remarks(parts: dict[str, list[tuple[str, str]]]) -> list[str]:
    """What is worth knowing of the pairs of train, validation and test, a sentence each."""
    pairs = [pair for part in parts.values() for pair in part]
    known = set(pairs)
    source, target = (side if len(side) <= SHOWN else f"{side[: SHOWN - 3]}..." for side in pairs[0])
    counts = {
        "the same twice or more": len(pairs) - len(known),
        "with a source equal to its target": sum(one == other for one, other in known),
        "there the other way round too": sum((other, one) in known for one, other in known if one != other),
    }
    found = [f"{count:,} {what}" for what, count in counts.items() if count]
    trained = {target for _, target in parts["train"]}
    again = sum(target in trained for _, target in parts["test"]) / max(1, len(parts["test"]))
    shared = {source for source, _ in parts["train"]} & {source for source, _ in parts["test"]}
    return [
        f"first pair of train: {source!r} -> {target!r}",
        *([f"of {len(pairs):,} pairs, all of them used: {', '.join(found)}"] if found else []),
        f"sources of test that are in train too: {len(shared):,}, and of its targets {again:.0%}",
    ]


def part_of(pairs: list[tuple[str, str]], split: str) -> list[tuple[str, str]]:
    """The pairs of train, validation, test or all; all pairs with the same source are in the same split."""
    if split == "all":
        return pairs
    sources = list(dict.fromkeys(source for source, _ in pairs))
    # RandomState draws the same numbers in every NumPy version, so the splits never change.
    order, tenth = np.random.RandomState(0).permutation(len(sources)), -(-len(sources) // 10)
    start, end = {"test": (0, tenth), "validation": (tenth, 2 * tenth), "train": (2 * tenth, None)}[split]
    members = {sources[place] for place in order[start:end]}
    return [pair for pair in pairs if pair[0] in members]
