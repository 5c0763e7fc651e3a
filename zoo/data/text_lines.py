"""Texts that users give to a trained network: one, or those in the lines of a file or in a column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zoo.data.inputs import Lines
from zoo.data.labelled import TEXT_NAMES, column_of, is_table, read_columns
from zoo.errors import UserError


@dataclass(frozen=True)
class TextLines(Lines):
    """Texts, one per line, or in a column of a table."""

    column: str | None = None
    """Name of the column with the texts, if --file is a CSV, TSV or JSONL file; by default it is found as in
    training."""

    def opened(self, source) -> Iterator[str]:
        """Yields the lines of the file, or the cells of the column.

        Raises:
            UserError: the file cannot be read, or has no such column.
        """
        if is_table(self.file):
            columns, _ = read_columns(self.file)
            trained = source.text if source.text in columns else None
            yield from columns[column_of(self.file, list(columns), self.column or trained, TEXT_NAMES, "--column")]
        elif self.column is not None:
            raise UserError(f"--column came as {self.column}, but {self.file} is no CSV, TSV or JSONL file")
        else:
            yield from super().opened(source)
