"""Texts with a class: the source, TextCNN, and the whole path on a few names."""

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import assert_complaint

from zoo.data import Pairs, Spans, Tags, Text, Texts
from zoo.data.labelled import read_labelled
from zoo.data.languages import LANGUAGES, names
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.models import textcnn
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.tasks.classification import answered, hits

SMALL = partial(textcnn, width=8, windows=(2, 3), filters=6, dropout=0.0)


@pytest.fixture(scope="module")
def run(data_directory, tmp_path_factory):
    recipe = replace(RECIPES["textcnn"], model=SMALL, data=Texts(directory=data_directory, length=20), epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.data.nbsvm.MOST", 100_000)  # which is quick
        yield fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_number_of_weights():
    """Kim 2014, section 3.1: 300 a word; 100 filters of 3, 4 and 5 words with a bias each; 300 and a bias a class."""
    with keras.StatelessScope(initialize_variables=False):
        model = textcnn(1000, 2)
    assert model.count_params() == 1000 * 300 + 360_300 + 602


def test_by_hand_and_padding():
    """A convolution in numpy, of a text that is shorter than a window too; what is appended changes nothing."""
    keras.utils.set_random_seed(0)
    model = textcnn(9, 3, width=4, windows=(2, 4), filters=5, dropout=0.0)
    for text in ([3, 1, 4, 1, 5], [2, 6], [7]):
        vectors = np.vstack([model.get_layer("tokens").embeddings.numpy()[text], np.zeros((3, 4), "float32")])
        found = []
        for window in (2, 4):
            kernel, bias = (weight.numpy() for weight in model.get_layer(f"window{window}").weights)
            rows = [np.einsum("td,tdf->f", vectors[at : at + window], kernel) + bias for at in range(len(text))]
            found.append(np.maximum(rows, 0).max(0))
        kernel, bias = (weight.numpy() for weight in model.get_layer("logits").weights)
        expected = np.concatenate(found) @ kernel + bias
        for padding in (0, 1, 6):
            seen = model(np.array([text + [0] * padding]))
            np.testing.assert_allclose(keras.ops.convert_to_numpy(seen)[0], expected, rtol=1e-4, atol=1e-5)


def test_each_name_of_a_language_is_right(data_directory):
    data = Texts(directory=data_directory, length=12)
    assert data.labels == list(LANGUAGES)
    assert names()["Allemagne"] == ["fr"]
    assert {"de", "en", "it"} < set(names()["Malta"])
    texts = [data._stored(split)[0] for split in data.splits]
    assert sum(map(len, texts)) == len(set.union(*map(set, texts))) == len(names())
    assert data.understood[1] == f"several classes are right for {sum(len(v) > 1 for v in names().values()):,} of them"
    split = next(split for split in data.splits if "Malta" in data._stored(split)[0])
    at = data._stored(split)[0].index("Malta")
    right = data.right(split)
    assert [data.labels[label] for label in np.flatnonzero(right[at])] == names()["Malta"]
    inputs, targets = (np.concatenate(parts) for parts in zip(*data.load("test").as_numpy_iterator(), strict=True))
    np.testing.assert_allclose(targets, data.right("test") / data.right("test").sum(-1, keepdims=True), rtol=1e-6)
    assert inputs.shape == (len(targets), 12)


def test_any_of_several_classes_is_right():
    """In the metric, in the report, and in what is compared with it."""
    right = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]], bool)
    logits = np.eye(3, dtype="float32")[[0, 1, 1, 0]]
    targets = (right / right.sum(-1, keepdims=True)).astype("float32")
    assert np.asarray(hits(targets, logits)).tolist() == [1, 1, 0, 1]
    assert answered(right.argmax(-1), right, logits.argmax(-1)).tolist() == [0, 1, 2, 0]
    assert answered(right.argmax(-1), None, logits.argmax(-1)).tolist() == [0, 0, 2, 0]
    mixed = np.array([[0.3, 0.7, 0]], "float32")  # of two pictures: the larger part is right, as ever
    assert np.asarray(hits(np.repeat(mixed, 3, 0), np.eye(3, dtype="float32"))).tolist() == [0, 1, 0]


def test_training_stream_seeks(data_directory):
    data = Texts(directory=data_directory, batch=8, length=12)
    whole = list(data.load("train", seed=3).take(5).as_numpy_iterator())
    (late,) = data.load("train", seed=3, step=4).take(1).as_numpy_iterator()
    for ours, theirs in zip(late, whole[4], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert whole[0][0].shape == (8, 12)


def test_whole_path(run, zoo_here):
    report = evaluate(run)
    assert report["accuracy"] > 0.2  # of 26 classes
    assert 200 < report["several"] < 500
    first, second = predict(run, ["Deutschland ", ""], top=2)
    assert first["source"] == "Deutschland"
    assert len(first["top"]) == 2
    assert second == {"source": "", "error": "it is empty"}
    done = zoo_here("predict", run.path, "--text", "Ελλάδα", "--json")
    assert json.loads(done.stdout)["top"][0]["label"] == "el", done.stderr
    assert (run.path / "features" / "rows.tsv").read_text(encoding="utf-8").startswith("class\tsaid\ttext\n")
    assert_complaint(zoo_here("predict", run.path), "give either --text TEXT or --file FILE")
    assert_complaint(zoo_here("generate", run.path), "does not generate: try", "--text TEXT")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data.length", "0"), "--data.length came as 0, but must be from 1 to 10000"),
        (("--data.tokens", "bpe", "--data.vocabulary", "100"), "--data.vocabulary came as 100, but must be from 257"),
        (("--data.name", "mnist"), "mnist does not hold texts with one class each: its features are image, label"),
        (("--data.name", "langages"), "no data set is called 'langages'; nearest: languages"),
        (("--model.windows", "0"), "windows came as (0,), but must be one or more numbers of tokens"),
        (("--model.word-dropout", "2"), "word_dropout came as 2.0, but must be from 0 to less than 1"),
    ],
)
def test_mistakes(words, said, zoo_here, tmp_path):
    assert_complaint(zoo_here("fit", "textcnn", *words, "--logs", tmp_path / "logs"), said)
    assert not (tmp_path / "logs").exists()


MAILS = [
    (f"win {at} prizes now" if at % 2 else f"see you at {at} o'clock", "spam" if at % 2 else "ham") for at in range(60)
]


def as_folder(path: Path) -> dict:
    for at, (text, label) in enumerate(MAILS):
        (path / label).mkdir(exist_ok=True)
        (path / label / f"{at}.txt").write_text(text)
    (path / "ham" / "notes.pdf").touch()
    return {"folder": path}


def as_csv(path: Path, delimiter: str = ",", head: tuple = ("id", "body", "kind"), more: tuple = ()) -> dict:
    with open(path / "mails.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *((7, *mail) for mail in MAILS), *more])
    return {"file": path / "mails.csv"}


def as_jsonl(path: Path) -> dict:
    lines = [json.dumps({"message": text, "class": label}) for text, label in MAILS]
    (path / "mails.jsonl").write_text("\n".join(lines))
    return {"file": path / "mails.jsonl"}


@pytest.mark.parametrize("make", [as_folder, as_csv, partial(as_csv, delimiter=";"), as_jsonl])
def test_texts_of_ones_own(make, tmp_path):
    data = Texts(**make(tmp_path))
    assert data.labels == ["ham", "spam"]
    assert {split: data.count(split) for split in data.splits} == {"train": 48, "validation": 6, "test": 6}
    held = [
        (text, data.labels[label]) for split in data.splits for text, label in zip(*data._stored(split), strict=True)
    ]
    assert sorted(held) == sorted(MAILS)
    said = data.understood
    assert said[1:3] == ["ham: 24 train, 3 validation, 3 test", "spam: 24 train, 3 validation, 3 test"]
    assert ("not read: 1 .pdf" in said) == (data.folder is not None)


def test_what_is_said_of_a_table(tmp_path):
    copies, empty, none = [(7, *MAILS[0])] * 5, [(7, " ", "ham")] * 2, [(7, "whose", "")]
    torn, twins = [(7, "both", "ham"), (7, "both", "spam")], [(7, f"hello {at}", "Ham ") for at in range(4)]
    data = Texts(**as_csv(tmp_path, more=[*copies, *empty, *none, *torn, *twins]))
    said = "\n".join(data.understood)
    for words in (
        "texts from the column body, labels from kind",
        "left out, without text: 2",
        "left out, without label: 1",
        "several labels: 1 texts",
        "differ only in case or blanks: 'Ham', 'ham'",
        "copies of texts: 5",
    ):
        assert words in said
    parts = [set(data._stored(split)[0]) for split in data.splits]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda text: "sep=,\r\n" + text, ()),
        (lambda text: "# exported\n\n" + text.replace(",", "|"), ()),
        (lambda text: text.replace("\r\n", ",,\r\n"), ()),
        (lambda text: text + "id,body,kind\r\n", ("1 row that repeats the names", "(the first in line 62)")),
        (lambda text: text + "Total,60\r\n", ("1 row with fewer cells", "left out, without label: 1")),
        (lambda text: text.replace("win 1 prizes now", '"win\r\n1; prizes, now"'), ()),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_forms_of_a_table(write, words, encoding, tmp_path):
    path = as_csv(tmp_path)["file"]
    path.write_bytes(write(path.read_bytes().decode()).encode(encoding))
    read = read_labelled(path)
    assert sum(map(len, read.parts.values())) == len(MAILS)
    assert len([text for part in read.parts.values() for text, _ in part if text.startswith("win")]) == 30
    for said in words:
        assert said in "\n".join(read.notes)


def test_splits_that_are_given(tmp_path):
    for part in ("training", "test"):
        (tmp_path / part).mkdir()
        as_folder(tmp_path / part)
    data = Texts(folder=tmp_path)
    assert {split: data.count(split) for split in data.splits} == {"train": 54, "validation": 6, "test": 60}
    assert "texts of the given validation and test that are in train too: 54" in data.understood


@pytest.mark.parametrize(
    ("head", "more", "words"),
    [
        (
            ("id", "what", "kind"),
            (),
            r"no column that is clearly that of the texts: name it with --data\.text, one of 'id', 'what'",
        ),
        (("id", "body", "kind"), [(7, "one", "rare")], "fewer than 3 different texts of rare: give more of them"),
        (("kind", "body", "x"), (), "of 1 class: give texts of two classes or more"),
        (("id", "kind", "body"), (), "60 different labels for 60 texts"),
        (("id", "body", "kind"), [(7, "a", "b", "c")], "row 61 below the names .* has 4 cells"),
    ],
)
def test_tables_that_cannot_be_used(head, more, words, tmp_path):
    with pytest.raises(UserError, match=words):
        Texts(**as_csv(tmp_path, head=head, more=more)).labels  # noqa: B018 - the property raises


def test_whole_path_with_ones_own(tmp_path):
    data = Texts(**as_csv(tmp_path), length=20)
    run = fit(replace(RECIPES["textcnn"], model=SMALL, data=data, epochs=1), logs=tmp_path)
    assert evaluate(run)["examples"] == 6
    (answer,) = predict(run, ["win 5 prizes"])
    assert answer["top"][0]["label"] in ("ham", "spam")


@pytest.mark.parametrize("kind", [Text, Texts, Pairs, Spans, Tags])
def test_what_is_read_is_forgotten_and_how_is_kept(kind, tmp_path):
    """In a source beside another, which reads other texts in the same way."""
    set_to = {"windows": 3, "text": "a", "label": "b", "fold": 1, "source": "x", "target": "y", "token": 2, "tag": 3}
    given = {name: set_to.get(name, tmp_path / name) for name in kind.which}
    given |= {"folder": None} if "folder" in given else {}
    beside = kind(**given, batch=8).beside(tmp_path, {})
    assert beside == kind(batch=8, tokenizer=tmp_path / "tokenizer.json")


def test_half_of_a_letter_is_named(tmp_path):
    lines = [f'{{"text": "it was {number}", "label": "{"ab"[number % 2]}"}}\n' for number in range(20)]
    lines[3] = '{"text": "it was \\ud83d", "label": "a"}\n'
    lines[4] = '{"text": "it was \\ud83d\\ude00", "label": "a"}\n'  # two halves
    (tmp_path / "my.jsonl").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"line 4 of .* has half of a letter"):
        _ = Texts(file=tmp_path / "my.jsonl").labels


def test_a_split_that_is_none_is_named(tmp_path):
    rows = "".join(
        f"it was {n},{'ab'[n % 2]},{'tset' if n == 7 else 'train' if n < 30 else 'test'}\n" for n in range(40)
    )
    (tmp_path / "my.csv").write_text(f"text,label,split\n{rows}", encoding="utf-8")
    with pytest.raises(UserError, match=r"the column split holds splits, but 'tset' in row 8"):
        read_labelled(tmp_path / "my.csv", None, None)
