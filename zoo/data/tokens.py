"""Tokenizers: text to numbers and back, each in the form and the file of the `tokenizers` library."""

from collections import Counter
from typing import Literal

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

Kind = Literal["characters", "words", "bpe"]
UNKNOWN, LINE_END = "<unk>", "<eos>"


def learn(kind: Kind, text: str, vocabulary: int, later: str = "") -> Tokenizer:
    """A tokenizer for that text.

    Args:
        kind: characters: each its own token; words: what stands between white space, and the ends of lines; bpe:
            byte-pair encoding of bytes (Sennrich 2015, arXiv:1508.07909; Radford 2019, section 2.2), which knows
            every text.
        text: of the training part, which alone decides the tokens.
        vocabulary: tokens at most, of words and of bpe: the most frequent.
        later: text that will be read besides; where it holds characters that `text` does not, there is one token
            more, which stands for them.
    """
    if kind == "characters":
        known = sorted(set(text))
        if set(later) - set(known):
            known.append(UNKNOWN)
        tokenizer = of_words(known)
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    elif kind == "words":
        counts = Counter(text.replace("\n", f" {LINE_END} ").split())
        known = [word for word, _ in counts.most_common(vocabulary)]
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
        trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def of_words(known: list[str]) -> Tokenizer:
    """A tokenizer with these tokens, numbered in their order; the rest is unknown, or an error where nothing is."""
    numbers = {word: number for number, word in enumerate(known)}
    return Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN if UNKNOWN in numbers else None))


def foreign(tokenizer: Tokenizer, text: str) -> list[str]:
    """The characters or words of the text that the tokenizer does not know, each once."""
    if not isinstance(tokenizer.model, models.WordLevel):
        return []
    text = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    parts = (part for part, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    return [part for part in dict.fromkeys(parts) if tokenizer.token_to_id(part) is None]
