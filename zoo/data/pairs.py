"""Pairs of sentences for translation, by TFDS name or from a user's file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tokenizers import Tokenizer

from zoo.data.buckets import BOS, EOS, SOURCE_AND_TARGET, endless, lengths_of, once, padded, widths
from zoo.data.dates import Dates
from zoo.data.dates_and_numbers import DatesAndNumbers
from zoo.data.inputs import Lines
from zoo.data.multi30k import Multi30k
from zoo.data.prepare import builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.source import as_paths, counted
from zoo.data.tokenized import Tokenized
from zoo.data.tokens import (
    LINE_END,
    VOCABULARY,
    Kind,
    encode,
    learn,
    out_of_vocabulary,
    read_tokenizer,
)
from zoo.data.tsv import Table, part_of, read_pairs, remarks
from zoo.errors import UserError
from zoo.metrics import by_prefix

SPECIAL = ("<pad>", "<bos>", LINE_END)  # tokens PADDING, BOS and EOS of zoo.data.buckets
OURS = {"dates": Dates, "dates_and_numbers": DatesAndNumbers, "multi30k": Multi30k}
LONGEST = 10_000  # largest limit of tokens per sentence, number of lengths, and number of pairs per batch
FAR = 5  # sentences of more than this many times the limit are refused: they would not fit into memory


@dataclass(frozen=True)
class Pairs(Tokenized):
    """Sentences and their translations; both languages share one tokenizer."""

    name: str = "dates"
    """Name of a TFDS data set of translations: dates and dates_and_numbers (need no network), multi30k,
    tatoeba/tatoeba_de, ..."""
    source: str | None = None
    """Language to translate from, such as en (for tatoeba's data sets: source or target); by default the first of the
    data set."""
    target: str | None = None
    """Language to translate to, such as de; by default the second of the data set."""
    file: Path | None = None
    """Your own UTF-8 text instead, one pair per line: source, tab, target; further columns and columns of numbers are
    ignored. A tenth each is for validation and the test, without any source that is in training."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    tokens: Kind = "characters"
    """Kind of tokens: characters, words, or bpe (byte-pair encoding)."""
    vocabulary: int = 8000
    """Largest number of tokens; for words and bpe."""
    tokenizer: Path | None = None
    """A tokenizer.json to use instead of learning one from the training split; its tokens 0, 1 and 2 must be <pad>,
    <bos> and <eos>."""
    batch: int = 64
    """Pairs per training step."""
    limit: int = 100
    """Largest number of tokens of a sentence: longer ones are left out of training, and translations end there."""
    lengths: int = 8
    """Number of lengths to which sentences are padded: batches have this many shapes, each compiled separately by
    XLA."""

    kind: ClassVar[str] = "sentence"
    meaning: ClassVar[str] = SOURCE_AND_TARGET
    Inputs: ClassVar[type] = Lines
    which: ClassVar[tuple[str, ...]] = (*Tokenized.which, "source", "target")
    usage: ClassVar[str] = "--text SENTENCE"

    def __post_init__(self):
        as_paths(self)
        for name in ("batch", "limit", "lengths"):
            value = getattr(self, name)
            if not 1 <= value <= LONGEST:
                raise ValueError(f"--data.{name} came as {value}, but must be from 1 to {LONGEST}")
        least = len(SPECIAL) + (256 if self.tokens == "bpe" else 1)
        if self.vocabulary > VOCABULARY:
            raise ValueError(f"--data.vocabulary came as {self.vocabulary}, but must be at most {VOCABULARY}")
        if self.vocabulary < least:
            has = f"{len(SPECIAL)} special tokens and {'the 256 bytes' if self.tokens == 'bpe' else 'an unknown one'}"
            raise ValueError(f"--data.vocabulary came as {self.vocabulary}, but {self.tokens} begin with {has}")
        if self.source is not None and self.source == self.target:
            raise ValueError(f"--data.source and --data.target both came as {self.source}, but must differ")

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        longer = len(self.pairs("train")) - self.count("train")
        left_out = f", {longer} longer ones left out of training" if longer else ""
        return (
            f"{' to '.join(self.languages)}, {self.limit} tokens at most{left_out}, "
            f"a vocabulary of {self.spec['vocabulary']}"
        )

    bos, eos = BOS, EOS  # the tokens that start and end a translation

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        said = [counted(self)]
        if self.file is not None:
            said += [*remarks({split: self.pairs(split) for split in self.splits}), *self._own.notes]
        kinds = by_prefix([source for split in self.splits for source, _ in self.pairs(split)])
        if kinds:
            said.append(
                "told apart by their beginnings: " + ", ".join(f"{len(of):,} {kind}:" for kind, of in kinds.items())
            )
        longer = len(self.pairs("train")) - self.count("train")
        return [*said, f"longer than {self.limit} tokens, left out of training: {longer:,}"] if longer else said

    @property
    def selection(self) -> dict:
        """The largest number of tokens of a sentence."""
        return {"limit": self.limit}

    @cached_property
    def languages(self) -> tuple[str, str]:
        """The language to translate from, and the one to translate to.

        Raises:
            UserError: the data set does not have one of them.
        """
        if self.file is not None:
            return self.source or "source", self.target or "target"
        known = list(columns(self.builder))
        source = self.source or next((language for language in known if language != self.target), None)
        target = self.target or next((language for language in known if language != source), None)
        for flag, language in (("source", source), ("target", target)):
            if language not in known:
                raise UserError(f"--data.{flag} came as {language}, but {self.name} has {', '.join(known)}")
        return source, target

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer of both languages: the given one, or one learned from the training split.

        Raises:
            UserError: the file is not a tokenizer, or lacks the special tokens of translation.
        """
        if self.tokenizer is None:
            text = "\n".join(sentence for pair in self.pairs("train") for sentence in pair)
            return learn(self.tokens, text, self.vocabulary, SPECIAL)
        codec = read_tokenizer(self.tokenizer)
        first = tuple(codec.id_to_token(number) for number in range(len(SPECIAL)))
        if first != SPECIAL:
            raise UserError(
                f"{self.tokenizer} is not a tokenizer for translation: its first tokens are "
                f"{', '.join(map(repr, first))}, but must be {', '.join(SPECIAL)}"
            )
        return codec

    @cached_property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        if self.file is not None:
            return {"train": "eight tenths of the sources", "validation": "a tenth", "test": "a tenth"}
        return split_names(self._prepared, self.title)

    @property
    def whole(self) -> str:
        """What is measured, in words, if all of a user's pairs are."""
        return f"all {self.count('all'):,} pairs are measured"

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """All sentences of the split with their translations, in the order of the data.

        Raises:
            UserError: there are none, or a line of the file lacks its tab.
        """
        cache = self.__dict__.setdefault("_pairs", {})  # the record is frozen, and its data never change
        if split not in cache:
            cache[split] = part_of(self._own.pairs, split) if self.file else self._of_tfds(split)
            if not cache[split]:
                raise UserError(f"the {split} part of {self.title} holds no pair of sentences: give it more pairs")
        return cache[split]

    def numbers(self, split: str) -> list[tuple[list[int], list[int]]]:
        """The tokens of the pairs, without bos and eos; for train, only of pairs within the limit.

        Raises:
            UserError: no pair is within the limit, part of the text is unknown to the tokenizer, or a sentence of
                validation or test is far beyond the limit.
        """
        cache = self.__dict__.setdefault("_numbers", {})
        if split not in cache:
            what = f"the {split} part of {self.title}"
            encoded = [tuple(self.encode(text, what) for text in pair) for pair in self.pairs(split)]
            if split == "train":
                encoded = [pair for pair in encoded if max(map(len, pair)) <= self.limit]
            elif max(len(side) for pair in encoded for side in pair) > FAR * self.limit:
                raise UserError(
                    f"{what} has a sentence of more than {FAR} times --data.limit {self.limit} tokens: shorten it, or "
                    "give a larger limit"
                )
            if not encoded:
                raise UserError(f"{what} has no pair of at most {self.limit} tokens: give it a larger --data.limit")
            cache[split] = encoded
        return cache[split]

    def count(self, split: str) -> int:
        """The number of pairs of a split."""
        return len(self.numbers(split))

    @property
    def epoch_size(self) -> int:
        """The number of rows in the batches of an epoch: each pair once, and the padding of the last batch."""
        return padded(self.count("train"), self.batch)

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of ((source, target), labels, weights) as a tf.data.Dataset, all padded with 0 at the end.

        source is (B, S) int32; target (B, T) starts with bos; labels (B, T) are the target one token later and end with
        eos; weights (B, T) are 1 where there is a token to predict, else 0. A batch has pairs of similar length. S and
        T are two of a few lengths, determined by the training split; B is constant, as the last batch is filled up with
        empty rows.

        Args:
            split: train (endless, each pair once per epoch), validation or test (one pass, including pairs beyond the
                limit).
            seed: of the order of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        train, numbers = lengths_of(self.numbers("train")), self.numbers(split)
        longest = np.maximum(train.max(0), lengths_of(numbers).max(0))
        # Sentences longer than all of training are padded to the longest.
        edges = np.union1d(widths(train.max(1), self.lengths), longest.max())
        if split == "train":
            return endless(numbers, edges, longest, batch=self.batch, seed=seed, step=step, stopwatch=stopwatch)
        return once(numbers, edges, longest, batch=self.batch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` pairs of random tokens, of the average lengths in train."""
        random, mean = np.random.default_rng(0), lengths_of(self.numbers("train")).mean(0).round().astype(int)
        numbers = [
            tuple(random.integers(len(SPECIAL), self.spec["vocabulary"], length).tolist() for length in mean)
            for _ in range(count)
        ]
        return endless(numbers, np.array([mean.max()]), mean, batch=self.batch, seed=0, step=0, stopwatch=stopwatch)

    def read(self, given: str, spec: dict) -> tuple[list[int], dict]:
        """The tokens of a sentence, and if there are any, the words that have none as `unknown`.

        Raises:
            UserError: the sentence contains characters that have no token, or is too long.
        """
        unknown = out_of_vocabulary(self.codec, given)
        if unknown and self.tokens == "characters":
            raise UserError(f"it holds {' '.join(map(repr, unknown[:10]))}, for which the run has no token")
        tokens = self.encode(given, "it")
        if len(tokens) > self.limit:
            raise UserError(
                f"it has {len(tokens)} tokens, but the network learned from sentences of at most {self.limit}: cut it"
            )
        return tokens, {"unknown": unknown} if unknown else {}

    def encode(self, text: str, what: str = "the text") -> list[int]:
        """The tokens of a sentence; special tokens in its text are left out.

        Raises:
            UserError: part of the text is not in the vocabulary, and the tokenizer has no token for unknown text; the
                message starts with `what`.
        """
        return [number for number in encode(self.codec, text, what) if number >= len(SPECIAL)]

    def decode(self, numbers) -> str:
        """The text of these tokens up to eos, without padding and bos."""
        text = takewhile(lambda number: number != EOS, map(int, numbers))
        return self.codec.decode([number for number in text if number >= len(SPECIAL)])

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token of the split."""
        return hashlib.sha256(repr(self.numbers(split)).encode()).hexdigest()[:12]

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set, or it does not contain translations.
        """
        directory = place_of(self.directory)
        if self.name in OURS:
            return builder_of(OURS[self.name], directory)
        builder = known_builder(self.name, directory, "dates")
        if len(columns(builder)) < 2:
            raise UserError(
                f"{self.name} does not hold translations: its features are {', '.join(builder.info.features)}"
            )
        return builder

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self.builder, "dates")

    def _of_tfds(self, split: str) -> list[tuple[str, str]]:
        """The pairs of a TFDS split, without those of which one side is empty."""
        names = [columns(self.builder)[language] for language in self.languages]
        stored = examples(self._prepared, self.splits[split], *names)
        pairs = (tuple(sentence.decode().strip() for sentence in pair) for pair in stored)
        return [pair for pair in pairs if all(pair)]

    @cached_property
    def _own(self) -> Table:
        return read_pairs(self.file)


def columns(builder: tfds.core.DatasetBuilder) -> dict[str, str]:
    """The languages of a TFDS data set, each with the feature that holds its sentences; empty without translations."""
    features = builder.info.features
    if isinstance(features, tfds.features.Translation):
        return {language: language for language in features}
    if {"source_sentence", "target_sentence"} <= set(features):  # data sets of a single pair of languages
        return {"source": "source_sentence", "target": "target_sentence"}
    return {}
