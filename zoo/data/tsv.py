"""A user's file of sentence pairs: source, tab, target in each line."""

from pathlib import Path

import numpy as np

from zoo.data.text import read_text
from zoo.errors import UserError

NAMED = 10  # faulty lines that are listed at most


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """All pairs of the file in their order; empty lines and further columns are ignored.

    Raises:
        UserError: the file cannot be read or is not UTF-8 text, or lines lack a source, the tab or a target.
    """
    pairs, faulty = [], []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        pair = tuple(part.strip() for part in line.split("\t")[:2])
        if len(pair) == 2 and all(pair):
            pairs.append(pair)
        elif line.strip():
            faulty.append(number)
    if faulty:
        more = f" and {len(faulty) - NAMED} others" if len(faulty) > NAMED else ""
        raise UserError(
            f"{path} has no source, tab and target in line {', '.join(map(str, faulty[:NAMED]))}{more}: "
            "write each pair in a line, with a tab between the two"
        )
    return pairs


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
