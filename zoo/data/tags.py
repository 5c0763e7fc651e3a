"""Sentences in which spans of tokens are tagged, such as names: by TFDS name, or from a user's files."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tokenizers import Tokenizer, models

from zoo.data.coder import Coder, Cut, Rows, reader
from zoo.data.conll import Sentence, Tagged, in_bio, read_conll
from zoo.data.date_parts import DateParts
from zoo.data.inputs import Lines
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.sentences import Parts, features_of, found_beside, read_tag, shares
from zoo.data.source import as_paths, knowing
from zoo.data.tokenized import TOKENIZER, Tokenized
from zoo.data.tokens import UNKNOWN, VOCABULARY, of_words, read_padded
from zoo.data.wnut17 import Wnut17
from zoo.errors import UserError

OURS = {"date_parts": DateParts, "wnut17": Wnut17}
SPECIAL = ("<pad>", UNKNOWN)  # token 0 pads, token 1 stands for words that training does not have
CHARACTERS = "characters.json"  # file in a run's folder that holds the characters of words
LETTERS = 24  # characters that are read of a word
EVALUATED = 64  # windows per batch of validation and test
NAMED = 20  # kinds that are counted in what was understood
WIDEST = 1000  # largest length of a window: spans are compared by pairs of their places
LONGEST = 10_000  # largest batch
NOTHING = -1  # the target of a token that has no tag: padding, and all pieces of a word but the first


@dataclass(frozen=True)
class Tags(Tokenized):
    """Sentences as tokens, a tag for each; what belongs together is a span.

    The labels are O, which is outside of all spans, and for each kind B-kind, which begins a span, and I-kind, which
    goes on with it.
    """

    name: str = "date_parts"
    """Name of a data set: date_parts (needs no network), wnut17, or one of TFDS with `tokens` and `tags` or `ner`."""
    file: Path | None = None
    """Your own sentences instead: a CoNLL file with a token and its tag in each line, and an empty line after each
    sentence. If it is called train, files called dev and test beside it are read too."""
    validation: Path | None = None
    """Your own sentences for validation; by default the file beside, or a tenth of the sentences."""
    test: Path | None = None
    """Your own sentences for the test; by default the file beside, or a tenth of the sentences."""
    token: int | None = None
    """Number of the column with the tokens, from 1; by default the first."""
    tag: int | None = None
    """Number of the column with the tags, from 1; by default the last."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    tokenizer: Path | None = None
    """A tokenizer.json to use instead of the words of the training split. One of a published network cuts words into
    pieces, of which the first gets the tag (Devlin 2018, section 5.3)."""
    vocabulary: int = 50_000
    """Largest number of words, of which the most frequent are kept."""
    letters: int | None = None
    """Characters that are read of each word besides the word, which is then looked up in lower case; 0: none. By
    default 24, or none where tokens are single characters or pieces."""
    unknown: float = 0.5
    """Share of the words seen only once that training reads as unknown, so that there is something to learn for these
    (Lample 2016)."""
    length: int = 128
    """Largest number of tokens of a window: longer sentences are cut into several."""
    batch: int = 32
    """Windows per training step; all of them if there are fewer."""

    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = (
        "text: the numbers that tokenizer.json, as the library tokenizers reads it, gives to the tokens of a text, "
        "and 0 after its end; letters, if there are: the places, from 1 on, of the characters of each token in "
        "characters.json"
    )
    Inputs: ClassVar[type] = Lines
    which: ClassVar[tuple[str, ...]] = (*Tokenized.which, "validation", "test", "token", "tag")
    usage: ClassVar[str] = "--text TEXT"

    def __post_init__(self):
        as_paths(self)
        for name, low, high in (
            ("length", 4, WIDEST),
            ("batch", 1, LONGEST),
            ("vocabulary", len(SPECIAL) + 1, VOCABULARY),
            ("letters", 0, LONGEST),
            ("token", 1, LONGEST),
            ("tag", 1, LONGEST),
            ("unknown", 0, 1),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"--data.{name} came as {value}, but must be from {low} to {high}")
        if self.file is None and (self.validation or self.test):
            raise ValueError("--data.validation or --data.test came without --data.file: give the training part too")

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"{len(self.kinds)} kinds of spans, a vocabulary of {self.vocabulary_size}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        parts = {split: self.sentences(split) for split in self.splits}
        counts = ", ".join(f"{len(rows):,} {split}" for split, rows in parts.items())  # of sentences, not of windows
        said = [f"{self.title}: {counts}", *self._read.notes]
        sizes = (f"{sum(len(tokens) for tokens, _ in rows):,} {split}" for split, rows in parts.items())
        said.append(f"{'characters' if self.by_character else 'words'}: {', '.join(sizes)}")
        counts = {split: Counter(tag for _, tags in rows for tag in tags) for split, rows in parts.items()}
        for kind in self.kinds[:NAMED]:
            spans = ", ".join(f"{count[f'B-{kind}']:,} {split}" for split, count in counts.items())
            said.append(f"spans of {kind}: {spans}")
        said += [f"and {len(self.kinds) - NAMED} more kinds"] if len(self.kinds) > NAMED else []
        absent = [kind for kind in self.kinds if not counts["train"][f"B-{kind}"]]
        said += [f"kinds that training does not have, and so cannot learn: {', '.join(absent)}"] if absent else []
        seen = {token for tokens, _ in parts["train"] for token in tokens}
        new = {split: [token not in seen for tokens, _ in parts[split] for token in tokens] for split in parts}
        shares = ", ".join(f"{np.mean(new[split]):.1%} of {split}" for split in ("validation", "test"))
        said.append(f"{'characters' if self.by_character else 'words'} never seen in training: {shares}")
        longer = sum(len(self.windows(tokens)) > 1 for rows in parts.values() for tokens, _ in rows)
        said += [f"longer than {self.length} tokens, cut into several: {longer:,} sentences"] if longer else []
        known = {tuple(tokens) for tokens, _ in parts["train"]}
        again = sum(tuple(tokens) in known for split in ("validation", "test") for tokens, _ in parts[split])
        return [*said, f"sentences of validation and test that are in train too: {again:,}"] if again else said

    @cached_property
    def labels(self) -> list[str]:
        """O, and for each kind B-kind and I-kind, in the order of the network's outputs.

        Raises:
            UserError: there is no kind.
        """
        tags = {tag for split in self.splits for _, tags in self.sentences(split) for tag in tags}
        kinds = sorted({tag[2:] for tag in tags if tag != "O"})
        if not kinds:
            raise UserError(f"{self.title} has no tag but O: there is nothing to learn")
        return ["O", *(f"{place}-{kind}" for kind in kinds for place in "BI")]

    @property
    def kinds(self) -> list[str]:
        """The kinds of spans."""
        return [label[2:] for label in self.labels[1::2]]

    @cached_property
    def spec(self) -> dict:
        """The positional arguments of a network's builder."""
        spec = {"vocabulary": self.vocabulary_size, "classes": len(self.labels)}
        return spec | ({"characters": len(self.alphabet)} if self.letter_count else {})

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or the words of the training split.

        Raises:
            UserError: the file is not a tokenizer, or its tokenizer has no padding.
        """
        if self.tokenizer is None:
            lower = bool(self.letter_count)
            train = self.sentences("train")
            words = Counter(token.lower() if lower else token for tokens, _ in train for token in tokens)
            known = [word for word, _ in words.most_common() if word not in SPECIAL]
            return of_words([*SPECIAL, *known][: self.vocabulary])
        return self._given

    @cached_property
    def _given(self) -> Tokenizer:
        return read_padded(self.tokenizer)

    @property
    def in_pieces(self) -> bool:
        """Whether words are cut into pieces, as a published tokenizer does."""
        return self.tokenizer is not None and not isinstance(self._given.model, models.WordLevel)

    @cached_property
    def by_character(self) -> bool:
        """Whether each token is a single character."""
        if self.tokenizer is None:
            return all(len(token) == 1 for tokens, _ in self.sentences("train") for token in tokens)
        return not self.in_pieces and all(len(word) == 1 for word in self._given.get_vocab() if word not in SPECIAL)

    @property
    def letter_count(self) -> int:
        """The number of characters that are read of each word."""
        if self.in_pieces or (self.letters is None and self.by_character):
            return 0
        return LETTERS if self.letters is None else self.letters

    @cached_property
    def alphabet(self) -> dict[str, int]:
        """The characters of words by their numbers, of which 0 is for padding and 1 for unknown ones.

        Raises:
            UserError: the file beside the given tokenizer is missing or damaged.
        """
        if self.tokenizer is None:
            found = sorted({letter for tokens, _ in self.sentences("train") for token in tokens for letter in token})
        else:
            path = self.tokenizer.with_name(CHARACTERS)
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{path}, the characters of words, cannot be read ({error}): restore it, or --data.letters 0"
                ) from error
            if not isinstance(found, list) or not all(isinstance(letter, str) for letter in found):
                raise UserError(f"{path} is not a list of characters: restore it")
        return {letter: number for number, letter in enumerate([*SPECIAL, *(x for x in found if x not in SPECIAL)])}

    @cached_property
    def coder(self) -> Coder:
        """How sentences become numbers."""
        letters = self.letter_count
        return Coder(self.codec, self.by_character, self.alphabet if letters else {}, letters, self.length)

    def files(self) -> dict[str, str]:
        """The files that a run keeps: the tokenizer, and the characters of words."""
        letters = {CHARACTERS: json.dumps([*self.alphabet])} if self.letter_count else {}
        return {TOKENIZER: self.codec.to_str()} | letters

    def of_run(self, folder: Path, labels: Sequence[str]) -> Tags:
        """This source with the tokenizer in the run's folder and the run's labels."""
        return knowing(replace(self, tokenizer=folder / TOKENIZER), labels=list(labels))

    @cached_property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        if self.file is not None:
            names = {split: path.name for split, path in self._beside.items()}
            whole = self.file.name if len(names) == 2 else "the other sentences"
            return {"train": whole} | {split: names.get(split, "a tenth") for split in ("validation", "test")}
        return split_names(self._prepared, self.title)

    def sentences(self, split: str) -> list[Sentence]:
        """The sentences of a split, or of all of the file: tokens, and a tag for each.

        Raises:
            UserError: there are none.
        """
        if split == "all":
            return self._of(self.file).sentences
        return self._read.sentences[split]

    @property
    def whole(self) -> str:
        """What is measured, in words, if all of a user's sentences are."""
        return f"all {len(self.sentences('all')):,} sentences of {self.title} are measured"

    def count(self, split: str) -> int:
        """The number of windows of a split."""
        return len(self._windows(split))

    @property
    def epoch_size(self) -> int:
        """An epoch is all training sentences."""
        return self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (inputs, targets, weights) as a tf.data.Dataset; see `Source.load`.

        The inputs are tokens (B, T) int32, padded with 0, and if there are letters also these, (B, T, C) int32. The
        targets (B, T) int32 are tags; where there is none they are -1, and the weights (B, T) 0, else 1. T is that of
        the longest window of the batch, rounded up to a multiple of 16.
        """
        windows = self._windows(split)
        rows, targets = self.coder.rows([tokens for tokens, _ in windows]), self._targets(windows)
        if split != "train":
            return single_pass(len(windows), reader(rows, targets), batch=EVALUATED)
        return self._stream(rows, targets, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows with random words of the training split, of the average length."""
        random, rows = np.random.default_rng(0), self.sentences("train")
        known = sorted({token for tokens, _ in rows for token in tokens})
        mean = min(self.length - 2, round(np.mean([len(tokens) for tokens, _ in rows])))
        windows = [([known[i] for i in random.integers(len(known), size=mean)], ["O"] * mean) for _ in range(count)]
        rows = self.coder.rows([tokens for tokens, _ in windows])
        return self._stream(rows, self._targets(windows), seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token or tag of the split."""
        return hashlib.sha256(json.dumps(self.sentences(split)).encode()).hexdigest()[:12]

    def read(self, given: str, spec: dict) -> tuple[Cut, dict]:
        """The tokens of a text with their places; and what of them is unknown, if they are not read by their letters.

        Raises:
            UserError: the text is empty.
        """
        coder = self.coder
        words = coder.cut(given)
        if not words.tokens:
            raise UserError("it is empty")
        plain = not coder.letters and not coder.in_pieces
        unknown = [token for token in dict.fromkeys(words.tokens) if plain and token not in coder.vocabulary]
        return words, {"unknown": unknown} if unknown else {}

    def joined(self, tokens: Sequence[str]) -> str:
        """The text of tokens."""
        return ("" if self.by_character else " ").join(tokens)

    def windows(self, tokens: list[str]) -> list[list[str]]:
        """A sentence cut into parts of about the same size, of at most `length` tokens or pieces each."""
        return self.coder.windows(tokens)

    def inputs(self, windows: list[list[str]]) -> tuple[np.ndarray | list[np.ndarray], np.ndarray]:
        """A network's inputs for windows, and (N, L), true where there is a tag to be read."""
        return self.coder.inputs(windows)

    def _stream(self, rows: Rows, targets: np.ndarray, *, seed: int, step: int, stopwatch):
        counts = np.bincount(rows.tokens.ravel(), minlength=self.vocabulary_size)
        counts[: len(SPECIAL)] = 0
        rare, share = tf.constant(counts == 1), self.unknown

        def augment(inputs, tags, weights, seed, at):
            tokens = inputs[0] if rows.letters is not None else inputs
            drawn = tf.random.stateless_uniform(tf.shape(tokens), [seed, at])
            tokens = tf.where(tf.gather(rare, tokens) & (drawn < share), 1, tokens)
            return tokens if rows.letters is None else (tokens, inputs[1]), tags, weights

        change = None if self.in_pieces or not share else augment
        batch = min(self.batch, len(targets))
        how = {"batch": batch, "seed": seed, "step": step, "augment": change, "stopwatch": stopwatch}
        return training_stream(len(targets), reader(rows, targets), **how)

    def _windows(self, split: str) -> list[Sentence]:
        """The windows of a split's sentences, with their tags, in order."""
        cache = self.__dict__.setdefault("_cut", {})  # the record is frozen, and its data never change
        if split not in cache:
            cache[split] = []
            for tokens, tags in self.sentences(split):
                at = 0
                for window in self.windows(tokens):
                    cache[split].append((window, tags[at : at + len(window)]))
                    at += len(window)
        return cache[split]

    def _targets(self, windows: list[Sentence]) -> np.ndarray:
        """The tags (N, L) int32 of windows, -1 where there is none.

        Raises:
            UserError: a tag is not among the labels.
        """
        number = {label: place for place, label in enumerate(self.labels)}
        strange = {tag[2:] for _, tags in windows for tag in tags if tag not in number}
        if strange:
            raise UserError(
                f"{self.title} has spans of {', '.join(sorted(strange))}, but the run knows {', '.join(self.kinds)}"
            )
        first = self.coder.rows([tokens for tokens, _ in windows]).first
        targets = np.full(first.shape, NOTHING, np.int32)
        targets[first] = [number[tag] for _, tags in windows for tag in tags]
        return targets

    @cached_property
    def builder(self) -> tfds.core.DatasetBuilder:
        """The TFDS builder; nothing is downloaded yet.

        Raises:
            UserError: there is no such data set, or it does not contain tagged sentences.
        """
        directory = place_of(self.directory)
        if self.name in OURS:
            return builder_of(OURS[self.name], directory)
        builder = known_builder(self.name, directory, "date_parts")
        features_of(builder, self.name)
        return builder

    @cached_property
    def _prepared(self) -> tfds.core.DatasetBuilder:
        return prepare(self.builder, "date_parts")

    @cached_property
    def _read(self) -> Parts:
        """The sentences of each split.

        Raises:
            UserError: a split has none.
        """
        if self.file is not None:
            parts, notes = self._own
        else:
            feature, notes = features_of(self.builder, self.name), []
            held = self.builder.info.features[feature].feature
            parts = {}
            for split, expression in self.splits.items():
                rows = [
                    ([token.decode() for token in tokens], [read_tag(tag, held) for tag in tags])
                    for tokens, tags in examples(self._prepared, expression, "tokens", feature)
                ]
                rows = [row for row in rows if row[0]]
                numbered = [[(number, tag) for tag in tags] for number, (_, tags) in enumerate(rows, 1)]
                tags = in_bio(numbered, f"the {split} part of {self.name}")[1]
                parts[split] = [(tokens, read) for (tokens, _), read in zip(rows, tags, strict=True)]
        for split, rows in parts.items():
            if not rows:
                raise UserError(f"{self.title} has no sentences for {split}: give it more")
        return Parts(parts, notes)

    @cached_property
    def _beside(self) -> dict[str, Path]:
        """The files of a user's validation and test, as far as there are any."""
        given = {"validation": self.validation, "test": self.test}
        return found_beside(self.file) | {split: path for split, path in given.items() if path}

    @cached_property
    def _own(self) -> Parts:
        """The sentences of a user's files."""
        notes = [
            f"{split}: {path.name}, found beside" for split, path in self._beside.items() if not getattr(self, split)
        ]
        read = {split: self._of(path) for split, path in {"train": self.file, **self._beside}.items()}
        notes += [note for one in read.values() for note in one.notes]
        parts = {split: one.sentences for split, one in read.items()}
        missing = [split for split in ("test", "validation") if split not in parts]
        if missing:
            parts |= shares(parts["train"], missing, self.title)
        return Parts({split: parts[split] for split in self.splits}, notes)

    def _of(self, path: Path) -> Tagged:
        return read_conll(path, self.token, self.tag)
