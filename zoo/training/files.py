"""Files that are never half written: made beside and moved into place, or added to by whole lines."""

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
    """The text of a file; None where it holds none."""
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
        raise UserError(f"{path} is missing or damaged ({error}): start anew with --fresh") from error


def write_json(path: Path, value) -> None:
    """Writes beside the file and moves into place, so that it is never half written."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """Adds the whole line to the file, or nothing.

    Raises:
        UserError: the disk is full.
    """
    text = line.encode() + b"\n"
    with filelock.FileLock(path.with_name(f".{path.name}.lock")), open(path, "ab+", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        if before:
            file.seek(before - 1)
            text = (b"" if file.read(1) == b"\n" else b"\n") + text  # a line that lost its end
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
    """A temporary path of the same ending that takes the place of `path` when it was written whole.

    Raises:
        UserError: the disk is full, and `path` is as it was; or its folder is gone.
    """
    part = path.with_name(f".part-{path.name}")
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
                f"the disk is full: {path} could not be written; the state before it is whole, "
                "so make room and type the same command again, without --fresh"
            ) from error
        if not path.parent.is_dir():
            raise UserError(removed(path.parent)) from error
        if error.filename is None:
            error.filename = str(path)
        raise


def removed(folder: Path) -> str:
    """The answer where a run's folder is gone."""
    return (
        f"{folder} was removed or moved meanwhile: move it back and type the same command to go on, "
        "or type it to begin again"
    )
