"""Pairs of sentences: dates, Multi30k, a person's file, and the batches of like length."""

import datetime
import random
import zipfile
from collections import Counter
from itertools import chain, combinations, islice
from pathlib import Path

import numpy as np
import pytest
from conftest import STAGED, assert_complaint, stage_originals

from zoo.data import Pairs
from zoo.data.buckets import widths
from zoo.data.dates import FIRST, LAST, LOCALES, manners, written
from zoo.data.multi30k import Multi30k
from zoo.data.tokens import learn
from zoo.data.tsv import read_pairs
from zoo.errors import UserError

WORDS = {"one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}


def write_pairs(path: Path, count: int = 200) -> Path:
    """Different rows of numbers in words, and their digits, a few as long as 20."""
    chosen, sources = random.Random(0), {}
    while len(sources) < count:
        words = chosen.choices(list(WORDS), k=chosen.choice([2, 3, 4, 5] * 5 + [20]))
        sources[" ".join(words)] = " ".join(WORDS[word] for word in words)
    path.write_text("".join(f"{source}\t{target}\tsomebody\n" for source, target in sources.items()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "my.tsv")


def rows(batches) -> list[tuple]:
    """The tokens of each row that has something to predict, by its weights alone."""
    found = []
    for (source, target), labels, weights in batches:
        assert source.dtype == target.dtype == labels.dtype == np.int32
        for row in range(len(source)):
            count = int(weights[row].sum())
            assert weights[row].tolist() == [1.0] * count + [0.0] * (len(weights[row]) - count)
            if count:
                assert labels[row, count - 1] == 2
                assert target[row, 0] == 1
                assert not labels[row, count:].any()
                assert not target[row, count:].any()
                np.testing.assert_array_equal(target[row, 1:count], labels[row, : count - 1])
                found.append((tuple(source[row][source[row] > 0].tolist()), tuple(labels[row, : count - 1].tolist())))
    return found


def as_rows(pairs) -> Counter:
    return Counter((tuple(source), tuple(target)) for source, target in pairs)


@pytest.fixture(scope="module")
def dates(data_directory) -> Pairs:
    """Read and taken apart into tokens once."""
    return Pairs(directory=data_directory)


def test_dates(dates):
    assert dates.languages == ("date", "iso")
    parts = {split: dates.pairs(split) for split in ("train", "validation", "test")}
    days = {split: {target for _, target in pairs} for split, pairs in parts.items()}
    assert not days["train"] & days["validation"]
    assert not days["train"] & days["test"]
    assert not days["validation"] & days["test"]
    assert sum(map(len, days.values())) == (LAST - FIRST).days + 1 == sum(map(len, parts.values()))
    assert dates.count("train") == len(parts["train"]) > 29_000
    assert {text.split(":")[0] for text, _ in parts["test"]} == set(LOCALES)
    for text, iso in parts["test"]:  # the year, or its last two digits, and the day stand there in digits
        year, _, day = iso.split("-")
        assert year[2:] in text
        assert day.lstrip("0") in text
    assert dates.spec == {"vocabulary": dates.codec.get_vocab_size()}
    assert dates.decode(dates.numbers("test")[0][0]) == parts["test"][0][0]


def test_what_is_written_gives_the_date():
    day = datetime.date(2026, 3, 4)
    assert written(day, "en_US", "short") == "en_US: 3/4/26"
    assert written(day, "en_GB", "short") == "en_GB: 04/03/2026"
    assert written(day, "de", "full") == "de: Mittwoch, 4. März 2026"
    assert written(day, "ja", "long") == "ja: 2026年3月4日"
    chosen, said = random.Random(0), {}
    for _ in range(1500):
        day = FIRST + datetime.timedelta(days=chosen.randrange((LAST - FIRST).days + 1))
        for manner in manners():
            assert said.setdefault(written(day, *manner), day) == day


@pytest.mark.parametrize("batch", [7, 64, 1000])
def test_every_pair_comes_once_an_epoch(batch, file):
    source = Pairs(file=file, batch=batch, lengths=3)
    size = min(batch, source.count("train"))
    steps, rest = divmod(source.epoch_size, size)
    assert rest == 0
    assert (steps - 1) * size < source.count("train") <= steps * size
    stream = list(islice(source.load("train", seed=3).as_numpy_iterator(), 2 * steps))
    first, second = rows(stream[:steps]), rows(stream[steps:])
    assert Counter(first) == Counter(second) == as_rows(source.numbers("train"))
    assert first != second
    shapes = {(inputs[0].shape, inputs[1].shape) for inputs, _, _ in stream}
    assert len(shapes) <= 3
    assert {shape[0][0] for shape in shapes} == {size}
    for split in ("validation", "test"):
        assert Counter(rows(source.load(split).as_numpy_iterator())) == as_rows(source.numbers(split))


def test_training_stream_seeks(file):
    source = Pairs(file=file, batch=7)
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), 60))  # more than two epochs
    for step in (0, 1, 22, 23, 24, 59):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        for ours, theirs in zip((*again[0], *again[1:]), (*batches[step][0], *batches[step][1:]), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    other = list(islice(source.load("train", seed=4).as_numpy_iterator(), 23))
    assert rows(other) != rows(batches[:23])


def test_little_is_padding(dates):
    stream = islice(dates.load("train").as_numpy_iterator(), 100)
    padding = [(inputs[0] == 0).mean() for inputs, _, _ in stream]
    assert np.mean(padding) < 0.08  # in batches of any order it is a half
    shapes = {inputs[0].shape for inputs, _, _ in dates.load("validation")}
    assert len(shapes) <= dates.lengths


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_widths_are_the_best(count):
    lengths = np.random.default_rng(count).integers(1, 9, 30)
    known = sorted(set(lengths.tolist()))

    def tokens(edges):
        return sum(min(edge for edge in edges if edge >= length) for length in lengths)

    size = min(count, len(known))
    ways = [(*chosen, known[-1]) for chosen in combinations(known[:-1], size - 1)]
    edges = widths(lengths, count).tolist()
    assert edges[-1] == known[-1]
    assert len(edges) == size
    assert tokens(edges) == min(map(tokens, ways))


def test_longer_pairs_are_left_out_of_training_only(file):
    whole, source = Pairs(file=file, tokens="words"), Pairs(file=file, tokens="words", limit=5)
    short = [pair for pair in whole.numbers("train") if len(pair[0]) <= 5]
    assert source.numbers("train") == short
    assert f"{whole.count('train') - len(short)} longer ones left out of training" in source.summary
    assert source.count("validation") == whole.count("validation")
    assert max(len(tokens) for tokens, _ in source.numbers("validation")) == 20
    assert Counter(rows(source.load("validation").as_numpy_iterator())) == as_rows(source.numbers("validation"))


def test_parts_of_a_file(tmp_path):
    path = tmp_path / "my.tsv"
    path.write_text("".join(f"s{at % 50}\tt{at}\r\n" for at in range(100)) + "\n", encoding="utf-8-sig")
    parts = {split: Pairs(file=path).pairs(split) for split in ("train", "validation", "test")}
    assert sorted(chain(*parts.values())) == sorted((f"s{at % 50}", f"t{at}") for at in range(100))
    assert {split: len(pairs) for split, pairs in parts.items()} == {"train": 80, "validation": 10, "test": 10}
    sources = [{source for source, _ in pairs} for pairs in parts.values()]
    assert not sources[0] & sources[1]
    assert not sources[0] & sources[2]
    assert not sources[1] & sources[2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty: give a file with text"),
        ("a\tb\nc d\n\ne\t\n\tf\n", "has no source, tab and target in line 2, 4, 5: write each pair in a line"),
        ("no tab\n" * 13, "in line 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 others"),
        ("a\tb\n", "part of my.tsv holds no pair of sentences: give it more pairs"),
        (None, "cannot be read: No such file"),
    ],
)
def test_bad_files(content, words, tmp_path):
    path = tmp_path / "my.tsv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Pairs(file=path).count("train")
    assert words in str(caught.value)


def read(path: Path, rows) -> tuple:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return read_pairs(path)


SENTENCES = [(f"The cat sees {at}.", f"Die Katze sieht {at}.") for at in range(40)]


@pytest.mark.parametrize(
    "row",
    [
        lambda at, one, other: (1000 + at, one, 70_000 + at, other),
        lambda at, one, other: (1000 + at, "eng", one, 70_000 + at, "deu", other),
        lambda at, one, other: (at, one, other, "CC-BY"),
    ],
)
def test_sentences_are_found_between_numbers(row, tmp_path):
    found = read(tmp_path / "my.tsv", [row(at, *pair) for at, pair in enumerate(SENTENCES)])
    assert found.pairs == SENTENCES
    assert any("source and target are the columns" in note for note in found.notes)


def test_numbers_are_no_language(tmp_path):
    with pytest.raises(UserError, match=r"no two columns of text: its first line is '1', 'The cat"):
        read(tmp_path / "my.tsv", [(at, one) for at, (one, _) in enumerate(SENTENCES)])


@pytest.mark.parametrize("head", [("en", "de"), ("source", "target"), ("English", "German"), ("SRC", "TGT")])
def test_names_of_columns_are_no_pair(head, tmp_path):
    found = read(tmp_path / "my.tsv", [head, *SENTENCES])
    assert found.pairs == SENTENCES
    assert found.notes == [f"the first line names the columns and is left out: {head[0]} and {head[1]}"]
    first = ("Go.", "Los.")
    assert read(tmp_path / "my.tsv", [first, *SENTENCES]) == ([first, *SENTENCES], [])


def test_quotation_marks_of_spreadsheets(tmp_path):
    quoted = [(f'"{one}"', f'"{other}"') for one, other in SENTENCES]
    found = read(tmp_path / "my.tsv", quoted)
    assert found.pairs == SENTENCES
    assert "taken off: 80" in found.notes[0]
    mixed = [('"He said ""go""."', "Er sagte."), ('"Go!"', "Los!"), *SENTENCES]
    assert read(tmp_path / "my.tsv", mixed).pairs[:2] == [('He said "go".', "Er sagte."), ('"Go!"', "Los!")]


def test_what_is_understood(tmp_path):
    same, turned = [("OK", "OK")], [(other, one) for one, other in SENTENCES[:3]]
    lacking = [("Nobody.", "")]
    path = tmp_path / "my.tsv"
    read(path, [*SENTENCES, SENTENCES[0], *same, *turned, *lacking])
    said = "\n".join(Pairs(file=path, limit=24, tokens="words").understood)
    assert "first pair of train: 'The cat" in said
    assert "of 45 pairs, all of them used: 1 the same twice or more, 1 with a source equal to its target, 6 th" in said
    assert "left out, without a source or a target: 1 lines, the first is line 46" in said
    assert "sources of test that are in train too: 0" in said


@pytest.mark.parametrize("end", ["\r\n", "\r", "\r\r\n"])
def test_line_ends(end, tmp_path):
    path = tmp_path / "my.tsv"
    path.write_bytes(end.join(f"{one} \u2028!\t{other}" for one, other in SENTENCES).encode())
    assert read_pairs(path).pairs == [(f"{one} \u2028!", other) for one, other in SENTENCES]


def test_sentences_that_no_memory_holds(tmp_path):
    path = write_pairs(tmp_path / "my.tsv")
    far = ("one " * count + word for count in range(25, 45) for word in WORDS)
    path.write_text(path.read_text() + "".join(f"{source}\t1\n" for source in far))
    source = Pairs(file=path, tokens="words", limit=4)
    assert source.count("train")  # learns from none of them
    with pytest.raises(UserError, match=r"part of my\.tsv has a sentence of more than 5 times --data\.limit 4 tokens"):
        [source.count(split) for split in ("validation", "test")]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"batch": 0}, "--data.batch came as 0, but must be from 1 to 10000"),
        ({"lengths": 0}, "--data.lengths came as 0, but must be from 1 to 10000"),
        ({"limit": 10**19}, "--data.limit came as 10000000000000000000, but must be from 1 to 10000"),
        ({"vocabulary": 10**12}, "--data.vocabulary came as 1000000000000, but must be at most 1000000"),
        ({"tokens": "bpe", "vocabulary": 200}, "--data.vocabulary came as 200, but bpe begin with 3 special tokens"),
        ({"source": "de", "target": "de"}, "--data.source and --data.target both came as de, but must differ"),
    ],
)
def test_bad_flags(flags, words):
    with pytest.raises(ValueError, match=words):
        Pairs(**flags)


def test_bad_names(data_directory):
    with pytest.raises(UserError, match=r"--data\.source came as xx, but dates has date, iso"):
        Pairs(directory=data_directory, source="xx").pairs("train")
    with pytest.raises(UserError, match="no data set is called 'multi30'; nearest: multi30k"):
        Pairs(directory=data_directory, name="multi30").pairs("train")
    with pytest.raises(UserError, match="mnist does not hold translations: its features are image, label"):
        Pairs(directory=data_directory, name="mnist").pairs("train")


def test_languages_turned(data_directory, dates):
    turned = Pairs(directory=data_directory, source="iso")
    assert turned.languages == ("iso", "date")
    assert turned.pairs("test")[0][::-1] in dates.pairs("test")


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_special_tokens_are_no_text(kind, file, tmp_path):
    source = Pairs(file=file, tokens=kind, vocabulary=300)
    assert [source.codec.id_to_token(number) for number in range(3)] == ["<pad>", "<bos>", "<eos>"]
    assert source.spec["vocabulary"] <= 300
    numbers = source.encode("one two three")
    assert min(numbers) > 2
    assert source.decode(numbers) == "one two three"
    assert source.decode([1, *numbers, 2, *numbers, 0]) == "one two three"
    assert min(source.encode("one <pad> <eos> two", "it")) > 2
    (tmp_path / "tokenizer.json").write_text(source.files()["tokenizer.json"], encoding="utf-8")
    assert source.of_run(tmp_path, ()).numbers("test") == source.numbers("test")


def test_a_tokenizer_that_is_not_for_translation(file, tmp_path):
    learn("characters", "one two\n", 0).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(
        UserError, match=r"not a tokenizer for translation: its first tokens are .* must be <pad>, <bos>"
    ):
        Pairs(file=file, tokenizer=tmp_path / "tokenizer.json").spec  # noqa: B018 - the property raises


@pytest.mark.skipif(not STAGED.exists(), reason="needs the files of Multi30k beside the repository")
def test_multi30k(tmp_path):
    stage_originals(Multi30k, tmp_path)
    source = Pairs("multi30k", source="de", target="fr", directory=tmp_path, tokens="bpe", vocabulary=300)
    assert {split: len(source.pairs(split)) for split in source.splits} == {
        "train": 29_000,
        "validation": 1014,
        "test": 1000,
    }
    first = (
        "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
        "Deux jeunes hommes blancs sont dehors près de buissons.",
    )
    assert first in source.pairs("train")


MANYTHINGS = STAGED.parent / "anki_fra_eng" / "fra-eng.zip"


@pytest.mark.skipif(not MANYTHINGS.exists(), reason="needs the sentences of manythings.org beside the repository")
def test_sentences_as_manythings_packs_them(tmp_path):
    """Tab-separated English and French, 142,787 pairs, often several to one English sentence."""
    with zipfile.ZipFile(MANYTHINGS) as pack:
        source = Pairs(file=Path(pack.extract("fra.txt", tmp_path)))
    parts = [source.pairs(split) for split in source.splits]
    assert sum(map(len, parts)) == 142_787
    for one, other in combinations(({english for english, _ in part} for part in parts), 2):
        assert not one & other


def test_multi30k_without_a_network(tmp_path, monkeypatch):
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    infos = {url.replace("raw.githubusercontent.com", "nowhere.invalid"): i for url, i in Multi30k.url_infos.items()}
    monkeypatch.setattr(Multi30k, "url_infos", infos)
    with pytest.raises(
        UserError, match=r"multi30k is not in .*nowhere\.invalid cannot be reached .*--data\.name dates"
    ):
        Pairs("multi30k", directory=tmp_path).pairs("train")


def test_missing_tabs_from_the_command_line(tmp_path, zoo_here):
    (tmp_path / "my.tsv").write_text("one\t1\ntwo 2\n")
    done = zoo_here("fit", "transformer", "--data.file", tmp_path / "my.tsv", "--logs", tmp_path / "logs")
    assert_complaint(done, "has no source, tab and target in line 2")
    assert not (tmp_path / "logs").exists()
