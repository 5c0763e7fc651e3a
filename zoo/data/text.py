"""Running text for language models, by TFDS name or from a user's file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tokenizers import Tokenizer

from zoo.data.carried import ring, rows
from zoo.data.inputs import Lines
from zoo.data.plain import read_text, remarks
from zoo.data.prepare import builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.ptb import Ptb
from zoo.data.pydocs import PyDocs
from zoo.data.source import as_paths, counted
from zoo.data.tokenized import Tokenized
from zoo.data.tokens import (
    LINE_END,
    UNKNOWN,
    VOCABULARY,
    Kind,
    encode,
    encode_whole,
    learn,
    out_of_vocabulary,
    read_tokenizer,
)
from zoo.data.windows import at_random, count_of, in_order
from zoo.errors import UserError, has_undecoded

MUCH = 0.2  # share of unknown words above which figures mean little
WAY_OUT = "give --data.tokens characters or bpe, with which nothing is unknown"
AT_ONCE = 2**20  # tokens that are converted at once
MANY = 2**31  # one more than the largest int32
END = "<|endoftext|>"  # GPT-2's mark between two texts
OURS = {"pydocs": PyDocs, "ptb": Ptb}


@dataclass(frozen=True)
class Text(Tokenized):
    """Text to continue: the inputs are windows of it, the targets the same windows one token later."""

    name: str = "pydocs"
    """Name of a TFDS data set with a `text`: pydocs (needs no network), ptb, tiny_shakespeare, ..."""
    file: Path | None = None
    """Your own text instead, in UTF-8; its last tenth is the test split, the tenth before that the validation split."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    tokens: Kind = "characters"
    """Kind of tokens: characters, words, or bpe (byte-pair encoding)."""
    vocabulary: int = 10_000
    """Largest number of tokens; for words and bpe."""
    tokenizer: Path | None = None
    """A tokenizer.json to use instead of learning one from the training split."""
    context: int = 64
    """Tokens per window, which is all that the network sees at once."""
    batch: int = 12
    """Windows per training step."""
    windows: int | None = None
    """Windows per epoch; by default as many as are needed to contain each token once."""
    carried: bool = False
    """Whether each row of a batch continues where that row of the previous batch ended, for stateful networks."""

    kind: ClassVar[str] = "text"
    Inputs: ClassVar[type] = Lines
    which: ClassVar[tuple[str, ...]] = (*Tokenized.which, "windows")
    usage: ClassVar[str] = "--text TEXT"

    def __post_init__(self):
        as_paths(self)
        for name in ("context", "batch", "windows"):
            value = getattr(self, name)
            if value is not None and not 1 <= value < MANY:
                raise ValueError(f"--data.{name} came as {value}, but must be at least 1, and less than {MANY}")
        if self.tokens == "bpe" and self.vocabulary < 256:
            raise ValueError(
                f"--data.vocabulary came as {self.vocabulary}, but bpe begins with the 256 bytes: give more"
            )
        if not 2 <= self.vocabulary <= VOCABULARY:
            raise ValueError(f"--data.vocabulary came as {self.vocabulary}, but must be from 2 to {VOCABULARY}")

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"windows of {self.context} tokens, a vocabulary of {self.spec['vocabulary']}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        sizes = ", ".join(f"{len(self.numbers(split)):,} {split}" for split in self.splits)
        said = [counted(self), f"{self.tokens} as tokens: {sizes}, a vocabulary of {self.vocabulary_size:,}"]
        if self.file is not None:
            text = self._own_text
            cut = ", ".join(f"{what} {split}" for split, what in self.splits.items())
            lines = text.count("\n") + (not text.endswith("\n"))
            said.append(f"{len(text):,} characters in {lines:,} lines: {cut}")
            said += remarks(text, {split: self.text(split) for split in self.splits})
        unseen = {split: self.unknown(split) for split in ("validation", "test") if self.unknown(split)}
        if unseen:
            way = "" if max(unseen.values()) < MUCH else f": {WAY_OUT}"
            kind = "words" if self.tokens == "words" else "characters"
            share = ", ".join(f"{share:.2%} of {split}" for split, share in unseen.items())
            said.append(f"{kind} never seen in training or too rare, all read as one: {share}{way}")
        return said

    @cached_property
    def spec(self) -> dict:
        """The positional arguments of a network's builder.

        Raises:
            UserError: the tokenizer knows too few tokens, or too many.
        """
        spec = {"vocabulary": self.vocabulary_size, "context": self.context}
        return spec | {"carried": min(self.batch, self.count("train"))} if self.carried else spec

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or one learned from the training split.

        Raises:
            UserError: the file is not a tokenizer.
        """
        if self.tokenizer is None:
            return learn(self.tokens, self.text("train"), self.vocabulary)
        return read_tokenizer(self.tokenizer)

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end a text."""
        return frozenset({self.codec.token_to_id(END)} - {None})

    @cached_property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        if self.file is not None:
            return {"train": "the first eight tenths", "validation": "the ninth tenth", "test": "the last tenth"}
        return split_names(self._prepared, self.title)

    def text(self, split: str) -> str:
        """The whole text of the split.

        Raises:
            UserError: there is none, or the file is not text.
        """
        if self.file is None:
            return "\n\n".join(text.decode() for (text,) in examples(self._prepared, self.splits[split], "text"))
        text = self._own_text
        at = {"train": (0, 8), "validation": (8, 9), "test": (9, 10), "all": (0, 10)}[split]
        return text[len(text) * at[0] // 10 : len(text) * at[1] // 10]

    def numbers(self, split: str) -> np.ndarray:
        """All tokens of the split, (N,) whole numbers of the smallest type that holds the vocabulary.

        Raises:
            UserError: they do not fill a window, or part of the text is unknown to the tokenizer.
        """
        cache = self.__dict__.setdefault("_numbers", {})  # the record is frozen, and its data never change
        if split not in cache:
            cache[split] = encode_whole(self.codec, self.text(split), f"the {split} part of {self.title}")
        if len(cache[split]) <= self.context:
            raise UserError(
                f"the {split} part of {self.title} has {len(cache[split])} tokens, which do not fill a window of "
                f"{self.context} and one more: give it more text, or a smaller --data.context"
            )
        return cache[split]

    def count(self, split: str) -> int:
        """The number of windows of a split; the last may be shorter."""
        return count_of(self.numbers(split), self.context)

    def unknown(self, split: str) -> float | None:
        """The share of a split's tokens, without line ends, that are unknown; None if the tokenizer knows all text."""
        numbers, unknown, line_end = self.numbers(split), *map(self.codec.token_to_id, (UNKNOWN, LINE_END))
        if unknown is None:
            return None
        known = np.count_nonzero(numbers == line_end) if self.tokens == "words" and line_end is not None else 0
        return float(np.count_nonzero(numbers == unknown) / max(1, len(numbers) - known))

    @property
    def epoch_size(self) -> int:
        """The number of windows that make an epoch."""
        return self.windows or self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (int32 tokens, the tokens after them), both (B, context), as a tf.data.Dataset.

        Args:
            split: train (endless, windows that start at random places), validation or test (one pass, in which each
                token but the first is predicted once; the last window is padded, so batches have a third element,
                weights (B, context), which are 0 for padding and 1 elsewhere). If `carried`, the rows of a batch read
                consecutive parts of the text, of equal length, side by side.
            seed: of the windows of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        if split == "train":
            return self._stream(self.numbers("train"), seed=seed, step=step, stopwatch=stopwatch)
        if self.carried:
            return rows(self.numbers(split), batch=self.spec["carried"], context=self.context)
        return in_order(self.numbers(split), context=self.context)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows of random tokens, to time training on it."""
        random = np.random.default_rng(0)
        numbers = random.integers(0, self.spec["vocabulary"], count * self.context + 1, np.int32)
        return self._stream(numbers, seed=0, step=0, stopwatch=stopwatch)

    def characters(self, split: str) -> int | None:
        """The number of characters of the tokens predicted in `load`; None if tokenizing loses part of the text.

        If the tokens are characters, an unknown token counts as one character.
        """
        text, numbers = self.text(split), self.numbers(split)
        if len(text) == len(numbers):
            return len(numbers) - 1
        predicted = self.decode(numbers[1:])
        return len(predicted) if text.endswith(predicted) else None

    def read(self, given: str, spec: dict) -> tuple[list[int], dict]:
        """The tokens of a text.

        Raises:
            UserError: the tokenizer cannot read it.
        """
        return encode(self.codec, given, "it"), {}

    def prompt(self, text: str | None) -> list[int]:
        """The tokens of a text to continue, at least one.

        Args:
            text: the prompt; None: a newline, or token 0 if the tokenizer has no newline.

        Raises:
            UserError: the text is empty, is not UTF-8, or contains something unknown to the tokenizer.
        """
        if text is None:
            text = self.decode([0]) if out_of_vocabulary(self.codec, "\n") else "\n"
        if has_undecoded(text):
            raise UserError("the prompt came with bytes that are not UTF-8: give it as UTF-8 text")
        unknown = out_of_vocabulary(self.codec, text)
        if unknown:
            vocabulary = sorted(self.codec.get_vocab())
            typed = (token for token in vocabulary if not out_of_vocabulary(self.codec, token))
            known = ", ".join(map(repr, islice(typed, 20)))
            raise UserError(
                f"the prompt holds {' '.join(map(repr, unknown[:10]))}, for which the run has no token: use others, "
                f"such as {known}"
            )
        tokens = encode(self.codec, text, "the prompt")
        if not tokens:
            raise UserError(f"the prompt came as {text!r}, which holds no token: give at least a word")
        return tokens

    def decode(self, numbers) -> str:
        """The text of these tokens, with the marks between texts."""
        return self.codec.decode([int(number) for number in numbers], skip_special_tokens=False)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token of the split."""
        digest, numbers = hashlib.sha256(), self.numbers(split)
        for start in range(0, len(numbers), AT_ONCE):
            digest.update(numbers[start : start + AT_ONCE].astype(np.int32).tobytes())
        return digest.hexdigest()[:12]

    def _stream(self, numbers: np.ndarray, *, seed: int, step: int, stopwatch):
        stream, batch = (ring, self.spec["carried"]) if self.carried else (at_random, self.batch)
        return stream(numbers, batch=batch, context=self.context, seed=seed, step=step, stopwatch=stopwatch)

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set, or it does not contain text.
        """
        directory = place_of(self.directory)
        if self.name in OURS:
            return builder_of(OURS[self.name], directory)
        builder = known_builder(self.name, directory, "pydocs")
        features = dict(builder.info.features.items())
        if not isinstance(features.get("text"), tfds.features.Text):
            raise UserError(f"{self.name} does not hold text: its features are {', '.join(features)}")
        return builder

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self.builder, "pydocs")

    @cached_property
    def _own_text(self) -> str:
        return read_text(self.file)
