"""Inputs that users give to a trained network: files, or lines of text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import tyro

from zoo.data.files import side_by_side
from zoo.errors import UserError, has_undecoded

AT_ONCE = 64  # inputs per batch
EACH = 8  # files that a thread takes at once, as handing one over takes a good part of the time to read a small one
NAMED = 10  # unknown words that are listed at most

# The first entries of an answer, among them "error" if the input cannot be read; and the network's input.
Read = tuple[dict, Any]


@dataclass(frozen=True)
class Files:
    """Files and folders of files; the source has `find`, which lists the files below a folder that it can read.

    A source whose `read` is safe in threads says how many to use, as `threads`.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Files of the kind that the run is about, and folders of them."""

    @classmethod
    def of(cls, paths: Iterable[Path | str]) -> Files:
        """A record of these paths."""
        paths = [paths] if isinstance(paths, str | Path) else list(paths)
        wrong = [path for path in paths if not isinstance(path, str | Path) or not str(path)]
        if wrong:
            raise UserError(f"a file came as {wrong[0]!r}, but must be a path")
        return cls(tuple(map(Path, paths)))

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads the files that the source can read, in batches; those of a folder in the order of their names.

        Raises:
            UserError: no file was named.
        """
        if not self.files:
            raise UserError(f"no {source.kind}s were named: wanted {source.usage} after the run")
        threads = getattr(source, "threads", 1)
        read = side_by_side(lambda found: read_file(source, *found, spec), self.found(source), threads, EACH)
        yield from in_batches(read, AT_ONCE)

    def found(self, source) -> Iterator[tuple[Path, str | None]]:
        """Yields each file and None, or a path and what is wrong with it."""
        for path in self.files:
            if not os.path.isdir(path):  # unlike Path.is_dir, this never raises
                yield path, None
                continue
            try:
                files = list(source.find(path))
            except UserError as error:
                yield path, str(error)
                continue
            yield from ((file, None) for file in files)
            if not files:
                yield path, f"no {source.kind}s in this folder"

    def line(self, answer: dict, text: str) -> str:
        """The line to print for an answer, given the task's text for it."""
        return f"{answer['file']}\t{answer.get('error', text)}"

    def remarks(self, number: int, answer: dict) -> list[str]:
        """Nothing needs to be printed besides the answers."""
        return []


def read_file(source, path: Path, problem: str | None, spec: dict) -> Read:
    """One file, read by the source."""
    about = {"file": str(path)}
    if problem is None:
        try:
            value, more = source.read(path, spec)
            return about | more, value
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
    return about | {"error": problem}, None


@dataclass(frozen=True)
class SeriesFiles:
    """Files and folders of files, of which each may hold several series; the source has `find`, and `each`, which
    yields what it reads of a file and entries to add to the answer.
    """

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """CSV files with the columns that the run is about, and folders of them."""

    @classmethod
    def of(cls, paths: Iterable[Path | str]) -> SeriesFiles:
        """A record of these paths."""
        return cls(Files.of(paths).files)

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads the series of the files, in batches.

        Raises:
            UserError: no file was named.
        """
        if not self.files:
            raise UserError(f"no {source.kind}s were named: wanted {source.usage} after the run")
        found = Files(self.files).found(source)
        yield from in_batches(
            (one for path, problem in found for one in read_each(source, path, problem, spec)), AT_ONCE
        )

    def line(self, answer: dict, text: str) -> str:
        """The line to print for an answer, given the task's text for it."""
        where = f"{answer['file']}\t{answer['series']}" if "series" in answer else answer["file"]
        return f"{where}\t{answer.get('error', text)}"

    def remarks(self, number: int, answer: dict) -> list[str]:
        """Nothing needs to be printed besides the answers."""
        return []


def read_each(source, path: Path, problem: str | None, spec: dict) -> Iterator[Read]:
    """Each series of a file as the source reads it, or the file's error."""
    about = {"file": str(path)}
    try:
        if problem is None:
            for value, more in source.each(path, spec):
                yield about | more, value
            return
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    yield about | {"error": problem}, None


@dataclass(frozen=True)
class Lines:
    """Texts, one per line."""

    text: str | None = None
    """A single text."""
    file: Path | None = None
    """A UTF-8 file with one text per line, instead of --text; - for standard input."""

    texts: Annotated[Iterable[str] | None, tyro.conf.Suppress] = None
    """Texts from Python instead."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> Lines:
        """A record of these texts."""
        return cls(texts=[lines] if isinstance(lines, str) else lines)

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads the lines in batches; those of standard input one by one, to answer each as soon as it is typed.

        Raises:
            UserError: neither or both of text and file are given, or the given one cannot be read.
        """
        if self.texts is not None:
            yield from in_batches((read_line(source, line, spec) for line in self.texts), AT_ONCE)
            return
        if (self.text is None) == (self.file is None):
            raise UserError(f"give either --text {source.kind.upper()} or --file FILE (- for standard input)")
        if self.text is None:
            yield from in_batches(
                (read_line(source, line, spec) for line in self.opened(source)), 1 if str(self.file) == "-" else AT_ONCE
            )
            return
        if not self.text.strip():
            raise UserError(f"--text came as {self.text!r}, which holds no {source.kind}")
        about, value = read_line(source, self.text, spec)
        if "error" in about:
            raise UserError(f"--text cannot be answered: {about['error']}")
        yield [(about, value)]

    def opened(self, source) -> Iterator[str]:
        """Yields the lines of the file."""
        try:
            # Only \n ends a line, as in an editor and in `paste`, so that inputs and answers stay aligned.
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

    def line(self, answer: dict, text: str) -> str:
        """The line to print for an answer, given the task's text for it; empty for an error, to keep lines aligned."""
        return "" if "error" in answer else text

    def remarks(self, number: int, answer: dict) -> list[str]:
        """What to print about the answer to the text of that number, counted from 1, besides its line."""
        what = "the text" if self.file is None else f"line {number}"
        remarks = [f"{what} cannot be answered: {answer['error']}"] if "error" in answer else []  # of a file alone
        if "unknown" in answer:
            words = " ".join(map(repr, answer["unknown"][:NAMED]))
            unknown = "words that are not in the run's vocabulary and are read as unknown"
            remarks.append(f"{what} contains {unknown}: {words}")
        return remarks


def read_line(source, line: str, spec: dict) -> Read:
    """One text without surrounding white space, read by the source."""
    if not isinstance(line, str):
        raise UserError(f"a {source.kind} came as {line!r}, but must be text")
    line = line.strip()
    try:
        if has_undecoded(line):
            raise OSError("it came with bytes that are not UTF-8: give it as UTF-8 text")
        value, more = source.read(line, spec)
        return {"source": line} | more, value
    except (OSError, UserError) as error:
        return {"source": line, "error": str(error)}, None


def in_batches(inputs: Iterator[Read], size: int) -> Iterator[list[Read]]:
    """Yields the inputs in lists of `size`; the last may be shorter."""
    while batch := list(islice(inputs, size)):
        yield batch
