"""Plain text of a user's file: reading it, cutting it where no tokenizer notices, and what it holds."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from zoo.data.files import from_utf8
from zoo.errors import UserError

NEED = 10  # bytes of memory for each byte of a file, at most
PIECE = 2**16  # characters that a tokenizer reads at once: it takes some 300 bytes for each
# What ends a line besides \n: Windows (with the \r\r\n of a file written twice), old Macs, Unicode, and pages.
ENDS = re.compile("\r+\n|\r|[\x85\u2028\u2029]|\n?[\f\v]+\n?")
OTHER_ENDS = "\r\x85\u2028\u2029\f\v"
BETWEEN, LINE = re.compile(r"(?<=\S)[ \n]"), re.compile("[^\n]+")
MARK = "\ufeff"  # byte order mark
TEXT_ENDS = ("<|endoftext|>", "<|im_end|>", "</s>", "<eos>", "[SEP]")  # marks that other programs put between texts


def read_text(path: Path, ends: re.Pattern = ENDS) -> str:
    """The text of a user's file, with Unix line endings, and without byte order marks.

    Args:
        path: of the file.
        ends: what ends a line.

    Raises:
        UserError: the file is missing, empty, not UTF-8 text, or too large for the memory.
    """
    try:
        size, free = path.stat().st_size, psutil.virtual_memory().available
        if size * NEED > free:
            raise UserError(
                f"{path} has {size / 1e9:.1f} GB, for which {size * NEED / 1e9:.0f} GB of memory are needed, but "
                f"{free / 1e9:.1f} GB are free: give a part of it"
            )
        written = path.read_bytes()
    except OSError as error:
        raise UserError(f"--data.file came as {path}, which cannot be read: {error.strerror}") from error
    text = from_utf8(written, path, "UTF-8 plain text")
    del written
    if "\0" in text:
        raise UserError(f"{path} is not text: it holds zero bytes")
    if not text.strip():
        raise UserError(f"{path} is empty: give a file with text")
    if MARK in text:
        text = text.replace(MARK, "")
    return ends.sub("\n", text) if any(end in text for end in OTHER_ENDS) else text


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """Cuts the text before white space that follows something else, where both words and GPT-2's byte-pairs end."""
    start = 0
    while start < len(text):
        found = BETWEEN.search(text, start + max(1, size))
        end = found.start() if found else len(text)
        yield text[start:end]
        start = end


def hashes(text: str) -> np.ndarray:
    """A number for each line of the text that is not blank, (N,) int64; equal lines have equal numbers."""
    lines = (found.group().strip() for found in LINE.finditer(text))
    return np.fromiter((hash(line) for line in lines if line), np.int64)


def remarks(text: str, parts: dict[str, str]) -> list[str]:
    """What is worth knowing of a text before it is learned, a sentence each.

    Args:
        text: the whole.
        parts: train, validation and test.
    """
    found = []
    marks = [f"{text.count(mark):,} {mark}" for mark in TEXT_ENDS if mark in text]
    if marks:
        found.append(f"it holds {' and '.join(marks)}, marks of other programs that are learned like any other text")
    known = np.unique(hashes(parts["train"]))
    shares = {split: np.isin(hashes(parts[split]), known) for split in ("validation", "test")}
    again = ", ".join(f"{share.mean():.0%} of {split}" for split, share in shares.items() if share.size)
    if any(share.size and share.mean() > 0.05 for share in shares.values()):
        found.append(f"lines that stand in train too: {again}")
    return found
