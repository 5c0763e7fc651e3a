"""Text with hidden tokens, from which BERT learns (Devlin 2018, arXiv:1810.04805, section 3.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer

from zoo.data.hiding import Hiding, framed
from zoo.data.inputs import Lines
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.plain import remarks
from zoo.data.prepare import UNLABELLED, examples, prepare, with_unlabelled
from zoo.data.source import as_paths, counted
from zoo.data.text import MANY, Text
from zoo.data.texts import Texts
from zoo.data.tokenized import Tokenized
from zoo.data.tokens import VOCABULARY, learn, read_tokenizer
from zoo.data.windows import EVALUATED, random_starts
from zoo.data.wordpiece import MASK, Marks, marks_of, numbers_of
from zoo.errors import UserError

FRAME = 2  # tokens that frame a window: [CLS] and [SEP]
LEAST = 100  # smallest vocabulary that is worth the name


@dataclass(frozen=True)
class Masked(Tokenized):
    """Windows of a text, [CLS] ... [SEP], in which some tokens are hidden: the targets are what stood there.

    In training other tokens are hidden each time that a part of the text is read; those of validation and test are
    always the same.
    """

    name: str = "pydocs"
    """Name of a TFDS data set with a `text`: pydocs (needs no network), imdb_reviews (its unlabelled reviews are
    training texts too), ..."""
    file: Path | None = None
    """Your own text instead, in UTF-8; its last tenth is the test split, the tenth before that the validation split."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    vocabulary: int = 4000
    """Largest number of tokens: WordPiece, in lower case."""
    tokenizer: Path | None = None
    """A tokenizer.json with [PAD] as token 0, [CLS], [SEP] and [MASK], instead of learning one from the training
    split."""
    context: int = 128
    """Tokens per window, with [CLS] and [SEP]."""
    hidden: float = 0.15
    """Share of the tokens that are to be predicted: of these, 80 % are replaced by [MASK], 10 % by others at random."""
    batch: int = 32
    """Windows per training step."""
    windows: int | None = None
    """Windows per epoch; by default as many as are needed to contain each token once."""

    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = (
        "text: the numbers that tokenizer.json, as the library tokenizers reads it, gives to the tokens of a text, "
        "and 0 after its end; places: where in it, from 0 on, tokens are to be predicted"
    )
    Inputs: ClassVar[type] = Lines
    which: ClassVar[tuple[str, ...]] = (*Tokenized.which, "windows")
    usage: ClassVar[str] = '--text "A text with a [MASK]."'

    def __post_init__(self):
        as_paths(self)
        for name, low, high in (("context", FRAME + 2, MANY), ("batch", 1, MANY), ("vocabulary", LEAST, VOCABULARY)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"--data.{name} came as {getattr(self, name)}, but must be from {low} to {high}")
        if self.windows is not None and not 1 <= self.windows < MANY:
            raise ValueError(f"--data.windows came as {self.windows}, but must be at least 1, and less than {MANY}")
        if not 0 < self.hidden < 1:
            raise ValueError(f"--data.hidden came as {self.hidden}, but must be between 0 and 1")

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"windows of {self.context} tokens, {self.hiding.count} hidden, a vocabulary of {self.vocabulary_size}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        sizes = ", ".join(f"{len(self.numbers(split)):,} {split}" for split in self.splits)
        said = [
            counted(self),
            f"parts of words as tokens: {sizes}, a vocabulary of {self.vocabulary_size:,}; "
            f"{self.hiding.count} of the {self.context - FRAME} in a window are hidden",
        ]
        if UNLABELLED in self.splits["train"]:
            said.append("the training texts are those of train and the unlabelled ones")
        if self.file is not None:
            parts = {split: "\n".join(self._documents(split)) for split in self.splits}
            said += remarks("\n".join(parts.values()), parts)
        unseen = {split: self.unknown(split) for split in ("validation", "test")}
        if any(unseen.values()):
            share = ", ".join(f"{share:.2%} of {split}" for split, share in unseen.items())
            said.append(f"words with characters that are too rare in training, all read as one: {share}")
        return said

    @cached_property
    def spec(self) -> dict:
        """The positional arguments of a network's builder."""
        return {"vocabulary": self.vocabulary_size, "context": self.context}

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or one learned from the training split.

        Raises:
            UserError: the file is not a tokenizer, or lacks a token that is needed to hide others.
        """
        if self.tokenizer is None:
            return learn("wordpiece", "\n".join(self._documents("train")), self.vocabulary)
        codec = read_tokenizer(self.tokenizer, padded=True)
        marks = marks_of(codec)
        lacking = [name for name in marks if codec.token_to_id(name) is None]
        if lacking or codec.token_to_id(marks.padding) != 0:
            what = f"lacks {', '.join(lacking)}" if lacking else f"has {codec.id_to_token(0)!r} as its token 0"
            raise UserError(f"{self.tokenizer} {what}, but must have {', '.join(marks)}, the first as token 0")
        return codec

    @cached_property
    def marks(self) -> Marks:
        """The tokens that stand for no text, as the tokenizer calls them."""
        return marks_of(self.codec)

    @cached_property
    def hiding(self) -> Hiding:
        """How tokens are hidden."""
        special = {self.codec.token_to_id(name) for name in self.marks} - {None}
        ordinary = tuple(number for number in range(self.vocabulary_size) if number not in special)
        count = max(1, round(self.hidden * (self.context - FRAME)))
        return Hiding(ordinary, self.codec.token_to_id(self.marks.mask), self.vocabulary_size, self.hidden, count)

    @cached_property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        return with_unlabelled(self._prepared, self.title) if self.file is None else self._text.splits

    def numbers(self, split: str) -> np.ndarray:
        """All tokens of the split, (N,) whole numbers of the smallest type that holds them; [SEP] ends each text.

        Raises:
            UserError: they do not fill a window.
        """
        cache = self.__dict__.setdefault("_numbers", {})  # the record is frozen, and its data never change
        if split not in cache:
            cache[split] = numbers_of(self.codec, self._documents(split))
        if len(cache[split]) < self._inside:
            raise UserError(
                f"the {split} part of {self.title} has {len(cache[split])} tokens, which do not fill a window of "
                f"{self._inside}: give it more text, or a smaller --data.context"
            )
        return cache[split]

    def count(self, split: str) -> int:
        """The number of windows of a split; the last may be shorter."""
        return -(-len(self.numbers(split)) // self._inside)

    def unknown(self, split: str) -> float:
        """The share of a split's tokens that are unknown."""
        return float(np.mean(self.numbers(split) == self.codec.token_to_id(self.marks.unknown)))

    @property
    def epoch_size(self) -> int:
        """The number of windows that make an epoch."""
        return self.windows or self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of ((tokens (B, context), places (B, M)), labels (B, M), weights (B, M)) as a tf.data.Dataset.

        Args:
            split: train (endless, windows that begin at random places), validation or test (one pass, in which each
                token is read once; the last window is padded).
            seed: of the windows of train and of what is hidden in them.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.

        Labels are the tokens that stood at the places; where fewer than M are hidden, weights and labels are 0.
        """
        numbers = self.numbers(split)
        if split == "train":
            return self._stream(numbers, seed=seed, step=step, stopwatch=stopwatch)
        count, inside = self.count(split), self._inside
        tokens = tf.constant(np.pad(numbers, (0, count * inside - len(numbers))))
        places = tf.range(inside, dtype=tf.int64)

        def read(windows):
            text = tf.cast(tf.gather(tokens, windows[:, None] * inside + places), tf.int32)
            return self._hidden(text, tf.stack([tf.constant(0, tf.int64), windows[0]]))

        return single_pass(count, read, batch=max(1, EVALUATED // self.context))

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows of random tokens, to time training on it."""
        numbers = np.random.default_rng(0).choice(self.hiding.ordinary, count * self._inside).astype(np.int32)
        return self._stream(numbers, seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token of the split."""
        return hashlib.sha256(self.numbers(split).astype(np.int32).tobytes()).hexdigest()[:12]

    def tuned(self) -> Texts:
        """Texts with one class each."""
        return Texts()

    @property
    def passed_on(self) -> dict:
        """The tokenizer and its kind, and the sizes: other texts are as long as the windows."""
        sizes = {"length": self.context, "context": self.context, "batch": self.batch}
        return {"tokens": "wordpiece", "tokenizer": self.tokenizer} | sizes

    def read(self, given: str, spec: dict) -> tuple[tuple[np.ndarray, list[int]], dict]:
        """The tokens (context,) of a text with [MASK] where words are missing, and the places of these.

        Raises:
            UserError: nothing is missing in it, or it is too long.
        """
        tokens = self.codec.encode(given.replace(MASK, self.marks.mask)).ids
        places = [place for place, token in enumerate(tokens) if token == self.hiding.mask]
        if not places:
            raise UserError(f"it holds no {MASK}: write {MASK} where a word is missing")
        if len(tokens) > spec["context"]:
            raise UserError(f"it has {len(tokens)} tokens, but the network sees {spec['context']}: shorten it")
        return (np.pad(np.array(tokens, np.int32), (0, spec["context"] - len(tokens))), places), {}

    def pieces(self, numbers) -> list[str]:
        """The tokens as they are written, one by one; `##` begins a part within a word."""
        return [self.codec.id_to_token(int(number)) or self.marks.unknown for number in numbers]

    def decode(self, numbers) -> str:
        """The text of these tokens, with the marks but without padding."""
        return self.codec.decode([int(number) for number in numbers if number], skip_special_tokens=False)

    @property
    def _inside(self) -> int:
        """The tokens of a window within its frame."""
        return self.context - FRAME

    def _stream(self, numbers: np.ndarray, *, seed: int, step: int, stopwatch):
        tokens, inside = tf.constant(numbers), self._inside
        count, last, places = -(-len(numbers) // inside), len(numbers) - inside, tf.range(inside, dtype=tf.int64)

        def cut(windows, seed, step):
            starts, key = random_starts(windows, seed, step, size=inside, last=last)
            return self._hidden(tf.cast(tf.gather(tokens, starts[:, None] + places), tf.int32), key)

        how = {"seed": seed, "step": step, "stopwatch": stopwatch}
        return training_stream(count, lambda windows: (windows,), batch=min(self.batch, count), augment=cut, **how)

    def _hidden(self, text: tf.Tensor, key: tf.Tensor) -> tuple:
        """Windows (B, context - 2) framed, with some of their tokens hidden."""
        start, end = (self.codec.token_to_id(name) for name in (self.marks.start, self.marks.end))
        return self.hiding(framed(text, start, end), key)

    @cached_property
    def _text(self) -> Text:
        """The running text."""
        return Text(self.name, self.file, self.directory)

    @cached_property
    def _prepared(self):
        return prepare(self._text.builder, Text.name)

    def _documents(self, split: str) -> list[str]:
        """The texts of the split; that of a user's file is one."""
        if self.file is not None:
            return [self._text.text(split)]
        return [text.decode() for (text,) in examples(self._prepared, self.splits[split], "text")]
