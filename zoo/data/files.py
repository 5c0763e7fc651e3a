"""A user's files: finding them below a folder, and reading them as text."""

import os
from collections.abc import Collection
from pathlib import Path

from zoo.errors import UserError


def files_below(folder: Path, endings: Collection[str]) -> list[Path]:
    """All files below `folder` with such a suffix (.csv, for example), in a fixed order; hidden files are left out.

    Raises:
        UserError: the folder, or one in it, cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UserError(
            f"the folder {error.filename} cannot be read ({error.strerror}): see to it that you may, or remove it"
        ) from error

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in endings and path.is_file())


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
