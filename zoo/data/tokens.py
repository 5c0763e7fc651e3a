"""Tokenizers: text to numbers and back, each in the form and the file of the `tokenizers` library."""

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from zoo.backend import hushed
from zoo.errors import UserError

Kind = Literal["characters", "words", "bpe"]
VOCABULARY = 1_000_000  # tokens at most
UNKNOWN, LINE_END = "<unk>", "<eos>"


def learn(kind: Kind, text: str, vocabulary: int, special: tuple[str, ...] = ()) -> Tokenizer:
    """A tokenizer for that text.

    Args:
        kind: characters: each its own token, and one for those that come later; words: what stands between white
            space, and the ends of lines; bpe: byte-pair encoding of bytes (Sennrich 2015, arXiv:1508.07909; Radford
            2019, section 2.2), which knows every text.
        text: of the training part, which alone decides the tokens.
        vocabulary: tokens at most, of words and of bpe: the most frequent.
        special: tokens that mean no text; they are numbered first, from 0 on.
    """
    if kind == "characters":
        tokenizer = of_words([*special, *sorted(set(text)), UNKNOWN])
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    elif kind == "words":
        counts = Counter(text.replace("\n", f" {LINE_END} ").split())
        found = (word for word, _ in counts.most_common() if word not in special)
        known = [*special, *found][:vocabulary]
        if UNKNOWN not in known:
            known[vocabulary - 1 :] = [UNKNOWN]
        tokenizer = of_words(known)
        tokenizer.normalizer = normalizers.Replace("\n", f" {LINE_END} ")
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        before = decoders.Replace(Regex("^"), " ")
        lines = [decoders.Replace(f" {LINE_END}", "\n"), decoders.Replace("\n ", "\n"), decoders.Strip(" ", 1, 0)]
        tokenizer.decoder = decoders.Sequence([before, decoders.Fuse(), *lines])
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        options = {"initial_alphabet": alphabet, "special_tokens": list(special), "show_progress": False}
        trainer = trainers.BpeTrainer(vocab_size=vocabulary, **options)
        tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def of_words(known: list[str]) -> Tokenizer:
    """A tokenizer with these tokens, numbered in their order; the rest is unknown."""
    return Tokenizer(models.WordLevel({word: number for number, word in enumerate(known)}, unk_token=UNKNOWN))


def out_of_vocabulary(tokenizer: Tokenizer, text: str) -> list[str]:
    """The characters or words of the text for which the tokenizer has no token of their own, each once."""
    if not isinstance(tokenizer.model, models.WordLevel) or tokenizer.pre_tokenizer is None:
        return []
    text = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    parts = (part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    return [part for part in dict.fromkeys(parts) if tokenizer.token_to_id(part) is None]


def encode(tokenizer: Tokenizer, text: str, what: str) -> list[int]:
    """The numbers of the text's tokens.

    Raises:
        UserError: the tokenizer knows neither some of it nor a token for what is unknown.
    """
    try:
        return tokenizer.encode(text, add_special_tokens=False).ids
    except Exception as error:  # the library has no error of its own
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{what} cannot be read by the tokenizer ({reason}): take another --data.tokenizer") from error


def size_of_vocabulary(tokenizer: Tokenizer, what: str) -> int:
    """How many numbers its tokens have: those from 0 to the largest.

    Raises:
        UserError: too few or too many.
    """
    numbers = tokenizer.get_vocab().values()
    if len(numbers) < 2:
        raise UserError(f"the tokenizer of {what} knows {len(numbers)} tokens: there is nothing to predict")
    if max(numbers) >= VOCABULARY:
        raise UserError(f"the tokenizer of {what} numbers its tokens up to {max(numbers)}: take another")
    return max(numbers) + 1


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json, which then reads texts of any length.

    Raises:
        UserError: the file is missing or damaged.
    """
    return checked_tokenizer(lambda: Tokenizer.from_str(path.read_text(encoding="utf-8")), path)


def checked_tokenizer(make: Callable[[], Tokenizer], path: Path) -> Tokenizer:
    """The tokenizer that `make` returns, for texts of any length, after a trial that the library did not panic over.

    Raises:
        UserError: `make` fails, or the library panics.
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
            # A text that it does not know is answered where it comes up; a panic in Rust is no Exception, and prints.
            with contextlib.suppress(Exception), hushed():
                use()
        return tokenizer
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library has no error of its own
        raise UserError(f"{path} is missing or is not a tokenizer: {' '.join(str(error).split())[:200]}") from error
