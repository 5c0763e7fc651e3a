"""Inputs for a trained network as a person gives them: files, or lines of text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import tyro

from zoo.errors import UserError

AT_ONCE = 64  # inputs that are answered together
NAMED = 10  # unknown words that are named

Read = tuple[dict, Any]  # what an answer begins with, which has an "error" if the input cannot be read; and the input


@dataclass(frozen=True)
class Files:
    """Files of a person, and folders of them."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Pictures of any size and format that Pillow reads, for a run on sounds WAV files, on a series CSV files; and
    folders of them."""

    @classmethod
    def of(cls, given: Iterable[Path | str]) -> Files:
        """These paths."""
        return cls(tuple(map(Path, given)))

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads what the source can read, in batches; of a folder the files in the order of their names.

        Raises:
            UserError: nothing was named.
        """
        if not self.files:
            raise UserError(f"no {source.kind}s were named: wanted {source.usage} after the run")
        yield from in_batches((read(source, path, problem, spec) for path, problem in self.found(source)), AT_ONCE)

    def found(self, source) -> Iterator[tuple[Path, str | None]]:
        """Each file that the source can read, and what is wrong with a path that does not lead to one."""
        for path in self.files:
            if not os.path.isdir(path):  # which, unlike Path's, never raises
                yield path, None
                continue
            below = list(source.find(path))
            yield from ((file, None) for file in below)
            if not below:
                yield path, f"no {source.kind}s in this folder"

    def line(self, answer: dict, said: str) -> str:
        """An answer for a person to read."""
        return f"{answer['file']}\t{answer.get('error', said)}"

    def remarks(self, number: int, answer: dict) -> list[str]:
        """What is to be said beside the answers: nothing."""
        return []


def read(source, path: Path, problem: str | None, spec: dict) -> Read:
    """A file as the source reads it."""
    about = {"file": str(path)}
    if problem is None:
        try:
            seen, more = source.read(path, spec)
            return about | more, seen
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
    return about | {"error": problem}, None


@dataclass(frozen=True)
class Lines:
    """Texts of a person, each on a line."""

    text: str | None = None
    """One text."""
    file: Path | None = None
    """Texts instead, one a line, in UTF-8; - for standard input."""

    @classmethod
    def of(cls, given: Iterable[str]) -> Given:
        """These texts."""
        return Given(given)

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads the lines in batches, those of the standard input one by one: who types wants an answer.

        Raises:
            UserError: neither or both of text and file are given, the one text cannot be read, or the file cannot.
        """
        if (self.text is None) == (self.file is None):
            raise UserError(f"give either --text {source.kind.upper()} or --file FILE (- for standard input)")
        if self.text is None:
            yield from in_batches(
                (read_line(source, line, spec) for line in self.opened()), 1 if str(self.file) == "-" else AT_ONCE
            )
            return
        if not self.text.strip():
            raise UserError(f"--text came as {self.text!r}, which holds no {source.kind}")
        about, seen = read_line(source, self.text, spec)
        if "error" in about:
            raise UserError(f"--text cannot be answered: {about['error']}")
        yield [(about, seen)]

    def opened(self) -> Iterator[str]:
        """The lines of the file."""
        try:
            # Other ends of lines would put other lines beside each other than an editor or `paste` does.
            options = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": "\n"}
            if str(self.file) != "-":
                with open(self.file, **options) as lines:
                    yield from lines
                return
            if sys.stdin is None:
                raise UserError("--file came as -, but standard input is closed: give a file")
            sys.stdin.reconfigure(**options)
            yield from sys.stdin
        except OSError as error:
            raise UserError(f"--file came as {self.file}, which cannot be read: {error.strerror}") from error

    def line(self, answer: dict, said: str) -> str:
        """An answer for a person to read; a line for each text, so that they can be laid side by side."""
        return "" if "error" in answer else said

    def remarks(self, number: int, answer: dict) -> list[str]:
        """What is to be said beside the answer to the text of that number, counted from 1."""
        what = "the text" if self.file is None else f"line {number}"
        found = [f"{what} cannot be answered: {answer['error']}"] if "error" in answer else []
        if "unknown" in answer:
            words = " ".join(map(repr, answer["unknown"][:NAMED]))
            found.append(f"{what} is answered, but words that the run does not know are read as unknown: {words}")
        return found


@dataclass(frozen=True)
class Given:
    """Texts from Python."""

    lines: Iterable[str]

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads the texts in batches."""
        yield from in_batches((read_line(source, line, spec) for line in self.lines), AT_ONCE)


def read_line(source, line: str, spec: dict) -> Read:
    """A text as the source reads it, without the blanks around it."""
    line = line.strip()
    try:
        if has_undecoded(line):
            raise OSError("it came with bytes that are not UTF-8: give it as UTF-8 text")
        seen, more = source.read(line, spec)
        return {"source": line} | more, seen
    except OSError as error:
        return {"source": line, "error": str(error)}, None


def has_undecoded(text: str) -> bool:
    """Whether the text holds what Python makes of bytes that are not UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def in_batches(inputs: Iterator[Read], size: int) -> Iterator[list[Read]]:
    """The same in lists of so many; the last may be shorter."""
    while batch := list(islice(inputs, size)):
        yield batch
