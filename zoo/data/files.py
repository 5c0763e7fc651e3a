"""A user's files: finding them below a folder, reading many of them at the same time, and reading them as text."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from zoo.errors import UserError

MANY = 32  # items that a thread takes at once where reading one takes less than a millisecond
THREADS = min(16, os.cpu_count() or 1)  # more would need much memory for large pictures
A, B = TypeVar("A"), TypeVar("B")


def all_files(folder: Path) -> list[Path]:
    """All files below `folder` in a fixed order; hidden files and those in hidden folders are left out.

    Raises:
        UserError: the folder, or one in it, cannot be read.
    """
    return list(map(Path, walked(folder)))


def walked(folder: Path | str) -> Iterator[str]:
    """Yields what `all_files` returns, as text, which is much quicker to make."""
    for entry in entries_of(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from walked(entry.path)
        elif entry.is_file():
            yield entry.path


def entries_of(folder: Path | str) -> list[os.DirEntry]:
    """What a folder holds, by name; an entry knows whether it is a folder without a look at the file itself.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            f"the folder {error.filename} cannot be read ({error.strerror}): see to it that you may, or remove it"
        ) from error


def links_left_out(folder: Path) -> list[Path]:
    """The links below `folder` that `all_files` leaves out: to folders, which could lead in circles, and to nothing."""
    found = []
    for entry in entries_of(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            found += links_left_out(Path(entry.path))
        elif entry.is_symlink() and not entry.is_file():
            found.append(Path(entry.path))
    return found


def files_below(folder: Path, endings: Collection[str]) -> list[Path]:
    """All files below `folder` with such a suffix (.csv, for example), in a fixed order; hidden files are left out."""
    return [path for path in all_files(folder) if path.suffix.lower() in endings]


def side_by_side(read: Callable[[A], B], items: Iterable[A], threads: int = THREADS, each: int = 1) -> Iterator[B]:
    """Yields what `read` returns for each item, in the order of the items, of which a few are read at the same time.

    Args:
        read: whatever it raises is raised here, before what its thread has read of the items around it.
        items: are taken as needed.
        threads: how many read at the same time; 1: no thread is started.
        each: items that a thread takes at once; many, if reading one is quicker than handing it over.
    """
    if threads == 1:
        yield from map(read, items)
        return
    items, waiting = iter(items), deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while some := list(islice(items, each)):
                waiting.append(pool.submit(lambda some: list(map(read, some)), some))
                if len(waiting) > 4 * threads:  # so many that no thread waits for the one who takes them
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def from_utf8(written: bytes, path: Path, wanted: str) -> str:
    """The text of a file's bytes, without a byte order mark.

    Args:
        written: the bytes.
        path: of the file.
        wanted: the format that an error message asks for, such as UTF-8 plain text.

    Raises:
        UserError: the bytes are not UTF-8.
    """
    try:
        return written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (byte {error.start} is {written[error.start]:#04x}): save it as {wanted}"
        ) from error
