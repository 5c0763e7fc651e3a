"""Files that are never left half-written: they are replaced as a whole, or extended by whole lines."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from zoo.errors import UserError, disk_is_full


def made(folder: Path, flag: str) -> None:
    """Makes a folder that a person named with that flag, if it is not there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"{flag} came as {folder}, which is a file: give a folder") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{flag} came as {folder}, which cannot be made there: give another folder") from error


def kept(path: Path) -> str | None:
    """The text of a file; None if it is missing or is not text.

    Raises:
        UserError: the system does not let it be read.
    """
    try:
        with opened(path) as file:
            return file.read().decode()
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        return None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, opened to be read.

    Raises:
        UserError: the system does not let it be read, so that nothing is known to be wrong with it; or it is no file,
            but something that might never end.
        FileNotFoundError: it is missing.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file: remove it, or restore the file that was there")
        file = open(path, "rb")  # noqa: SIM115 - what goes wrong later is no question of rights
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}), though it may be whole: see to it that you may, and try again"
        ) from error
    with file:
        yield file


def read_json(path: Path):
    """The file's value.

    Raises:
        UserError: the file is missing or damaged, or the system does not let it be read.
    """
    try:
        with opened(path) as file:
            return json.loads(file.read().decode())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is missing or damaged ({error}): start a new run with --fresh") from error


def write_json(path: Path, value) -> None:
    """Writes to a temporary file and moves it into place, so that the file is never half-written."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def append_line(path: Path, line: str) -> None:
    """Appends a line to the file, either completely or not at all.

    Raises:
        UserError: the disk is full, or the file or its lock is a link or a device.
    """
    text, lock = line.encode() + b"\n", path.with_name(f".{path.name}.lock")
    strange = [place for place in (path, lock) if place.is_symlink() or (place.exists() and not place.is_file())]
    if strange:
        raise UserError(f"{strange[0]} is a link or no file, so nothing is written to it: remove it and try again")
    with filelock.FileLock(lock), open(path, "ab+", buffering=0) as file:
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
