"""Texts with one class each, by TFDS name or from a user's files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer, decoders

from zoo.data.features import Tokens
from zoo.data.folds import FOLDS
from zoo.data.nbsvm import nbsvm
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.source import as_paths, counted, knowing
from zoo.data.text_lines import TextLines
from zoo.data.text_sets import TextSet
from zoo.data.tokenized import TOKENIZER, Tokenized
from zoo.data.tokens import VOCABULARY, ReadKind, encode, learn, out_of_vocabulary, read_padded
from zoo.data.vectors import read_vectors
from zoo.errors import UserError

EVALUATED = 500  # texts per batch of validation and test
SPECIAL = ("<pad>",)  # token 0, the padding
LONGEST = 10_000  # largest number of tokens of a text


@dataclass(frozen=True)
class Texts(Tokenized):
    """Texts with one class each, as tokens, all padded with 0 to the same length."""

    name: str = "languages"
    """Name of a TFDS data set with a `text` and a `label`: languages (needs no network), rotten_tomatoes,
    imdb_reviews, ..."""
    folder: Path | None = None
    """Your own texts instead: a folder with a sub-folder of .txt files for each class."""
    file: Path | None = None
    """Your own texts instead: a CSV or TSV file with names in its first line, or a JSONL file with an object a line."""
    text: str | None = None
    """Name of the column or the feature with the texts; by default it is guessed."""
    label: str | None = None
    """Name of the column or the feature with the labels; by default it is guessed."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    tokens: ReadKind = "characters"
    """Kind of tokens: characters, words (as they are written), uncased (words in lower case and punctuation marks), bpe
    (byte-pair encoding), or wordpiece (lower-case parts of words, framed as BERT wants them)."""
    vocabulary: int = 20_000
    """Largest number of tokens, except for characters."""
    tokenizer: Path | None = None
    """A tokenizer.json with a token for padding, <pad> or [PAD], to use instead of learning one from the training
    split."""
    length: int = 64
    """Number of tokens to read of each text; longer texts are truncated."""
    batch: int = 64
    """Texts per training step; all of them if there are fewer."""
    fold: int | None = field(default=None, metadata={"later": True})
    """For cross-validation, 0 to 9: that tenth of all texts is the test, instead of the splits that the data have."""
    vectors: Path | None = field(default=None, metadata={"later": True})
    """A file of word vectors with which the network's table of tokens begins: of word2vec (text or binary) or GloVe."""

    kind: ClassVar[str] = "text"
    Inputs: ClassVar[type] = TextLines
    alternatives: ClassVar[tuple[str, ...]] = ("folder", "file")
    which: ClassVar[tuple[str, ...]] = (*Tokenized.which, "folder", "text", "label", "fold", "vectors")
    usage: ClassVar[str] = "--text TEXT"

    def __post_init__(self):
        as_paths(self)
        if self.folder is not None and self.file is not None:
            raise ValueError("--data.folder and --data.file came together: give one of them")
        least = len(SPECIAL) + (256 if self.tokens == "bpe" else 1)
        for name, low, high in (("length", 1, LONGEST), ("batch", 1, LONGEST), ("vocabulary", least, VOCABULARY)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"--data.{name} came as {getattr(self, name)}, but must be from {low} to {high}")
        if self.fold is not None and not 0 <= self.fold < FOLDS:
            raise ValueError(f"--data.fold came as {self.fold}, but must be from 0 to {FOLDS - 1}")

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self._set.title

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        longer = sum(len(tokens) > self.length for tokens in self._read("train")[0])
        cut = f"; {longer} longer training texts are cut" if longer else ""
        return f"{len(self.labels)} classes, a vocabulary of {self.vocabulary_size}, {self.length} tokens at most{cut}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        said = [counted(self), *self._set.notes]
        if self.vectors is not None:
            found, words = len(self._vectors), self.vocabulary_size - 1
            said.append(
                f"vectors from {self.vectors.name}: {found:,} of {words:,} tokens have one, of {self.width} numbers; "
                "the others are drawn at random"
            )
        return said

    @property
    def selection(self) -> dict:
        """Which fold is measured; all texts are used."""
        return {} if self.fold is None else {"fold": self.fold}

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs."""
        return self._set.labels

    @cached_property
    def spec(self) -> dict:
        """The positional arguments of a network's builder."""
        spec = {"vocabulary": self.vocabulary_size, "classes": len(self.labels)}
        return spec if self.vectors is None else spec | {"vectors": self.width}

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or one learned from the training split.

        Raises:
            UserError: the file is not a tokenizer, or its tokenizer has no padding.
        """
        if self.tokenizer is None:
            return learn(self.tokens, "\n".join(self._stored("train")[0]), self.vocabulary, SPECIAL)
        return read_padded(self.tokenizer)

    @cached_property
    def closing(self) -> int:
        """The number of marks that the tokenizer sets after each text, such as [SEP]; those before it need no care."""
        marks = self.codec.encode("a").special_tokens_mask
        return len(marks) - len("".join(map(str, marks)).rstrip("1"))

    @cached_property
    def splits(self) -> dict[str, str]:
        """Train, validation and test, and what each consists of."""
        return self._set.splits

    def count(self, split: str) -> int:
        """The number of texts of a split, or of all of a user's own."""
        return len(self._whole[1]) if split == "all" else self._set.count(split)

    @property
    def epoch_size(self) -> int:
        """An epoch is all training texts."""
        return self.count("train")

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """All tokens (N, length) int32 and all labels (N,) int64."""
        tokens, labels = self._read(split)
        return np.stack([self.filled(row) for row in tokens]), labels

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (tokens (B, length) int32, one-hot labels) as a tf.data.Dataset; see `Source.load`."""
        tokens, labels = self.arrays(split)
        right = self.right(split)
        if split != "train":
            return single_pass(len(labels), self._reader(tokens, labels, right), batch=EVALUATED)
        return self._stream(tokens, labels, right, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random texts, to time training on it."""
        random = np.random.default_rng(0)
        tokens = random.integers(1, self.vocabulary_size, (count, self.length), np.int32)
        labels = random.integers(0, len(self.labels), count)
        return self._stream(tokens, labels, None, seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token or label of the split."""
        right = self.right(split)
        parts = self.arrays(split) if right is None else (*self.arrays(split), right)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:12]

    def of_run(self, folder: Path, labels: Sequence[str]) -> Texts:
        """This source with the tokenizer in the run's folder and the run's labels."""
        return knowing(replace(self, tokenizer=folder / TOKENIZER, vectors=None), labels=list(labels))

    def read(self, given: str, spec: dict) -> tuple[np.ndarray, dict]:
        """The tokens (length,) of a text; its words or characters that have none, if any, as `unknown`, and of a longer
        text, how many tokens it has as `cut`.

        Raises:
            UserError: the text is empty, or the tokenizer cannot read it.
        """
        if not encode(self.codec, given, "it"):
            raise UserError("it is empty")
        tokens = encode(self.codec, given, "it", framed=True)
        unknown = out_of_vocabulary(self.codec, given)
        about = {"unknown": unknown} if unknown else {}
        return self.filled(tokens), about | ({"cut": len(tokens)} if len(tokens) > self.length else {})

    def other(self, spec: dict, then: dict) -> tuple[Texts, str] | None:
        """See `zoo.data.Source`; other texts are measured as a whole, and not in folds."""
        found = super().other(spec, then)
        return found and (knowing(replace(self, fold=None), labels=self.labels), found[1])

    @property
    def is_own(self) -> bool:
        """Whether the texts are a user's own."""
        return self.file is not None or self.folder is not None

    @property
    def whole(self) -> str:
        """What is measured, in words, if all of a user's texts are; with the classes of which there are none."""
        _, labels, notes = self._whole
        absent = [label for number, label in enumerate(self.labels) if number not in labels]
        lacks = f"; none of {', '.join(absent[:10])}{' ...' * (len(absent) > 10)}" if absent else ""
        return "; ".join([f"all {len(labels):,} texts of {self.title} that have a label are measured{lacks}", *notes])

    def names(self, split: str) -> list[str]:
        """The texts of a split, each in a line."""
        return [" ".join(text.split()) for text in self._stored(split)[0]]

    def right(self, split: str) -> np.ndarray | None:
        """Which classes are right for each text, (N, classes) bool; None if no text has several."""
        return None if split == "all" else self._set.right(split)

    def initial(self) -> dict[str, np.ndarray]:
        """What the network's tables of tokens begin with: the given vectors, (vocabulary, width) float32.

        Tokens without one are drawn evenly from a range in which they vary as the vectors do (Kim 2014, section 4.3).
        """
        if self.vectors is None:
            return {}
        known = np.stack(list(self._vectors.values()))
        reach = float(np.sqrt(3) * known.std())
        table = np.random.default_rng(0).uniform(-reach, reach, (self.vocabulary_size, self.width)).astype(np.float32)
        table[list(self._vectors)] = known
        return dict.fromkeys(("tokens", "tokens_static"), table)

    def rivals(self, split: str) -> dict[str, np.ndarray]:
        """What NB-SVM answers, of the same tokens at their full lengths; nothing where there is no training split."""
        if split == "all":
            return {}
        tokens, labels = self._read("train")
        answers, count = nbsvm(tokens, labels, self._read(split)[0], len(self.labels))
        part = f" (trained on {count:,} of the texts)" if count < len(tokens) else ""
        return {f"NB-SVM of tokens and their pairs{part}": answers}

    def views(self, inputs: np.ndarray) -> list[str]:
        """The inputs (N, length) in the form in which they are shown: as texts."""
        return [self.codec.decode([int(token) for token in row if token]) for row in inputs]

    def features(self, tokens: np.ndarray) -> Tokens:
        """What an input (length,) consists of: tokens, without the padding."""
        real = tokens != 0
        groups = np.where(real, np.cumsum(real) - 1, -1)
        return Tokens(groups, [self._written(int(number)) for number in tokens[real]])

    def _written(self, number: int) -> str:
        """A token as it is written; of parts of words with their marks, of bytes as letters where they are some."""
        token = self.codec.id_to_token(number) or ""
        bytewise = isinstance(self.codec.decoder, decoders.ByteLevel)
        return (self.codec.decode([number], skip_special_tokens=False) or token) if bytewise else token

    def filled(self, tokens: Sequence[int]) -> np.ndarray:
        """The tokens of a text, truncated before the marks that end it or padded at the end, to (length,) int32."""
        row = np.zeros(self.length, np.int32)
        if len(tokens) > self.length:
            kept = min(self.closing, self.length)
            tokens = [*tokens[: self.length - kept], *tokens[len(tokens) - kept :]]
        row[: len(tokens)] = tokens
        return row

    def _stream(self, tokens: np.ndarray, labels: np.ndarray, right, *, seed: int, step: int, stopwatch):
        batch = min(self.batch, len(labels))
        reader = self._reader(tokens, labels, right)
        return training_stream(len(labels), reader, batch=batch, seed=seed, step=step, stopwatch=stopwatch)

    def _reader(self, tokens: np.ndarray, labels: np.ndarray, right: np.ndarray | None):
        """A function for tf.data from (batch,) indices to their tokens and one-hot labels; several share."""
        inputs, targets, classes = tf.constant(tokens), tf.constant(labels), len(self.labels)
        if right is None:
            return lambda indices: (tf.gather(inputs, indices), tf.one_hot(tf.gather(targets, indices), classes))
        parts = tf.constant((right / right.sum(-1, keepdims=True)).astype(np.float32))
        return lambda indices: (tf.gather(inputs, indices), tf.gather(parts, indices))

    @cached_property
    def _set(self) -> TextSet:
        """Where the texts come from."""
        own = self.folder or self.file
        return TextSet(self.name, own, self.text, self.label, self.directory, self.fold)

    @cached_property
    def _vectors(self) -> dict[int, np.ndarray]:
        """The given vectors by the numbers of their tokens.

        Raises:
            UserError: the file cannot be used.
        """
        numbers = self.codec.get_vocab()
        found = read_vectors(self.vectors, numbers.keys() - set(SPECIAL))
        return {numbers[word]: vector for word, vector in found.items()}

    @property
    def width(self) -> int:
        """Numbers of a given vector."""
        return len(next(iter(self._vectors.values())))

    def _stored(self, split: str) -> tuple[list[str], np.ndarray]:
        """The texts of the split, or all of a user's own, and their labels."""
        return self._whole[:2] if split == "all" else self._set.stored(split)

    @cached_property
    def _whole(self) -> tuple[list[str], np.ndarray, list[str]]:
        return self._set.whole(self.labels)

    def _read(self, split: str) -> tuple[list[list[int]], np.ndarray]:
        """The tokens of the texts, at their full lengths, and the labels."""
        cache = self.__dict__.setdefault("_tokens", {})
        if split not in cache:
            texts, labels = self._stored(split)
            what = f"the {split} part of {self.title}"
            cache[split] = [encode(self.codec, text, what, framed=True) for text in texts], labels
        return cache[split]
