"""Words and those that stand around them, out of any text, for word vectors."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from zoo.data.inputs import Lines
from zoo.data.pairing import CHUNK, Settings, passes, single
from zoo.data.plain import pieces
from zoo.data.prepare import examples, prepare, with_unlabelled
from zoo.data.source import OTHER, Source, as_paths, counted
from zoo.data.text import Text
from zoo.errors import UserError, nearest

MANY = 2**31  # one more than the largest int32
FEW = 5  # words below which there is nothing to learn
SHOWN = 8  # words that are named
SUM = "king - man + woman"
WORDS = "words.txt"  # file in a run's folder: a word and how often it occurs on each line
BREAK = "\n\n"  # between paragraphs, which no window crosses
WORD = re.compile(rf"{BREAK}|\w+|[^\w\s]")
SPACE, LONG = re.compile(r"\s"), 100  # characters of the longest word
BLANK, TAG = re.compile(r"\n\s*\n"), re.compile(r"<br\s*/?>")


@dataclass(frozen=True)
class Words(Source):
    """Words with those around them and with false neighbours, drawn at random (Mikolov 2013, arXiv:1310.4546).

    Text is lower-cased and cut into words, numbers and marks of punctuation. No window crosses a blank line. All that
    is drawn in a step follows from the seed and the step.
    """

    name: str = "pydocs"
    """Name of a TFDS data set with a `text`: pydocs (needs no network), imdb_reviews, ..."""
    file: Path | None = None
    """Your own text instead, in UTF-8; its last twentieth is the test split, the one before that the validation
    split."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    window: int = 5
    """Words before and after a word that count as near it, at most: the number is drawn anew for each word."""
    negatives: int = 5
    """False neighbours (negative samples) for each true one."""
    cbow: bool = False
    """Whether a word is predicted from those around it (CBOW); else those around it are predicted (skip-gram)."""
    minimum: int = 5
    """Words that occur less often in training are left out."""
    vocabulary: int = 100_000
    """Largest number of words; the most frequent are kept."""
    sample: float = 1e-3
    """Words that are more frequent than this share of the text are thinned out (subsampling, section 2.3); 0: none."""
    known: Path | None = None
    """A words.txt of a run, whose words are taken instead of those of the training split."""
    batch: int = 1024
    """Words per training step, after thinning out."""

    kind: ClassVar[str] = "word"
    meaning: ClassVar[str] = "the numbers of words, which are their lines in words.txt, from 1 on; 0 is none"
    Inputs: ClassVar[type] = Lines

    def __post_init__(self):
        as_paths(self)
        for name, least in (("window", 1), ("negatives", 1), ("minimum", 1), ("vocabulary", FEW), ("batch", CHUNK)):
            value = getattr(self, name)
            if not least <= value < MANY:
                raise ValueError(f"--data.{name} came as {value}, but must be at least {least}, and less than {MANY}")
        if self.batch % CHUNK:
            raise ValueError(f"--data.batch came as {self.batch}, but must be a multiple of {CHUNK}")
        if not 0 <= self.sample < 1:
            raise ValueError(f"--data.sample came as {self.sample}, but must be from 0 (none) to less than 1")

    @property
    def usage(self) -> str:
        """The sum that everybody knows, or else a word that has a vector: a frequent one that is not thinned out."""
        if all(word in self.place for word in SUM.split()[::2]):
            return f'--text "{SUM}"'
        known = [word for word in self.words[1:] if word not in "+-"]
        words = [word for word in known if word.isalpha()] or known
        plain = (word for word in words if self.kept[self.place[word]] >= 1)
        return f"--text {shlex.quote(next(plain, words[0]))}"

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self._text.title

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"{len(self.words) - 1:,} different words, windows of {self.window} on each side"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        named = " ".join(self.words[1 : 1 + SHOWN])
        left = (f"{1 - self.count(split) / max(1, self.total(split)):.2%} of {split}" for split in self.splits)
        said = [
            counted(self),
            f"{len(self.words) - 1:,} different words, lower-cased, the most frequent {named}",
            f"left out, because they occur fewer than {self.minimum} times in training or are not among the "
            f"{self.vocabulary:,} most frequent: " + ", ".join(left),
            f"{np.count_nonzero(self.numbers('train') == 0) + 1:,} paragraphs, beyond which no window reaches",
            f"an epoch has about {self.epoch_size:,} words, once the frequent ones are thinned out",
        ]
        if self.batch > max(CHUNK, len(self.words)):
            times, fewer = self.batch // len(self.words), CHUNK * max(1, len(self.words) // CHUNK)
            said.append(
                f"so few words that each is in a batch of {self.batch} about {times} times, and its changes add up: if "
                f"the loss grows, give --data.batch {fewer}"
            )
        return said

    @property
    def spec(self) -> dict:
        """The positional arguments of a network's builder."""
        return {"vocabulary": self.vocabulary_size, "cbow": self.cbow}

    @property
    def vocabulary_size(self) -> int:
        """The number of words, with 0 for none."""
        return len(self.words)

    @cached_property
    def _counted(self) -> tuple[tuple[str, ...], np.ndarray]:
        return counted_in(self.text("train"), self) if self.known is None else read_words(self.known)

    @property
    def words(self) -> tuple[str, ...]:
        """The words, the most frequent first, after an empty one for 0."""
        return self._counted[0]

    @property
    def counts(self) -> np.ndarray:
        """How often each word occurs in training, (V,) int64; 0 for the first, which is none."""
        return self._counted[1]

    @cached_property
    def place(self) -> dict[str, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words) if number}

    @cached_property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        if self.file is not None:
            return {"train": "the first nine tenths", "validation": "the next twentieth", "test": "the last twentieth"}
        return with_unlabelled(self._prepared, self.title)

    def count(self, split: str) -> int:
        """The number of words of a split that have a vector."""
        return int(np.count_nonzero(self.numbers(split)))

    def total(self, split: str) -> int:
        """The number of words of a split, with or without a vector."""
        return self._read(split)[1]

    @cached_property
    def epoch_size(self) -> int:
        """The number of words that are left of the training split once frequent ones are thinned out, on average."""
        return max(1, round(float(self.counts @ self.kept)))

    @cached_property
    def kept(self) -> np.ndarray:
        """The share of each word's occurrences that are not thinned out, (V,), as gensim and word2vec.c have it.

        The paper's formula 5 is the root alone; the authors' program adds the ratio.
        """
        if not self.sample:
            return np.ones(len(self.words))
        ratio = self.sample * self.counts.sum() / np.maximum(self.counts, 1)
        return np.minimum(np.sqrt(ratio) + ratio, 1)

    def text(self, split: str) -> str:
        """The whole text of the split, lower-cased, with a blank line between paragraphs.

        Raises:
            UserError: there is none, or the file is not text.
        """
        if self.file is None:
            told = (text.decode() for (text,) in examples(self._prepared, self.splits[split], "text"))
            text = BREAK.join(told)
        else:
            text = self._text.text("all")
            at = {"train": (0, 18), "validation": (18, 19), "test": (19, 20), "all": (0, 20)}[split]
            text = text[slice(*(between_words(text, len(text) * part // 20) for part in at))]
        return BLANK.sub(BREAK, TAG.sub("\n", text)).strip().lower()

    def numbers(self, split: str) -> np.ndarray:
        """The words of the split by their numbers, (N,) int32, without those that have none; 0 between paragraphs.

        Raises:
            UserError: there are too few.
        """
        numbers = self._read(split)[0]
        if np.count_nonzero(numbers) < 2:
            raise UserError(
                f"the {split} part of {self.title} has no two words that training knows: give it more text, or a "
                "smaller --data.minimum"
            )
        return numbers

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (inputs, targets) as a tf.data.Dataset; `zoo.models.word2vec` says what the inputs are.

        The targets are (B, T, C): 1 where the word and the other stand together, less than 0 for false neighbours, by
        how many of these it counts for, and 0 where there is nothing to learn.

        Args:
            split: train (endless), validation or test (one pass, of which a part is drawn, always the same).
            seed: of all that is drawn for train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        settings, numbers = self._settings, self.numbers(split)
        if split == "train":
            return passes(numbers, settings, self.epoch_size, seed=seed, step=step, stopwatch=stopwatch)
        return single(numbers, settings)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random words, to time training on it."""
        numbers = np.random.default_rng(0).integers(1, len(self.words), count, np.int32)
        return passes(numbers, self._settings, count, seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any word of the split."""
        digest = hashlib.sha256("\n".join(self.words).encode())
        digest.update(self.numbers(split).tobytes())
        return digest.hexdigest()[:12]

    def files(self) -> dict[str, str]:
        """Text files that a run keeps for later verbs, by name."""
        lines = (f"{word}\t{count}\n" for word, count in zip(self.words[1:], self.counts[1:].tolist(), strict=True))
        return {WORDS: "".join(lines)}

    def of_run(self, folder: Path, labels: Sequence[str]) -> Words:
        """This source with the words of the run."""
        return replace(self, known=folder / WORDS)

    def beside(self, folder: Path, spec: dict) -> Words:
        """Another text, with the same words."""
        return replace(self, name=Words.name, file=None, directory=None, known=folder / WORDS)

    def other(self, spec: dict, then: dict) -> tuple[Words, str] | None:
        """See `zoo.data.Source`."""
        same = self.file is None or self.digest("train") == then["digest"]
        return None if same else (self, f"{OTHER}: all of {self.title} is measured")

    def read(self, given: str, spec: dict) -> tuple[list[tuple[int, int]], dict]:
        """The words of a sum such as king - man + woman: the sign and the number of each.

        Raises:
            UserError: it is empty or no sum, or a word has no vector; the message says which are spelt like it.
        """
        parts = given.lower().split()
        parts = parts if parts[:1] in (["+"], ["-"]) else ["+", *parts]
        signs, words = parts[::2], parts[1::2]
        if not words or len(signs) != len(words) or set(signs) - {"+", "-"}:
            raise UserError(f"{given!r} is neither a word nor a sum: join words by + and -, with blanks around them")
        for word in words:
            if word not in self.place:
                raise UserError(f"{word!r} has no vector: it was never seen, or too seldom{nearest(word, self.words)}")
        return [(1 if sign == "+" else -1, self.place[word]) for sign, word in zip(signs, words, strict=True)], {}

    @property
    def _settings(self) -> Settings:
        return Settings(self.window, self.negatives, self.cbow, self.batch // CHUNK, self.kept, self.counts)

    def _read(self, split: str) -> tuple[np.ndarray, int]:
        """The numbers of the words of a split that have one, with 0 between paragraphs; and how many words it has."""
        cache = self.__dict__.setdefault("_numbers", {})  # the record is frozen, and its data never change
        if split not in cache:
            place, parts = self.place | {BREAK: 0}, []
            for piece in pieces(self.text(split)):
                found = WORD.findall(piece)
                parts.append(np.fromiter((place.get(word, -1) for word in found), np.int32, len(found)))
            numbers = np.concatenate([np.zeros(0, np.int32), *parts])
            cache[split] = numbers[numbers >= 0], int(np.count_nonzero(numbers))
        return cache[split]

    @cached_property
    def _text(self) -> Text:
        return Text(self.name, self.file, self.directory)

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self._text.builder, Text.name)


def between_words(text: str, at: int) -> int:
    """A place at which no word is cut in two: the first white space from there on, if it is near."""
    found = SPACE.search(text, at, at + LONG) if at else None
    return found.start() if found else at


def counted_in(text: str, source: Words) -> tuple[tuple[str, ...], np.ndarray]:
    """The words of a text that a source keeps, the most frequent first, and how often each occurs; a none is first.

    Raises:
        UserError: there are too few.
    """
    number, parts = {BREAK: 0}, []
    for piece in pieces(text):
        found = WORD.findall(piece)
        parts.append(np.fromiter((number.setdefault(word, len(number)) for word in found), np.int32, len(found)))
    counts = np.bincount(np.concatenate(parts), minlength=len(number))
    counts[0] = 0  # a break is no word
    order = np.argsort(-counts, kind="stable")[: source.vocabulary]
    order, words = order[counts[order] >= source.minimum], list(number)
    if len(order) < FEW:
        raise UserError(
            f"the training part of {source.title} has {len(order)} different words that occur {source.minimum} times "
            "or more, which is too little to learn from: give it more text, or a smaller --data.minimum"
        )
    return ("", *(words[at] for at in order)), np.concatenate([[0], counts[order]])


def read_words(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """The words and counts of a words.txt, after a none.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        words, counts = zip(*(line.split("\t") for line in lines), strict=True)
        return ("", *words), np.array([0, *map(int, counts)])
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or is no words.txt of a run: {error}") from error
