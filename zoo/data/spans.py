"""Texts with spans left out, to learn a language before any task: what was left out? (Raffel 2019, section 3.1.4)

This is span corruption. The source is a window of text in which each left-out span is replaced by a mark of its own (a
sentinel); the target is the spans, each after its mark, and one more mark at the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer

from zoo.data.buckets import BOS, EOS, SOURCE_AND_TARGET
from zoo.data.corruption import FIRST, Sizes, corrupted, left_out
from zoo.data.inputs import Lines
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.source import as_paths, counted, knowing
from zoo.data.text import Text
from zoo.data.tokenized import Tokenized
from zoo.data.tokens import LINE_END, Kind, encode, learn, out_of_vocabulary, read_tokenizer
from zoo.data.windows import random_starts
from zoo.errors import UserError

MARKS = 100  # marks of the tokenizer, as many as T5 has
SPECIAL = ("<pad>", "<bos>", LINE_END, *(f"<extra_id_{number}>" for number in range(MARKS)))
LONGEST = 2048  # tokens of a window


@dataclass(frozen=True)
class Spans(Tokenized):
    """Windows of a text, of which spans are left out: the marked rest is the source, and the spans the target."""

    name: str = "pydocs"
    """Name of a TFDS data set with a `text`: pydocs (needs no network), ptb, tiny_shakespeare, ..."""
    file: Path | None = None
    """Your own text instead, in UTF-8; its last tenth is the test split, the tenth before that the validation split."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    tokens: Kind = "bpe"
    """Kind of tokens: characters, words, or bpe (byte-pair encoding)."""
    vocabulary: int = 2000
    """Largest number of tokens; for words and bpe."""
    tokenizer: Path | None = None
    """A tokenizer.json to use instead of learning one from the training split; it begins with <pad>, <bos>, <eos> and
    the 100 marks."""
    context: int = 128
    """Tokens per window, before some are left out."""
    share: float = 0.15
    """Share of a window's tokens that is left out, 0 to 1."""
    span: float = 3.0
    """Mean number of tokens of a span."""
    batch: int = 32
    """Windows per training step."""

    kind: ClassVar[str] = "sentence"  # as of Pairs, which a network goes on with after it
    meaning: ClassVar[str] = SOURCE_AND_TARGET
    Inputs: ClassVar[type] = Lines
    usage: ClassVar[str] = "--text TEXT"
    bos, eos = BOS, EOS

    def __post_init__(self):
        as_paths(self)
        if not 0 < self.share < 1:
            raise ValueError(f"--data.share came as {self.share}, but must lie between 0 and 1")
        if not self.span >= 1:
            raise ValueError(f"--data.span came as {self.span}, but must be at least 1")
        if not 2 <= self.context <= LONGEST:
            raise ValueError(f"--data.context came as {self.context}, but must be from 2 to {LONGEST}")
        least = len(SPECIAL) + (256 if self.tokens == "bpe" else 1)
        if self.tokens != "characters" and self.vocabulary < least:
            raise ValueError(
                f"--data.vocabulary came as {self.vocabulary}, but {self.tokens} need at least {least}, with the marks"
            )
        if self.sizes.spans >= MARKS:
            raise ValueError(
                f"--data.context {self.context}, --data.share {self.share} and --data.span {self.span} make "
                f"{self.sizes.spans} spans a window, but there are marks for {MARKS - 1}: cut shorter windows"
            )
        _ = self._text  # which checks the rest

    @property
    def sizes(self) -> Sizes:
        """See `Sizes`; at least one token is left out, and at least one is kept for each span."""
        left_out = min(max(1, round(self.share * self.context)), self.context - 1)
        spans = min(max(1, round(left_out / self.span)), left_out, self.context - left_out)
        return Sizes(left_out, spans)

    @property
    def limit(self) -> int:
        """Largest number of tokens of a target."""
        return sum(self.sizes) + 1

    @cached_property
    def _text(self) -> Text:
        same = ("name", "file", "directory", "tokens", "vocabulary", "context", "batch")
        return Text(**{name: getattr(self, name) for name in same})

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return (
            f"of each {self.context} tokens {self.sizes.left_out} left out in {self.sizes.spans} spans, "
            f"a vocabulary of {self.spec['vocabulary']}"
        )

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        return [counted(self), self.summary, *self._known.understood[1:]]

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or one learned from the training split.

        Raises:
            UserError: the file is not a tokenizer, or lacks the marks.
        """
        if self.tokenizer is None:
            return learn(self.tokens, self._text.text("train"), self.vocabulary, SPECIAL)
        codec = read_tokenizer(self.tokenizer)
        if tuple(codec.id_to_token(number) for number in range(len(SPECIAL))) != SPECIAL:
            raise UserError(
                f"{self.tokenizer} is not a tokenizer for left-out spans: its first tokens must be "
                f"{', '.join(SPECIAL[:4])} to {SPECIAL[-1]}"
            )
        return codec

    @cached_property
    def _known(self) -> Text:
        """The text in the tokens of our tokenizer."""
        return knowing(self._text, codec=self.codec)

    @property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        return self._text.splits

    def stored(self, split: str) -> np.ndarray:
        """All tokens of the split, (N,) int32, without those of special tokens that stand in the text.

        Raises:
            UserError: they do not fill a window, or part of the text is unknown to the tokenizer.
        """
        cache = self.__dict__.setdefault("_stored", {})  # the record is frozen, and its data never change
        if split not in cache:
            numbers = self._known.numbers(split)
            cache[split] = numbers[numbers >= len(SPECIAL)].astype(np.int32)
        if len(cache[split]) < self.context:
            raise UserError(
                f"the {split} part of {self.title} has {len(cache[split])} tokens, which do not fill a window of "
                f"{self.context}: give it more text, or a smaller --data.context"
            )
        return cache[split]

    def count(self, split: str) -> int:
        """The number of windows of a split; the last one reaches back into the one before it, to be as long."""
        return -(-len(self.stored(split)) // self.context)

    @property
    def epoch_size(self) -> int:
        """The number of windows that make an epoch."""
        return self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of ((source, target), labels, weights) as a tf.data.Dataset, as those of `Pairs.load`.

        Nothing is padded: with L of C tokens left out in N spans, sources are (B, C - L + N), targets and labels
        (B, L + N + 2), and all weights are 1.

        Args:
            split: train (endless, windows that start at random places, other spans each time), validation or test (one
                pass, with spans that are always the same).
            seed: of the windows and the spans of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        numbers = self.stored(split)
        if split == "train":
            return self._stream(numbers, seed=seed, step=step, stopwatch=stopwatch)
        read = self._reader(numbers)
        return single_pass(self.count(split), lambda windows: read(windows, None, None), batch=self.batch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows of random tokens, to time training on it."""
        random = np.random.default_rng(0)
        numbers = random.integers(len(SPECIAL), self.spec["vocabulary"], count * self.context, np.int32)
        return self._stream(numbers, seed=0, step=0, stopwatch=stopwatch)

    def _stream(self, numbers: np.ndarray, *, seed: int, step: int, stopwatch):
        count = -(-len(numbers) // self.context)
        how = {"seed": seed, "step": step, "stopwatch": stopwatch, "augment": self._reader(numbers)}
        return training_stream(count, lambda windows: (windows,), batch=min(self.batch, count), **how)

    def _reader(self, numbers: np.ndarray):
        """A function of windows, a seed and a step, which reads a batch; without a seed always the same one."""
        tokens, last, sizes, context = tf.constant(numbers), len(numbers) - self.context, self.sizes, self.context

        def read(windows, seed, step):
            if seed is None:
                starts, key = tf.minimum(windows * context, last), tf.constant([0, 1], tf.int64)
            else:
                starts, key = random_starts(windows, seed, step, size=context, last=last)
            text = tf.gather(tokens, starts[:, None] + tf.range(context, dtype=tf.int64))
            source, target = corrupted(text, left_out(key + windows[:, None], context, sizes), sizes)
            begin, end = (tf.fill((tf.size(windows), 1), number) for number in (BOS, EOS))
            labels = tf.concat([target, end], 1)
            return (source, tf.concat([begin, target], 1)), labels, tf.ones_like(labels, tf.float32)

        return read

    def numbers(self, split: str) -> list[tuple[list[int], list[int]]]:
        """The tokens of sources and targets of validation or test, without bos and eos."""
        cache = self.__dict__.setdefault("_numbers", {})
        if split not in cache:
            found = []
            for (source, _), labels, _ in self.load(split):
                found += zip(source.numpy().tolist(), labels.numpy()[:, :-1].tolist(), strict=True)
            cache[split] = found
        return cache[split]

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """The sources and targets of validation or test as texts, with their marks."""
        return [(self.decode(source), self.decode(target)) for source, target in self.numbers(split)]

    def read(self, given: str, spec: dict) -> tuple[list[int], dict]:
        """The tokens of a text in which spans are left out, with <extra_id_0>, <extra_id_1> ... in their places.

        Raises:
            UserError: the tokenizer cannot read it, or it is longer than a window.
        """
        unknown = out_of_vocabulary(self.codec, given) if self.tokens == "words" else []
        tokens = [number for number in encode(self.codec, given, "it") if number >= FIRST]
        if len(tokens) > self.context:
            raise UserError(f"it has {len(tokens)} tokens, but the network learned from {self.context} at once: cut it")
        return tokens, {"unknown": unknown} if unknown else {}

    def decode(self, numbers) -> str:
        """The text of these tokens up to eos, with the marks, without padding and bos."""
        text = takewhile(lambda number: number != EOS, map(int, numbers))
        return self.codec.decode([number for number in text if number >= FIRST], skip_special_tokens=False)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token of the split."""
        return hashlib.sha256(self.stored(split).tobytes()).hexdigest()[:12]
