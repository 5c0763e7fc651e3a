"""WordPiece: words cut into parts (Schuster 2012; Devlin 2018, section 3.2), with BERT's normalisation."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from zoo.backend import hushed
from zoo.data.plain import pieces


class Marks(NamedTuple):
    """Tokens that stand for no text."""

    padding: str
    unknown: str
    start: str
    end: str
    mask: str


PADDING, UNKNOWN, START, END, MASK = BERT = Marks("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = Marks("<pad>", "<unk>", "<s>", "</s>", "<mask>")
AT_ONCE = 64  # pieces of text that are encoded side by side
LINE_BREAKS = "<br ?/?>"  # of HTML, which stand in texts from the web, such as those of imdb_reviews


def learn_wordpiece(text: str, vocabulary: int, special: tuple[str, ...] = ()) -> Tokenizer:
    """A tokenizer of lower-case parts of words without accents, in which `##` begins a part within a word.

    Control characters are removed, Chinese characters and punctuation marks are words of their own, and the line breaks
    of HTML are spaces. A whole text is framed by [CLS] and [SEP].

    Args:
        text: the text of the training split.
        vocabulary: largest number of tokens; characters that are too rare for it are unknown.
        special: tokens that stand for no text, the first of which is padding; [PAD] is, if there are none.
    """
    known = [*(special or (PADDING,)), *BERT[1:]]
    breaks = normalizers.Replace(Regex(LINE_BREAKS), " ")
    normalizer = normalizers.Sequence([breaks, normalizers.BertNormalizer(lowercase=True)])
    counts = Counter()
    for piece in pieces(text):
        counts.update(normalizer.normalize_str(piece))
    room = max(1, (vocabulary - len(known)) // 4)  # for letters, and as much for them within words: half is for parts
    letters = sorted(counts, key=lambda letter: (-counts[letter], letter))
    letters = [letter for letter in letters if not letter.isspace()][:room]
    # The library numbers what it meets in an order that is another each time, and among pairs that are equally frequent
    # the numbers decide. So all letters get theirs here, and the same text gives the same tokens.
    within = [f"##{letter}" for letter in letters if not alone(letter)]
    options = {"initial_alphabet": letters, "limit_alphabet": len(letters), "show_progress": False}
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=[*known, *within], **options)
    tokenizer = of_parts({name: number for number, name in enumerate(known)})
    tokenizer.normalizer = normalizer
    with hushed():  # the library warns if there is less text than the vocabulary wants
        tokenizer.train_from_iterator(pieces(text), trainer)
    learned = of_parts(tokenizer.get_vocab(with_added_tokens=False))
    learned.normalizer = normalizer
    return learned


def alone(letter: str) -> bool:
    """Whether a letter is never within a word: a punctuation mark, or a Chinese character."""
    mark = letter.isascii() and not letter.isalnum()
    return mark or unicodedata.category(letter).startswith("P") or "\u4e00" <= letter <= "\u9fff"


def of_parts(vocabulary: dict[str, int], *, lowercase: bool = True) -> Tokenizer:
    """The tokenizer of these parts of words, as BERT's own.

    Args:
        vocabulary: the number of each part; [UNK], [CLS] and [SEP] are among them.
        lowercase: whether text is read in lower case and without accents.
    """
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.add_special_tokens([name for name in BERT if name in vocabulary])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    marks = [(name, vocabulary[name]) for name in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)
    return tokenizer


def of_vocabulary(lines: str) -> Tokenizer:
    """The tokenizer of BERT's vocab.txt, a part of a word in each line; in lower case if none of them is in another.

    Raises:
        ValueError: it lacks a mark that BERT has, or padding is not in its first line.
    """
    parts = lines.removesuffix("\n").split("\n")
    lacking = [name for name in BERT if name not in parts]
    if lacking or parts[0] != PADDING:
        what = f"lacks {', '.join(lacking)}" if lacking else f"begins with {parts[0]!r} and not with {PADDING}"
        raise ValueError(f"it {what}, so it is no vocabulary of BERT")
    cased = any(part != part.lower() for part in parts if part not in BERT and not part.startswith("[unused"))
    return of_parts({part: number for number, part in enumerate(parts)}, lowercase=not cased)


def marks_of(tokenizer: Tokenizer) -> Marks:
    """The marks of a tokenizer: those of RoBERTa if it has them, or else those of BERT, some of which it may lack."""
    return ROBERTA if all(tokenizer.token_to_id(name) is not None for name in ROBERTA) else BERT


def numbers_of(tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    """The tokens of all texts, each of which [SEP] ends: (N,), of the smallest unsigned type that holds the vocabulary.

    A text is cut before white space, which changes no token and bounds the memory that the library takes.
    """
    dtype = np.uint16 if tokenizer.get_vocab_size() <= 2**16 else np.int32
    end, found = np.array([tokenizer.token_to_id(marks_of(tokenizer).end)], dtype), []
    parts = with_last(texts)
    while batch := list(islice(parts, AT_ONCE)):
        encoded = tokenizer.encode_batch_fast([piece for piece, _ in batch], add_special_tokens=False)
        for (_, last), one in zip(batch, encoded, strict=True):
            found += [np.array(one.ids, dtype), end] if last else [np.array(one.ids, dtype)]
    return np.concatenate([np.zeros(0, dtype), *found])


def with_last(texts: list[str]) -> Iterator[tuple[str, bool]]:
    """Yields the pieces of each text, and whether a piece is its last."""
    for text in texts:
        cut = list(pieces(text))
        yield from ((piece, number == len(cut)) for number, piece in enumerate(cut, 1))
