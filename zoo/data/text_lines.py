"""Texts that users give to a trained network: one, or those in the lines of a file or in a column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from zoo.data.inputs import Lines
from zoo.data.labelled import TEXT_NAMES, column_of, is_table, read_columns
from zoo.errors import UserError


@dataclass(frozen=True)
class TextLines(Lines):
    """Texts, one per line, or in a column of a table."""

    column: str | None = None
    """Name of the column with the texts, if --file is a CSV, TSV or JSONL file; by default it is found as in
    training."""

    cut: Annotated[list[int], tyro.conf.Suppress] = field(default_factory=list)
    """Which text was the first that is longer than the network reads, once it was said."""

    def __post_init__(self):
        if self.column is not None and self.file is None:
            raise ValueError(f"--column came as {self.column}, but names a column of --file: give a CSV, TSV or JSONL")

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

    def remarks(self, number: int, answer: dict) -> list[str]:
        """See `Lines.remarks`; that a text is cut is said of the first."""
        remarks = super().remarks(number, answer)
        if "cut" in answer and not self.cut:
            self.cut.append(number)
            what = "the text" if self.file is None else f"line {number}, and maybe others,"
            remarks.append(f"{what} is cut: it has {answer['cut']} tokens, more than --data.length of the run")
        return remarks
