"""Sentences in which spans of tokens are tagged, such as names: by TFDS name, or from a user's files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tokenizers import Tokenizer, models, pre_tokenizers

from zoo.data.conll import Sentence, Tagged, in_bio, read_conll
from zoo.data.date_parts import DateParts
from zoo.data.given import part_of
from zoo.data.inputs import Lines
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import builder_of, examples, known_builder, place_of, prepare, split_names
from zoo.data.source import OTHER, Source, as_paths, counted, knowing
from zoo.data.text import TOKENIZER
from zoo.data.tokens import UNKNOWN, VOCABULARY, of_words, read_tokenizer, size_of_vocabulary
from zoo.data.wnut17 import Wnut17
from zoo.errors import UserError

OURS = {"date_parts": DateParts, "wnut17": Wnut17}
SPECIAL = ("<pad>", UNKNOWN)  # token 0 pads, token 1 stands for words that training does not have
CHARACTERS = "characters.json"  # file in a run's folder that holds the characters of words
TAG_FEATURES = ("tags", "ner", "ner_tags")  # what TFDS's sets call their tags
LETTERS = 24  # characters that are read of a word
STEP = 16  # batches are padded to a multiple of this, so that they have few shapes
EVALUATED = 64  # windows per batch of validation and test
NAMED = 20  # kinds that are counted in what was understood
WIDEST = 1000  # largest length of a window: spans are compared by pairs of their places
LONGEST = 10_000  # largest batch
NOTHING = -1  # the target of a token that has no tag: padding, and all pieces of a word but the first
# In a text for `predict`, what is divided by blanks loses the punctuation around it, but keeps an @ or # before it.
AROUND = re.compile(r"(?P<before>[^\w@#]*)(?P<word>.*?)(?P<after>\W*)", re.DOTALL)


class Words(NamedTuple):
    """A text, its tokens, and where each begins and ends in it, in characters."""

    text: str
    tokens: list[str]
    places: list[tuple[int, int]]


class Rows(NamedTuple):
    """Windows as numbers.

    Args:
        tokens: (N, L) int32, padded with 0.
        first: (N, L), true at the token, or at the first piece of a word, that has a tag.
        forms: (N, L) int32, rows of `letters`.
        letters: (F, C) int32, the characters of each distinct word, the first of which is none; None: no letters.
    """

    tokens: np.ndarray
    first: np.ndarray
    forms: np.ndarray
    letters: np.ndarray | None


@dataclass(frozen=True)
class Tags(Source):
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
    Inputs: ClassVar[type] = Lines
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
    def title(self) -> str:
        """The name of the data in reports."""
        return self.file.name if self.file else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"{len(self.kinds)} kinds of spans, a vocabulary of {self.vocabulary_size}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        parts = {split: self.sentences(split) for split in self.splits}
        said = [counted(self), *self._read.notes]
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

    @property
    def selection(self) -> dict:
        """All sentences are used."""
        return {}

    @cached_property
    def labels(self) -> list[str]:
        """O, and for each kind B-kind and I-kind, in the order of the network's outputs."""
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

    @property
    def vocabulary_size(self) -> int:
        """The size of the vocabulary, counting numbers that no token has.

        Raises:
            UserError: the tokenizer knows too few tokens, or too many.
        """
        return size_of_vocabulary(self.codec, self.title)

    @cached_property
    def codec(self) -> Tokenizer:
        """The tokenizer: the given one, or the words of the training split.

        Raises:
            UserError: the file is not a tokenizer, or has none that begins with padding.
        """
        if self.tokenizer is None:
            words = Counter(self.form(token) for tokens, _ in self.sentences("train") for token in tokens)
            known = [word for word, _ in words.most_common() if word not in SPECIAL]
            return of_words([*SPECIAL, *known][: self.vocabulary])
        return self._given

    @cached_property
    def _given(self) -> Tokenizer:
        codec = read_tokenizer(self.tokenizer)
        first = codec.id_to_token(0)
        if first not in ("<pad>", "[PAD]"):
            raise UserError(f"{self.tokenizer} has {first!r} as its token 0, but must have <pad> or [PAD]")
        return codec

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

    def files(self) -> dict[str, str]:
        """The files that a run keeps: the tokenizer, and the characters of words."""
        letters = {CHARACTERS: json.dumps([*self.alphabet])} if self.letter_count else {}
        return {TOKENIZER: self.codec.to_str()} | letters

    def of_run(self, folder: Path, labels: Sequence[str]) -> Tags:
        """This source with the tokenizer in the run's folder and the run's labels."""
        return knowing(replace(self, tokenizer=folder / TOKENIZER), labels=list(labels))

    def beside(self, folder: Path, spec: dict) -> Tags:
        """Other sentences, with the same tokenizer."""
        own = dict.fromkeys(("file", "validation", "test", "token", "tag", "directory"))
        return replace(self, name=Tags.name, **own, tokenizer=folder / TOKENIZER)

    def other(self, spec: dict, then: dict) -> tuple[Tags, str] | None:
        """See `zoo.data.Source`."""
        with contextlib.suppress(UserError):  # too few sentences to train on may still be measured
            if self.file is None or self.digest("train") == then["digest"]:
                return None
        return self, f"{OTHER}: all {len(self.sentences('all')):,} sentences of {self.title} are measured"

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
        rows, targets = self.rows([tokens for tokens, _ in windows]), self._targets(windows)
        if split != "train":
            return single_pass(len(windows), reader(rows, targets), batch=EVALUATED)
        return self._stream(rows, targets, seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows with random words of the training split, of the average length."""
        random, rows = np.random.default_rng(0), self.sentences("train")
        known = sorted({token for tokens, _ in rows for token in tokens})
        mean = min(self.length - 2, round(np.mean([len(tokens) for tokens, _ in rows])))
        windows = [([known[i] for i in random.integers(len(known), size=mean)], ["O"] * mean) for _ in range(count)]
        rows = self.rows([tokens for tokens, _ in windows])
        return self._stream(rows, self._targets(windows), seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any token or tag of the split."""
        return hashlib.sha256(json.dumps(self.sentences(split)).encode()).hexdigest()[:12]

    def read(self, given: str, spec: dict) -> tuple[Words, dict]:
        """The tokens of a text with their places; and what of them is unknown, if they are not read by their letters.

        Raises:
            UserError: the text is empty.
        """
        words = self.cut(given)
        if not words.tokens:
            raise UserError("it is empty")
        vocabulary = self._vocabulary
        plain = not self.letter_count and not self.in_pieces
        unknown = [token for token in dict.fromkeys(words.tokens) if plain and self.form(token) not in vocabulary]
        return words, {"unknown": unknown} if unknown else {}

    def cut(self, text: str) -> Words:
        """A text as tokens: characters, or what blanks divide, with punctuation around it as tokens of its own."""
        if self.by_character:
            return Words(text, list(text), [(at, at + 1) for at in range(len(text))])
        found = []
        for match in re.finditer(r"\S+", text):
            start, piece = match.start(), match.group()
            if self.in_pieces or self.form(piece) not in self._vocabulary:
                before, word, after = AROUND.fullmatch(piece).groups()
                parts = [*before, *([word] if word else []), *after]
            else:
                parts = [piece]
            for part in parts:
                found.append((part, (start, start + len(part))))
                start += len(part)
        return Words(text, [token for token, _ in found], [place for _, place in found])

    def joined(self, tokens: Sequence[str]) -> str:
        """The text of tokens."""
        return ("" if self.by_character else " ").join(tokens)

    def form(self, token: str) -> str:
        """A word as it is looked up: in lower case if its letters are read besides."""
        return token.lower() if self.letter_count else token

    def windows(self, tokens: list[str]) -> list[list[str]]:
        """A sentence cut into parts of about the same size, of at most `length` tokens or pieces each."""
        sizes = [len(ids) for ids in self._pieces(tokens)] if self.in_pieces else [1] * len(tokens)
        room = self.length - self.codec.num_special_tokens_to_add(is_pair=False)
        size = -(-sum(sizes) // -(-sum(sizes) // room)) if tokens else room
        windows, filled = [[]], 0
        for token, need in zip(tokens, sizes, strict=True):
            if windows[-1] and filled + need > size:
                windows.append([])
                filled = 0
            windows[-1].append(token)
            filled += need
        return windows

    def rows(self, windows: list[list[str]]) -> Rows:
        """Windows, which `windows` has cut, as numbers."""
        if self.in_pieces:
            found = [self._cut_to_length(window) for window in windows]
        else:
            vocabulary = self._vocabulary
            numbers = [[vocabulary.get(self.form(token), 1) for token in window] for window in windows]
            found = [(ids, [True] * len(ids)) for ids in numbers]
        width = max(len(ids) for ids, _ in found)
        tokens, first = np.zeros((len(found), width), np.int32), np.zeros((len(found), width), bool)
        for row, (ids, begins) in enumerate(found):
            tokens[row, : len(ids)], first[row, : len(ids)] = ids, begins
        forms, letters = np.zeros_like(tokens), None
        if self.letter_count:
            known: dict[str, int] = {}
            for row, window in zip(forms, windows, strict=True):
                row[: len(window)] = [known.setdefault(token, len(known) + 1) for token in window]
            letters = np.zeros((len(known) + 1, self.letter_count), np.int32)
            for token, number in known.items():
                spelled = [self.alphabet.get(letter, 1) for letter in token[: self.letter_count]]
                letters[number, : len(spelled)] = spelled
        return Rows(tokens, first, forms, letters)

    def inputs(self, windows: list[list[str]]) -> tuple[np.ndarray | list[np.ndarray], np.ndarray]:
        """A network's inputs for windows, and (N, L), true where there is a tag to be read."""
        tokens, first, forms, letters = self.rows(windows)
        return tokens if letters is None else [tokens, letters[forms]], first

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
        first = self.rows([tokens for tokens, _ in windows]).first
        targets = np.full(first.shape, NOTHING, np.int32)
        targets[first] = [number[tag] for _, tags in windows for tag in tags]
        return targets

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return self.codec.get_vocab()

    def _pieces(self, tokens: list[str]) -> list[list[int]]:
        """The pieces of each word; a word of which nothing is left gets the tokenizer's unknown token."""
        # Tokenizers of bytes tell a word from the middle of one by the blank before it.
        blank = " " * isinstance(self.codec.pre_tokenizer, pre_tokenizers.ByteLevel)
        found = self.codec.encode_batch([blank + token for token in tokens], add_special_tokens=False)
        nothing = self.codec.token_to_id(getattr(self.codec.model, "unk_token", None) or "[UNK]") or 0
        return [piece.ids or [nothing] for piece in found]

    def _cut_to_length(self, window: list[str]) -> tuple[list[int], list[bool]]:
        """The pieces of a window between the tokenizer's special tokens, and which of them are the first of a word."""
        around = self.codec.encode("", add_special_tokens=True).ids
        half, room = len(around) - len(around) // 2, self.length - len(around)
        ids, begins = [], []
        for pieces in self._pieces(window):
            pieces = pieces[: room - len(ids)]  # noqa: PLW2901 - a single word may have more pieces than there is room
            ids += pieces
            begins += [True] + [False] * (len(pieces) - 1)
        blank = [False] * len(around)
        return [*around[:half], *ids, *around[half:]], [*blank[:half], *begins, *blank[half:]]

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


class Parts(NamedTuple):
    """The sentences of each split, and how they were read."""

    sentences: dict[str, list[Sentence]]
    notes: list[str]


def reader(rows: Rows, targets: np.ndarray):
    """A function for tf.data from (batch,) indices to inputs, targets and weights."""
    lengths = tf.constant((rows.tokens > 0).sum(1), tf.int32)
    tokens, forms, tags = tf.constant(rows.tokens), tf.constant(rows.forms), tf.constant(targets)
    spelled = None if rows.letters is None else tf.constant(rows.letters)

    def read(indices):
        longest = tf.reduce_max(tf.gather(lengths, indices))
        width = (longest + STEP - 1) // STEP * STEP  # beyond the table's own width, a slice ends with it
        inputs, tag = (tf.gather(table, indices)[:, :width] for table in (tokens, tags))
        if spelled is not None:
            inputs = (inputs, tf.gather(spelled, tf.gather(forms, indices)[:, :width]))
        return inputs, tag, tf.cast(tag >= 0, tf.float32)

    return read


def features_of(builder: tfds.core.DatasetBuilder, name: str) -> str:
    """The feature of a TFDS data set with the tags of its `tokens`.

    Raises:
        UserError: there is none.
    """
    features = builder.info.features
    for feature in TAG_FEATURES:
        if {"tokens", feature} <= set(features) and isinstance(features[feature], tfds.features.Sequence):
            return feature
    raise UserError(
        f"{name} does not hold tagged sentences: its features are {', '.join(features)}, but must be tokens and "
        f"{' or '.join(TAG_FEATURES)}"
    )


def read_tag(tag, held: tfds.features.FeatureConnector) -> str:
    """A tag as TFDS stores it, as text."""
    return tag.decode() if isinstance(tag, bytes) else held.int2str(int(tag))


def found_beside(path: Path) -> dict[str, Path]:
    """Files for validation and test beside one that is called train, if there is just one for each."""
    if part_of(path.stem) != "train" or not path.parent.is_dir():
        return {}
    found: dict[str, list[Path]] = {}
    for other in sorted(path.parent.iterdir()):
        split = part_of(other.stem)
        if split in ("validation", "test") and other.is_file() and not other.name.startswith("."):
            found.setdefault(split, []).append(other)
    return {split: paths[0] for split, paths in found.items() if len(paths) == 1}


def shares(sentences: list[Sentence], splits: Sequence[str], title: str) -> dict[str, list[Sentence]]:
    """A tenth of the sentences for each of the splits, and the rest for train; equal ones stay together.

    Raises:
        UserError: there are too few.
    """
    # Ranked by a hash, so that neither the order of the sentences nor copies of one matter.
    key = [hashlib.sha256("\0".join(tokens).encode()).digest() for tokens, _ in sentences]
    ranked = sorted(set(key))
    if len(ranked) < 10:
        raise UserError(
            f"{title} has {len(ranked)} different sentences: give at least 10, or --data.validation and --data.test"
        )
    tenth = len(ranked) // 10
    place = {one: split for at, split in enumerate(splits) for one in ranked[at * tenth : (at + 1) * tenth]}
    parts: dict[str, list[Sentence]] = {split: [] for split in ("train", *splits)}
    for sentence, one in zip(sentences, key, strict=True):
        parts[place.get(one, "train")].append(sentence)
    return parts
