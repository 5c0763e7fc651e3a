"""Text: tokenizers and windows, from files of any content."""

import json
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer

from zoo.data import Text
from zoo.data.plain import pieces, read_text
from zoo.data.tokens import encode_whole, learn, read_tokenizer
from zoo.errors import UserError
from zoo.fit import fit
from zoo.recipes import RECIPES
from zoo.tasks import LanguageModel

SENTENCES = ["the cat sat on the mat\n", "the dog sat on the log\n", "a cat and a dog sat\n"]


def write_text(path: Path) -> Path:
    """Sentences that a small network learns soon."""
    path.write_text("".join(np.random.default_rng(0).choice(SENTENCES, 200)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("text") / "my.txt")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("characters", "two words\n\nand é, 漢\n"),
        ("words", "two words\nand two more\n"),
        ("bpe", "two  words\r\né 漢 🙂\n"),
    ],
)
def test_tokenizers_give_the_text_back(kind, text):
    tokenizer = learn(kind, text, 300)
    numbers = tokenizer.encode(text).ids
    assert tokenizer.decode(numbers) == text
    assert max(numbers) < tokenizer.get_vocab_size() <= 300


def test_words_that_are_too_rare_are_unknown():
    tokenizer = learn("words", "a a a b b c\n", 3)
    assert tokenizer.decode(tokenizer.encode("a b c").ids) == "a b <unk>"
    assert tokenizer.get_vocab_size() == 3


def test_characters_of_later_parts_are_unknown_but_not_an_error():
    tokenizer = learn("characters", "abc", 0)
    assert tokenizer.decode(tokenizer.encode("abd").ids) == "ab<unk>"


def test_pydocs(data_directory):
    source = Text(directory=data_directory)
    assert source.spec == {"vocabulary": source.codec.get_vocab_size(), "context": 64}
    parts = [source.text(split) for split in ("train", "validation", "test")]
    assert all(len(part) > 10_000 for part in parts)
    assert "lambda" in parts[0]
    paragraphs = [{text.strip() for text in part.split("\n\n") if len(text.strip()) > 62} for part in parts]
    for here, there in ((0, 1), (0, 2), (1, 2)):  # what is predicted was not read before
        assert not paragraphs[here] & paragraphs[there]
    assert min(map(len, parts)) > 0.05 * sum(map(len, parts))
    assert source.decode(source.numbers("validation")[:200]) == parts[1][:200]


def test_every_token_is_predicted_once(file):
    source = Text(file=file, context=7)
    for split in ("validation", "test"):
        numbers, predicted = source.numbers(split), []
        for inputs, targets, weights in source.load(split).as_numpy_iterator():
            predicted += targets[weights > 0].tolist()
            assert set(np.unique(weights)) <= {0, 1}
            np.testing.assert_array_equal(inputs[:, 1:][weights[:, 1:] > 0], targets[:, :-1][weights[:, 1:] > 0])
        assert predicted == numbers[1:].tolist()


def test_training_stream_seeks(file):
    source = Text(file=file, context=7, batch=5)
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), 400))  # more than a pass
    for step in (0, 1, 77, 399):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        for ours, theirs in zip(again, batches[step], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    numbers = source.numbers("train")
    places = {tuple(numbers[at : at + 8]) for at in range(len(numbers) - 7)}
    for inputs, targets in batches:
        assert all((*row, last[-1]) in places for row, last in zip(inputs, targets, strict=True))
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    other = next(source.load("train", seed=4).as_numpy_iterator())[0]
    assert not np.array_equal(other, batches[0][0])


def test_parts_of_a_file(file):
    source, text = Text(file=file), file.read_text(encoding="utf-8")
    assert "".join(source.text(split) for split in ("train", "validation", "test")) == text
    assert len(source.text("train")) == len(text) * 8 // 10
    assert source.characters("test") == len(source.text("test")) - 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: give a file with text"),
        (b" \n", "is empty: give a file with text"),
        (b"abc\xff\xfe", "is not UTF-8 text (byte 3 is 0xff)"),
        (b"abc\0def", "is not text: it holds zero bytes"),
        (b"too short a text", "tokens, which do not fill a window of 64 and one more"),
        (b" " * 9, "is empty: give a file with text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_bad_files(content, words, tmp_path):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        fit(replace(RECIPES["gpt"], data=Text(file=path)), logs=tmp_path)
    assert words in str(caught.value)


def test_no_bits_per_character_where_spaces_are_lost(tmp_path):
    path = tmp_path / "wide.txt"
    path.write_text("the  cat\n" * 100)
    source = Text(file=path, tokens="words", context=4)
    assert source.characters("test") is None
    report = source.codec.decode(source.numbers("test").tolist())
    assert report.startswith("the cat\n")


VARIED = "the cat  sat,\n\n on it's mat \nand 12 dogs\n\tran é 漢字 🙂\n \n the end  \n\nof it\n"


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
@pytest.mark.parametrize("size", [0, 1, 7, 50])
def test_pieces_change_no_token(kind, size, monkeypatch):
    """A long text is cut, because the library takes a lot of memory; what is learned and read is the same."""
    text = "".join(np.random.default_rng(size).permutation(list(VARIED) * 5)) + VARIED * 9
    whole = learn(kind, text[:400], 300)
    expected = whole.encode(text).ids
    for module in ("tokens", "plain"):
        monkeypatch.setattr(f"zoo.data.{module}.pieces", lambda text: pieces(text, size))
    monkeypatch.setattr("zoo.data.tokens.PIECE", size + 1)
    assert "".join(pieces(text, size)) == text
    assert learn(kind, text[:400], 300).to_str() == whole.to_str()
    numbers = encode_whole(whole, text, "it")
    assert numbers.tolist() == expected
    assert numbers.dtype == (np.uint8 if max(whole.get_vocab().values()) < 256 else np.uint16)


def test_memory_is_little(tmp_path):
    """Of what Python counts; what the library takes is for pieces of 65,536 characters."""
    path = tmp_path / "large.txt"
    path.write_text(VARIED * 20_000, encoding="utf-8")
    source, size = Text(file=path), len(VARIED) * 20_000
    tracemalloc.start()
    try:
        assert sum(len(source.numbers(split)) for split in source.splits) == size
        assert source.understood
        assert tracemalloc.get_traced_memory()[1] < 12 * size + 10_000_000  # a character of this text has 4 bytes
    finally:
        tracemalloc.stop()


def test_a_text_that_no_memory_holds(file, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(UserError, match=r"my\.txt has .* GB of memory are needed, but .* are free: give a part of it"):
        Text(file=file).count("train")


@pytest.mark.parametrize(
    ("lines", "high"),
    [
        (["今天早上我们在河边读书{}。"], True),  # no spaces
        (["วันนี้เราอ่านหนังสือ{}"], True),
        (["a{0}=b{0};c{0}+=a{0};"], True),  # minified
        (["the cat sat {}\n"], False),
    ],
)
def test_words_that_were_never_seen(lines, high, tmp_path):
    path = tmp_path / "my.txt"
    numbers = range(300) if high else [0] * 300
    path.write_text("\n".join(lines[0].format(number) for number in numbers), encoding="utf-8")
    source = Text(file=path, tokens="words", context=8)
    said = "\n".join(source.understood)
    assert source.unknown("test") == (1 if high else 0)
    assert ("100.00% of test: give --data.tokens characters or bpe" in said) == high
    assert Text(file=path, context=8).unknown("train") == 0
    report = {"loss": 1.0, "perplexity": 2.7, "bits_per_character": 1.0, "accuracy": 0.5, "tokens": 9, "context": 8}
    table = LanguageModel().table(report | {"rows": None, "baselines": [], "unknown": source.unknown("test")})
    assert ("100.00% of the text without its line ends" in table) == high


@pytest.mark.parametrize("end", ["\r\n", "\r", "\r\r\n", "\u2028", "\x85", "\n\f", "\f\n"])
def test_line_ends(end, tmp_path):
    path = tmp_path / "my.txt"
    path.write_bytes(("\ufeff" + end.join(["a line", "\ufeffanother"] * 20)).encode())
    assert read_text(path) == "\n".join(["a line", "another"] * 20)


def test_what_is_understood(tmp_path):
    path = tmp_path / "my.txt"
    path.write_text("".join(f"line {at % 30}\n<|endoftext|>\n" for at in range(300)))
    said = Text(file=path, context=8).understood
    assert "characters in 600 lines: the first eight tenths train" in "\n".join(said)
    assert "it holds 300 <|endoftext|>, marks of other programs that are learned like any other text" in said
    assert any(line.startswith("lines that stand in train too: ") for line in said)


@pytest.mark.parametrize(
    "part",
    [
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        {"decoder": {"type": "Strip", "content": " ", "start": 5, "stop": 5}},
        {"decoder": {"type": "Strip", "content": "c", "start": 0, "stop": 5}},
    ],
    ids=str,
)
def test_a_tokenizer_over_which_the_library_falls(part, tmp_path):
    written = json.loads(learn("characters", "abc \n", 0).to_str())
    (tmp_path / "tokenizer.json").write_text(json.dumps(written | part))
    with pytest.raises(UserError, match=r"tokenizer\.json is missing or is not a tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")


def test_a_tokenizer_of_somebody_else(file, tmp_path):
    """Cut off, filled up, and with a gap in its numbers: the text is read whole all the same."""
    path, tokenizer = tmp_path / "tokenizer.json", learn("characters", SENTENCES[0] + "dlog\n", 0)
    written = json.loads(tokenizer.to_str())
    written["model"]["vocab"]["z"] = 40
    tokenizer = Tokenizer.from_str(json.dumps(written))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(path))
    source = Text(file=file, tokenizer=path)
    assert len(source.numbers("test")) == len(source.text("test"))
    assert source.spec["vocabulary"] == 41
    path.write_text("{}")
    with pytest.raises(UserError, match="is missing or is not a tokenizer"):
        Text(file=file, tokenizer=path).spec  # noqa: B018 - the property raises
