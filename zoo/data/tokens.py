"""Tokenizers, which turn text into numbers and back; all are objects and files of the `tokenizers` library."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from zoo.backend import hushed
from zoo.data.padding import PADDINGS, with_padding_first
from zoo.data.plain import PIECE, pieces
from zoo.data.wordpiece import learn_wordpiece, of_vocabulary
from zoo.errors import UserError

Kind = Literal["characters", "words", "bpe"]
ReadKind = Literal["characters", "words", "uncased", "bpe", "wordpiece"]  # also those from which no text is written
VOCABULARY = 1_000_000  # largest number of tokens
UNKNOWN, LINE_END = "<unk>", "<eos>"
# How `learn` cuts characters, and the line ends of its words, as the library writes them down.
CHARACTERS = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}
LINES = {"type": "Replace", "pattern": {"String": "\n"}, "content": f" {LINE_END} "}
# A word, a punctuation mark, or a part of an English contraction (do n't, it 's), as Kim (2014) cuts them.
UNCASED = r"\w+(?=n't\b)|n't\b|'(?:s|m|d|re|ve|ll)\b|\w+|[^\w\s]"


def learn(kind: ReadKind, text: str, vocabulary: int, special: tuple[str, ...] = ()) -> Tokenizer:
    """A tokenizer learned from a text.

    Args:
        kind: characters: each is a token, and one more stands for unknown ones; words: whatever is separated by white
            space, and the ends of lines; uncased: words in lower case and punctuation marks; bpe: byte-pair encoding of
            bytes (Sennrich 2015, arXiv:1508.07909; Radford 2019, section 2.2), which can encode any text; wordpiece:
            lower-case parts of words (see `learn_wordpiece`).
        text: the text of the training split, which alone determines the tokens.
        vocabulary: largest number of tokens, for words and bpe; the most frequent are kept.
        special: tokens that stand for no text; they get the first numbers, from 0.
    """
    if kind == "characters":
        tokenizer = of_words([*special, *sorted(set(text)), UNKNOWN])
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    elif kind == "words":
        counts = Counter()
        for piece in pieces(text):
            counts.update(piece.replace("\n", f" {LINE_END} ").split())
        words = (word for word, _ in counts.most_common() if word not in special)
        known = [*special, *words][:vocabulary]
        if UNKNOWN not in known:
            known[vocabulary - 1 :] = [UNKNOWN]
        tokenizer = of_words(known)
        tokenizer.normalizer = normalizers.Replace("\n", f" {LINE_END} ")
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        before = decoders.Replace(Regex("^"), " ")
        lines = [decoders.Replace(f" {LINE_END}", "\n"), decoders.Replace("\n ", "\n"), decoders.Strip(" ", 1, 0)]
        tokenizer.decoder = decoders.Sequence([before, decoders.Fuse(), *lines])
    elif kind == "wordpiece":
        tokenizer = learn_wordpiece(text, vocabulary, special)
    elif kind == "uncased":
        # Reviews and mails from the web hold line breaks of HTML.
        breaks = normalizers.Replace(Regex("<br ?/?>"), " ")
        normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase(), breaks])
        split = pre_tokenizers.Split(Regex(UNCASED), "removed", invert=True)
        counts = Counter()
        for piece in pieces(text):
            counts.update(part for part, _ in split.pre_tokenize_str(normalizer.normalize_str(piece)))
        known = [*special, UNKNOWN, *(word for word, _ in counts.most_common())]
        tokenizer = of_words(known[:vocabulary])
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, split
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        options = {"initial_alphabet": alphabet, "special_tokens": list(special), "show_progress": False}
        trainer = trainers.BpeTrainer(vocab_size=vocabulary, **options)
        tokenizer.train_from_iterator(pieces(text), trainer)
    return tokenizer


def of_words(known: list[str]) -> Tokenizer:
    """A tokenizer with these tokens, numbered in order; anything else is unknown."""
    return Tokenizer(models.WordLevel({word: number for number, word in enumerate(known)}, unk_token=UNKNOWN))


def out_of_vocabulary(tokenizer: Tokenizer, text: str) -> list[str]:
    """The characters or words of the text that are not in the vocabulary, each once."""
    if not isinstance(tokenizer.model, models.WordLevel) or tokenizer.pre_tokenizer is None:
        return []
    return [part for part in dict.fromkeys(parts_of(tokenizer, text)) if tokenizer.token_to_id(part) is None]


def parts_of(tokenizer: Tokenizer, text: str) -> list[str]:
    """The parts of a text that stand for tokens, such as its words, whether the tokenizer knows them or not."""
    if not isinstance(tokenizer.model, models.WordLevel) or tokenizer.pre_tokenizer is None:
        return tokenizer.encode(text, add_special_tokens=False).tokens
    text = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    return [part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def encode(tokenizer: Tokenizer, text: str, what: str, *, framed: bool = False) -> list[int]:
    """The numbers of the text's tokens; if `framed`, with those that the tokenizer sets around a text, if it does.

    Raises:
        UserError: part of the text is not in the vocabulary, and the tokenizer has no token for unknown text.
    """
    try:
        return tokenizer.encode(text, add_special_tokens=framed).ids
    except Exception as error:  # the library has no exception class of its own
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{what} cannot be read by the tokenizer ({reason}): take another --data.tokenizer") from error


def encode_whole(tokenizer: Tokenizer, text: str, what: str) -> np.ndarray:
    """The numbers of a long text's tokens, (N,) of the smallest unsigned type that holds them, or int32.

    The library takes some 300 bytes for each character that it reads at once. So text is cut where that changes no
    token, if the tokenizer is of a kind for which such places are known.

    Raises:
        UserError: see `encode`.
    """
    written = json.loads(tokenizer.to_str())
    split, largest = written["pre_tokenizer"] or {}, max(tokenizer.get_vocab().values(), default=0)
    dtype = np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.int32
    plain = written["normalizer"] is None
    if not written["added_tokens"] and plain and split == CHARACTERS and written["model"]["type"] == "WordLevel":
        unknown = tokenizer.token_to_id(written["model"]["unk_token"])
        if unknown is not None:
            table = np.full(0x110000, unknown, dtype)
            for word, number in tokenizer.get_vocab().items():
                if len(word) == 1:
                    table[ord(word)] = number
            parts = (text[at : at + PIECE] for at in range(0, len(text), PIECE))
            return np.concatenate([table[:0], *(table[np.frombuffer(p.encode("utf-32-le"), "<u4")] for p in parts)])
    byte_pairs = plain and split.get("type") == "ByteLevel" and not split["add_prefix_space"]
    words = not written["added_tokens"] and written["normalizer"] == LINES and split.get("type") == "WhitespaceSplit"
    parts = pieces(text) if byte_pairs or words else (text,)
    return np.concatenate([np.zeros(0, dtype), *(np.array(encode(tokenizer, p, what), dtype) for p in parts)])


def size_of_vocabulary(tokenizer: Tokenizer, what: str) -> int:
    """One more than the largest number of a token.

    Raises:
        UserError: the tokenizer has too few tokens, or too large a number.
    """
    numbers = tokenizer.get_vocab().values()
    if len(numbers) < 2:
        raise UserError(f"the tokenizer of {what} knows {len(numbers)} tokens: there is nothing to predict")
    if max(numbers) >= VOCABULARY:
        raise UserError(f"the tokenizer of {what} numbers its tokens up to {max(numbers)}: take another")
    return max(numbers) + 1


def read_tokenizer(path: Path, *, padded: bool = False) -> Tokenizer:
    """The tokenizer in a tokenizer.json or in the vocab.txt of BERT, without its truncation and padding.

    Args:
        path: of the file.
        padded: whether padding is to be token 0, as it is for all networks here that take it: if the tokenizer has a
            token for padding, that and the first change places.

    Raises:
        UserError: the file is missing or damaged.
    """

    first = with_padding_first if padded else str

    def make() -> Tokenizer:
        text = path.read_text(encoding="utf-8")
        return of_vocabulary(text) if path.suffix == ".txt" else Tokenizer.from_str(first(text))

    return checked_tokenizer(make, path)


def read_padded(path: Path) -> Tokenizer:
    """The tokenizer in a file, with padding as token 0; see `read_tokenizer`.

    Raises:
        UserError: the file is missing or damaged, or its tokenizer has no padding.
    """
    codec = read_tokenizer(path, padded=True)
    if codec.id_to_token(0) not in PADDINGS:
        raise UserError(f"{path} has {codec.id_to_token(0)!r} as its token 0, but must have {' or '.join(PADDINGS)}")
    return codec


def checked_tokenizer(make: Callable[[], Tokenizer], path: Path) -> Tokenizer:
    """The tokenizer that `make` returns, without truncation and padding, after a trial run of the library.

    Raises:
        UserError: `make` fails, or the library panics in the trial.
    """
    try:
        with hushed():
            tokenizer = make()
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for use in (
            lambda: out_of_vocabulary(tokenizer, "a b\n"),
            lambda: tokenizer.decode(sorted(tokenizer.get_vocab().values())),
            lambda: [tokenizer.decode([number]) for number in tokenizer.get_vocab().values()],
            lambda: tokenizer.decode(tokenizer.encode("a b\n", add_special_tokens=False).ids),
        ):
            # Unknown text is handled where it occurs. A panic in Rust also prints, and is not caught as an Exception.
            with contextlib.suppress(Exception), hushed():
                use()
        return tokenizer
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # panics of the library are not Exceptions
        raise UserError(f"{path} is missing or is not a tokenizer: {' '.join(str(error).split())[:200]}") from error
