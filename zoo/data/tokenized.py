"""What all sources of texts share whose tokens are numbered by a tokenizer, which a run keeps."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from tokenizers import Tokenizer

from zoo.data.source import OTHER, Source
from zoo.data.tokens import size_of_vocabulary
from zoo.errors import UserError

TOKENIZER = "tokenizer.json"  # file in a run's folder that holds the tokenizer


class Tokenized(Source):
    """A source with at least these fields."""

    name: str
    """Of a TFDS data set."""
    file: Path | None
    """The user's own texts instead."""
    directory: Path | None
    """Where TFDS stores data."""
    tokenizer: Path | None
    """A tokenizer.json to use instead of learning one from the training split."""
    which: ClassVar[tuple[str, ...]] = ("name", "file", "directory")
    """The fields that say which texts are read; all others say how."""
    meaning: ClassVar[str] = (
        "the numbers that tokenizer.json, as the library tokenizers reads it, gives to the tokens of a text, and 0 "
        "after its end"
    )

    @property
    @abstractmethod
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or one learned from the training split.

        Raises:
            UserError: the file is not a tokenizer, or lacks tokens that are needed.
        """

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.file.name if self.file else self.name

    @cached_property
    def spec(self) -> dict:
        """The positional arguments of a network's builder.

        Raises:
            UserError: the tokenizer knows too few tokens, or too many.
        """
        return {"vocabulary": self.vocabulary_size}

    @property
    def vocabulary_size(self) -> int:
        """The size of the vocabulary, counting numbers that no token has.

        Raises:
            UserError: the tokenizer knows too few tokens, or too many.
        """
        return size_of_vocabulary(self.codec, self.title)

    def files(self) -> dict[str, str]:
        """The file that a run keeps: the tokenizer."""
        return {TOKENIZER: self.codec.to_str()}

    def of_run(self, folder: Path, labels: Sequence[str]) -> Tokenized:
        """This source with the tokenizer in the run's folder."""
        return replace(self, tokenizer=folder / TOKENIZER)

    def beside(self, folder: Path, spec: dict) -> Tokenized:
        """Other texts, read in the same way with the same tokenizer."""
        default = {field.name: field.default for field in fields(self)}
        return replace(self, **{name: default[name] for name in self.which}, tokenizer=folder / TOKENIZER)

    @property
    def passed_on(self) -> dict:
        """The kind of tokens, where that is a setting."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name == "tokens"}

    def other(self, spec: dict, then: dict) -> tuple[Tokenized, str] | None:
        """See `zoo.data.Source`."""
        with contextlib.suppress(UserError):  # too little to train on may still be measured
            if not self.is_own or self.digest("train") == then["digest"]:
                return None
        return self, f"{OTHER}: {self.whole}"

    @property
    def is_own(self) -> bool:
        """Whether the texts are a user's own."""
        return self.file is not None

    @property
    def whole(self) -> str:
        """What is measured, in words, if all of a user's texts are."""
        return f"all of {self.title} is measured"
