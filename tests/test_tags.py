"""Tagged sentences: files in columns and their schemes, the source, and what is wrong with either."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import STAGED, assert_complaint, stage_originals
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from zoo.data import Tags
from zoo.data.conll import read_conll
from zoo.data.date_parts import tagged
from zoo.data.dates import DAYS, FIRST, manners, written
from zoo.data.tokens import learn
from zoo.data.wnut17 import Wnut17
from zoo.errors import UserError

NAMES = ("Ada", "Bob", "Cleo", "Dan", "Eve", "Finn")
PLACES = ("Oslo", "Rome", "New York")


def sentences(count: int = 60) -> list[list[tuple[str, str]]]:
    """Somebody went somewhere, in BIO."""
    found = []
    for at in range(count):
        first, *more = PLACES[at % 3].split()
        place = [(first, "B-place"), *((word, "I-place") for word in more)]
        found.append([(NAMES[at % 6], "B-person"), ("went", "O"), ("to", "O"), *place, (f"{at}.", "O")])
    return found


def write(path, rows: list[list[tuple[str, str]]], between: str = "\n"):
    path.write_text(between.join("".join(f"{token}\t{tag}\n" for token, tag in row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return write(tmp_path_factory.mktemp("own") / "mine.conll", sentences())


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("a B-X\nb I-X\nc B-X\nd O\n\ne B-Y\n", "BIO"),
        ("a I-X\nb I-X\nc B-X\nd O\n\ne I-Y\n", "IOB1"),
        ("a B-X\nb E-X\nc S-X\nd O\n\ne S-Y\n", "IOBES"),
        ("a B-X\nb L-X\nc U-X\nd O\n\ne U-Y\n", "BILOU"),
        ("-DOCSTART- O\n\n# id 1 of\na B-X\nb I-X\nc B-X\nd O\n\t\n  \ne B-Y", "BIO"),
        ("a\tN\tB-X\nb\tN\tI-X\n# text of it\nc\tN\tB-X\nd\tV\tO\n\t\ne\tN\tB-Y\n", "BIO"),
    ],
)
def test_schemes(text, scheme, tmp_path):
    """Each of them, and what may stand between sentences, gives the same."""
    (tmp_path / "x.conll").write_text(text, encoding="utf-8")
    read = read_conll(tmp_path / "x.conll")
    assert read.sentences == [(["a", "b", "c", "d"], ["B-X", "I-X", "B-X", "O"]), (["e"], ["B-Y"])]
    assert read.notes[0] == f"tags of x.conll: {scheme}"


def test_tags_without_a_scheme(tmp_path):
    (tmp_path / "x").write_text("1 it PRON\n2 is VERB\n3 is VERB\n", encoding="utf-8")
    assert read_conll(tmp_path / "x", token=2).sentences == [(["it", "is", "is"], ["B-PRON", "B-VERB", "B-VERB"])]
    (tmp_path / "x").write_text("in O\nNew LOC\nYork LOC\n", encoding="utf-8")
    assert read_conll(tmp_path / "x").sentences[0][1] == ["O", "B-LOC", "I-LOC"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a O\nb\nc O\n", "x.conll has 1 column in line 2, but 2 elsewhere: 'b'"),
        ("a\tO\nb\t\nc\tO\n", "x.conll has 1 column in line 2, but 2 elsewhere: 'b'"),
        ("a\tO\n\tO\nc\tO\n", "x.conll has an empty column in line 2: 'O'"),
        ("a I-X\nb O\nc B-X\n", "begins a span with I-X in line 1, but one with B-X in line 3: no scheme allows both"),
        ("a B-\nb O\n", "has the tag 'B-' in line 1, which names no kind: wanted B-KIND"),
        ("a B-X\nb PER\n", "has the tag 'PER' in line 2, but others such as B-X: no scheme allows both"),
        ("a B-X\nb O\nc S-X\n", "has a span that is not ended or not begun in line 2 (O)"),
        ("a S-X\nb I-X\n", "has a span that is not ended or not begun in line 2 (I-X)"),
        ("a\nb\n", "has 1 column, and tokens and tags are read from 1 and 1: wanted a token, a tab or blanks"),
        ("1 a O\n2 b O\n", "holds only numbers: name that of the tokens with --data.token 2"),
        ("\n \n", "x.conll is empty: give a file with text"),
        (
            "".join(f"w t{at}\n" for at in range(600)),
            "has 600 different tags, such as t0, t1, t2, t3, t4: name",
        ),
        ("".join(f"w{at} O\n\n" for at in range(12)), "x.conll has no tag but O: there is nothing to learn"),
    ],
)
def test_bad_files(text, said, zoo_here, tmp_path):
    (tmp_path / "x.conll").write_text(text, encoding="utf-8")
    words = ("tagger", "--data.file", tmp_path / "x.conll", "--logs", tmp_path / "logs")
    assert_complaint(zoo_here("fit", *words), said)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data.length", "1"), "--data.length came as 1, but must be from 4 to 1000"),
        (("--data.test", "x"), "--data.validation or --data.test came without --data.file"),
        (("--data.name", "mnist"), "mnist does not hold tagged sentences: its features are image, label"),
        (("--data.name", "wnut"), "no data set is called 'wnut'; nearest: "),
        (("--data.file", "nowhere.conll"), "--data.file came as nowhere.conll, which cannot be read"),
    ],
)
def test_mistakes(words, said, zoo_here, tmp_path):
    assert_complaint(zoo_here("fit", "tagger", *words, "--logs", tmp_path / "logs"), said)


def test_what_is_understood(train, tmp_path):
    said = Tags(file=train, length=5).understood
    assert said[:5] == [
        "mine.conll: 48 train, 6 validation, 6 test",
        "tags of mine.conll: BIO",
        "words: 257 train, 31 validation, 32 test",
        "spans of person: 48 train, 6 validation, 6 test",
        "spans of place: 48 train, 6 validation, 6 test",
    ]
    assert said[-1] == "longer than 5 tokens, cut into several: 20 sentences"
    for name, rows in (("train", sentences(20)), ("dev", sentences(12)), ("test", sentences(9))):
        write(tmp_path / f"{name}.txt", rows, between="\t\n")
    data = Tags(file=tmp_path / "train.txt")
    assert [data.count(split) for split in ("train", "validation", "test")] == [20, 12, 9]
    assert data.understood[1] == "validation: dev.txt, found beside"
    assert data.understood[-1] == "sentences of validation and test that are in train too: 21"
    few = Tags(file=write(tmp_path / "few.conll", sentences(4)))
    with pytest.raises(
        UserError, match=r"few\.conll has 4 different sentences \(an empty line ends one\): give at least 10"
    ):
        few.count("train")
    given = replace(few, validation=tmp_path / "dev.txt", test=tmp_path / "test.txt")
    assert given.count("train") == 4


def test_each_sentence_is_in_one_split(train):
    data = Tags(file=train)
    parts = [{tuple(tokens) for tokens, _ in data.sentences(split)} for split in data.splits]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 60


def test_batches(train):
    """Words in lower case with their letters, unknown ones as 1, tags where there is a word."""
    data = Tags(file=train, letters=3, batch=4, unknown=0.0)
    (tokens, letters), tags, weights = next(iter(data.load("validation")))
    rows = data.sentences("validation")
    assert tokens.shape == tags.shape == weights.shape == (6, max(len(words) for words, _ in rows))
    for row, (words, truth) in enumerate(rows):
        ids = [data.codec.token_to_id(word.lower()) or 1 for word in words]
        assert tokens[row, : len(words)].numpy().tolist() == ids
        assert [data.labels[tag] for tag in tags[row, : len(words)]] == truth
        assert not weights[row, len(words) :].numpy().any()
        assert (tags[row, len(words) :].numpy() == -1).all()
        spelled = [[*data.alphabet].index(letter) for letter in words[0]]
        assert letters[row, 0].numpy().tolist() == [*spelled, 0, 0][:3]
    assert data.spec == {"vocabulary": data.vocabulary_size, "classes": 5, "characters": len(data.alphabet)}


def test_a_word_that_looks_like_padding_is_a_word(train):
    tokens, first = Tags(file=train, letters=0).inputs([["<pad>", "went"], ["Ada"]])
    assert tokens[0, 0] == 1
    assert first.tolist() == [[True, True], [True, False]]


def test_training_stream_seeks_and_forgets_rare_words(train):
    data = Tags(file=train, batch=8)
    whole = list(data.load("train", seed=3).take(5))
    (late,) = data.load("train", seed=3, step=4).take(1)
    for ours, theirs in zip(late[0], whole[4][0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    seen = np.concatenate([(tokens.numpy() == 1).ravel() for (tokens, _), _, _ in whole])
    numbers = 5 * 8  # one word of each sentence, its number, is the only one of its kind
    assert 0.3 * numbers < seen.sum() < 0.7 * numbers
    all_known = replace(data, unknown=0.0).load("train").take(5)
    assert not any((tokens.numpy() == 1).any() for (tokens, _), _, _ in all_known)


def test_long_sentences_are_windows_of_even_size(train):
    data = Tags(file=train, length=4)
    assert [len(window) for window in data.windows(list("abcdefghi"))] == [3, 3, 3]
    assert data.windows([]) == [[]]


def test_pieces_of_a_published_tokenizer(train, tmp_path):
    """The first piece of each word has the tag, between the special tokens of the tokenizer (Devlin 2018)."""
    known = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "Ad", "Bo", "##a", "##b", "went", "to")
    vocabulary = {token: number for number, token in enumerate(known)}
    codec = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    codec.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    codec.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    codec.save(str(tmp_path / "tokenizer.json"))
    data = Tags(file=train, tokenizer=tmp_path / "tokenizer.json", length=8)
    inputs, first = data.inputs([["Ada", "went", "to", "Bob"]])
    assert inputs.tolist() == [[2, 4, 6, 8, 9, 5, 7, 3]]
    assert first.tolist() == [[False, True, False, True, True, True, False, False]]
    assert data.spec == {"vocabulary": 10, "classes": 5}
    tokens, tags, _ = next(iter(data.load("validation")))
    assert tokens.shape[1] <= 8
    assert (tags.numpy() >= 0).sum() == sum(len(words) for words, _ in data.sentences("validation"))
    kept = data.of_run(tmp_path, data.labels)
    assert kept.coder.cut("(Ada)").tokens == ["(", "Ada", ")"]


def test_padding_of_a_published_tokenizer_comes_first(train, tmp_path):
    """RoBERTa's is token 1, which changes places with token 0, as in the embedding; one without padding is refused."""
    for name, special in (("roberta", ("<s>", "<pad>", "</s>", "<unk>")), ("gpt2", ("<s>", "</s>", "<unk>"))):
        learn("bpe", "Ada went to Rome", 300, special).save(str(tmp_path / f"{name}.json"))
    data = Tags(file=train, tokenizer=tmp_path / "roberta.json")
    assert [data.codec.id_to_token(number) for number in (0, 1)] == ["<pad>", "<s>"]
    tokens, first = data.inputs([["Ada", "went"], ["Ada"]])
    assert (tokens[0] != 0).all()
    assert tokens[1, -1] == 0
    assert first.sum(1).tolist() == [2, 1]
    with pytest.raises(UserError, match=r"gpt2.json has '<s>' as its token 0, but must have \[PAD\] or <pad>"):
        _ = Tags(file=train, tokenizer=tmp_path / "gpt2.json").codec


def test_texts_are_cut_into_tokens(train):
    data = Tags(file=train)
    text = 'Ada, "went" to @home: 7.'
    words = data.coder.cut(text)
    assert words.tokens == ["Ada", ",", '"', "went", '"', "to", "@home", ":", "7."]  # 7. is a word of the file
    assert [text[start:end] for start, end in words.places] == words.tokens


def test_dates_are_those_of_the_pairs():
    for at, manner in enumerate(manners()):
        day = FIRST.fromordinal(FIRST.toordinal() + at * 499 % DAYS)
        text, tags = tagged(day, *manner)
        assert text == written(day, *manner).split(": ", 1)[1]
        kinds = [tag[2:] for tag in tags if tag.startswith("B-")]
        assert sorted(kinds)[:2] == ["day", "month"]
        assert len(text) == len(tags)


@pytest.mark.skipif(not STAGED.exists(), reason="the originals of wnut17 are not stored beside this repository")
def test_wnut17(tmp_path):
    stage_originals(Wnut17, tmp_path)
    data = Tags("wnut17", directory=tmp_path)
    assert [len(data.sentences(split)) for split in data.splits] == [3394, 1009, 1287]
    assert [sum(len(tokens) for tokens, _ in data.sentences(split)) for split in data.splits] == [62730, 15733, 23394]
    assert data.kinds == ["corporation", "creative-work", "group", "location", "person", "product"]
