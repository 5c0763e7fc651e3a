"""Sentences as numbers: words or pieces of them, and the letters of words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer, models, pre_tokenizers

STEP = 16  # batches are padded to a multiple of this, so that they have few shapes
# In a text for `predict`, what is divided by blanks loses the punctuation around it, but keeps an @ or # before it.
AROUND = re.compile(r"(?P<before>[^\w@#]*)(?P<word>.*?)(?P<after>\W*)", re.DOTALL)


class Cut(NamedTuple):
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
class Coder:
    """How sentences become numbers.

    Args:
        codec: the tokenizer, whose token 0 is padding; of words, whose token 1 stands for unknown ones, or of pieces.
        by_character: whether each token is a single character.
        alphabet: the characters of words by their numbers, of which 0 is padding, and 1 stands for unknown ones.
        letters: characters that are read of each word; 0: none.
        length: largest number of tokens, or pieces, of a window.
    """

    codec: Tokenizer
    by_character: bool
    alphabet: dict[str, int]
    letters: int
    length: int

    @property
    def in_pieces(self) -> bool:
        """Whether words are cut into pieces."""
        return not isinstance(self.codec.model, models.WordLevel)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """The tokens by their numbers."""
        return self.codec.get_vocab()

    def cut(self, text: str) -> Cut:
        """A text as tokens: characters, or what blanks divide, with punctuation around it as tokens of its own."""
        if self.by_character:
            return Cut(text, list(text), [(at, at + 1) for at in range(len(text))])
        found = []
        for match in re.finditer(r"\S+", text):
            start, piece = match.start(), match.group()
            if self.in_pieces or self.form(piece) not in self.vocabulary:
                before, word, after = AROUND.fullmatch(piece).groups()
                parts = [*before, *([word] if word else []), *after]
            else:
                parts = [piece]
            for part in parts:
                found.append((part, (start, start + len(part))))
                start += len(part)
        return Cut(text, [token for token, _ in found], [place for _, place in found])

    def form(self, token: str) -> str:
        """A word as it is looked up: in lower case if its letters are read besides."""
        return token.lower() if self.letters else token

    def windows(self, tokens: list[str]) -> list[list[str]]:
        """A sentence cut into parts of about the same size, of at most `length` tokens or pieces each."""
        sizes = [len(ids) for ids in self.pieces(tokens)] if self.in_pieces else [1] * len(tokens)
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
            found = [self.cut_to_length(window) for window in windows]
        else:
            vocabulary = self.vocabulary
            numbers = [[vocabulary.get(self.form(token), 1) or 1 for token in window] for window in windows]
            found = [(ids, [True] * len(ids)) for ids in numbers]
        width = max(len(ids) for ids, _ in found)
        tokens, first = np.zeros((len(found), width), np.int32), np.zeros((len(found), width), bool)
        for row, (ids, begins) in enumerate(found):
            tokens[row, : len(ids)], first[row, : len(ids)] = ids, begins
        forms, letters = np.zeros_like(tokens), None
        if self.letters:
            known: dict[str, int] = {}
            for row, window in zip(forms, windows, strict=True):
                row[: len(window)] = [known.setdefault(token, len(known) + 1) for token in window]
            letters = np.zeros((len(known) + 1, self.letters), np.int32)
            for token, number in known.items():
                spelled = [self.alphabet.get(letter, 1) for letter in token[: self.letters]]
                letters[number, : len(spelled)] = spelled
        return Rows(tokens, first, forms, letters)

    def inputs(self, windows: list[list[str]]) -> tuple[np.ndarray | list[np.ndarray], np.ndarray]:
        """A network's inputs for windows, and (N, L), true where there is a tag to be read."""
        tokens, first, forms, letters = self.rows(windows)
        return tokens if letters is None else [tokens, letters[forms]], first

    def pieces(self, tokens: list[str]) -> list[list[int]]:
        """The pieces of each word; a word of which nothing is left gets the tokenizer's unknown token."""
        # Tokenizers of bytes tell a word from the middle of one by the blank before it.
        blank = " " * isinstance(self.codec.pre_tokenizer, pre_tokenizers.ByteLevel)
        found = self.codec.encode_batch([blank + token for token in tokens], add_special_tokens=False)
        nothing = self.codec.token_to_id(getattr(self.codec.model, "unk_token", None) or "[UNK]") or 0
        return [piece.ids or [nothing] for piece in found]

    def cut_to_length(self, window: list[str]) -> tuple[list[int], list[bool]]:
        """The pieces of a window between the tokenizer's special tokens, and which of them are the first of a word."""
        around = self.codec.encode("", add_special_tokens=True).ids
        half, room = len(around) - len(around) // 2, self.length - len(around)
        ids, begins = [], []
        for pieces in self.pieces(window):
            pieces = pieces[: room - len(ids)]  # noqa: PLW2901 - a single word may have more pieces than there is room
            ids += pieces
            begins += [True] + [False] * (len(pieces) - 1)
        blank = [False] * len(around)
        return [*around[:half], *ids, *around[half:]], [*blank[:half], *begins, *blank[half:]]


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
