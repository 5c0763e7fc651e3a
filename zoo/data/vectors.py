"""Word vectors that others trained, from a file of word2vec (text or binary) or GloVe (text without a first line)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zoo.errors import UserError

WIDEST = 10_000  # numbers of a vector
LONGEST = 10_000  # bytes of a word
START, CONTROL = 65_536, re.compile(rb"[\0-\x08]")  # bytes by which it is seen whether a file is binary


def read_vectors(path: Path, words: Iterable[str]) -> dict[str, np.ndarray]:
    """The vectors (width,) float32 of those of the words that the file has; the first, if it has a word twice.

    Raises:
        UserError: the file is missing, damaged or of another format, or has none of the words.
    """
    wanted, found = set(words), {}
    try:
        with path.open("rb") as file:
            for word, vector in entries(file, path):
                if word in wanted and word not in found:
                    found[word] = numbers_of(vector, word, path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; wanted a file of word vectors") from error
    if not found:
        raise UserError(f"{path} has none of the {len(wanted):,} words of the texts: take vectors of their language")
    return found


def numbers_of(vector: np.ndarray | list[str], word: str, path: Path) -> np.ndarray:
    """The vector of a word as (width,) float32.

    Raises:
        UserError: it does not hold finite numbers.
    """
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            numbers = np.array(vector, np.float32)
    except ValueError as error:
        raise UserError(f"{path} has something else than numbers in the vector of {word!r}: {error}") from error
    if not np.isfinite(numbers).all():
        raise UserError(f"{path} has numbers that are not finite in the vector of {word!r}: take another file")
    return numbers


def entries(file: BinaryIO, path: Path) -> Iterator[tuple[str, np.ndarray | list[str]]]:
    """Yields each word and its vector, as numbers or as they are written.

    Raises:
        UserError: see `read_vectors`.
    """
    first = file.readline(LONGEST + 32 * WIDEST)
    head = first.split()
    counted = len(head) == 2 and all(part.isdigit() for part in head)
    count, width = map(int, head) if counted else (0, len(head) - 1)
    if not 1 <= width <= WIDEST:
        raise UserError(
            f"{path} begins with {first[:40]!r}: wanted word vectors, a word and its numbers in each line, or a file "
            "of word2vec"
        )
    binary = counted and CONTROL.search(file.read(START)) is not None
    file.seek(len(first) if counted else 0)
    yield from packed(file, path, count, width) if binary else written(file, path, width, count if counted else None)


def written(file: BinaryIO, path: Path, width: int, count: int | None) -> Iterator[tuple[str, list[str]]]:
    """The entries of a text file, below a line with their count if that is given.

    Raises:
        UserError: a vector has another width than the first line says, or there are fewer than it says.
    """
    above, read = int(count is not None), 0
    for read, line in enumerate(file, 1):
        word, *numbers = line.decode("utf-8", "replace").rstrip().rsplit(" ", width)
        longer = above and read == 1 and is_number(word.rpartition(" ")[2]) and " " in word
        if len(numbers) != width or longer:
            have = "more" if longer else f"{len(numbers)}"
            raise UserError(f"line {read + above} of {path} has {have} numbers: wanted {width}, as the first line says")
        yield word, numbers
    if count is not None and read != count:
        raise UserError(f"{path} has {read} vectors, but its first line says {count}: it is not whole")


def is_number(text: str) -> bool:
    """Whether a text is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def packed(file: BinaryIO, path: Path, count: int, width: int) -> Iterator[tuple[str, np.ndarray]]:
    """The entries of a binary file: a word, a blank, and its float32 numbers, little-endian.

    Raises:
        UserError: it breaks off.
    """
    for number in range(count):
        word = bytearray()
        while (byte := file.read(1)) not in (b" ", b"") and len(word) < LONGEST:
            word += byte
        numbers = file.read(4 * width)
        if byte != b" " or len(numbers) < 4 * width:
            raise UserError(f"{path} breaks off in its vector {number + 1:,} of {count:,}: fetch it again")
        yield word.decode("utf-8", "replace").lstrip("\n"), np.frombuffer(numbers, "<f4")
