"""Files that are never left half-written: they are replaced as a whole, or extended by whole lines."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from zoo.errors import UserError, disk_is_full


def kept(path: Path) -> str | None:
    """The text of a file; None if it is missing or is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def read_json(path: Path):
    """The file's value.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is missing or damaged ({error}): start a new run with --fresh") from error


def write_json(path: Path, value) -> None:
    """Writes to a temporary file and moves it into place, so that the file is never half-written."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """Appends a line to the file, either completely or not at all.

    Raises:
        UserError: the disk is full.
    """
    text = line.encode() + b"\n"
    with filelock.FileLock(path.with_name(f".{path.name}.lock")), open(path, "ab+", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        if before:
            file.seek(before - 1)
            text = (b"" if file.read(1) == b"\n" else b"\n") + text  # the last line was cut off: end it
        try:
            if file.write(text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(before)
            if not disk_is_full(error):
                raise
            raise UserError(
                f"the disk is full: {path} could not be written and is as it was; make room and try again"
            ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path with the same suffix, which replaces `path` once it has been written completely.

    Raises:
        UserError: the disk is full, and `path` is unchanged; or its folder no longer exists.
    """
    part = path.with_name(f".part-{path.name}")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()  # left by a killed process; or a link, through which a file elsewhere would be written
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if disk_is_full(error):
            raise UserError(
                f"the disk is full: {path} could not be written; the last saved state is intact, "
                "so make room and type the same command again, without --fresh"
            ) from error
        if not path.parent.is_dir():
            raise UserError(removed(path.parent)) from error
        if error.filename is None:
            error.filename = str(path)
        raise


def removed(folder: Path) -> str:
    """The error message for a run's folder that no longer exists."""
    return (
        f"{folder} was removed or moved meanwhile: move it back and type the same command to go on, "
        "or type it to begin again"
    )
