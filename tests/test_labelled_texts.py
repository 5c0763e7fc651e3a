"""Labelled texts: folds, words in lower case, given word vectors, NB-SVM beside the network, tables to read."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import STAGED, assert_complaint, stage_originals
from sklearn.metrics import f1_score
from test_crashes import crash_at_saves

from zoo import metrics
from zoo.data import Texts
from zoo.data.folds import in_fold
from zoo.data.nbsvm import grams, log_count_ratio, matrix, nbsvm
from zoo.data.rotten_tomatoes import RottenTomatoes
from zoo.data.source import knowing
from zoo.data.text_lines import TextLines
from zoo.data.tokens import encode, learn, out_of_vocabulary
from zoo.data.vectors import read_vectors
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.models import textcnn
from zoo.models.textcnn import VARIANTS
from zoo.opened import opened
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

GOOD, BAD = "fine good great lovely warm", "awful bad dull poor weak"
SMALL = partial(textcnn, width=4, windows=(1, 2), filters=4, dropout=0.2, word_dropout=0.1)


def reviews(path: Path, count: int = 60) -> Path:
    """A table of texts that a network can tell apart."""
    random, rows = np.random.default_rng(0), []
    for number in range(count):
        word = random.choice((GOOD if number % 2 else BAD).split())
        rows.append((f"Film {number} is {word}, isn't it?", "good" if number % 2 else "bad"))
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("body", "kind"), *rows])
    return path


def write_vectors(path: Path, vectors: dict[str, np.ndarray], kind: str) -> Path:
    """The vectors in one of the formats."""
    width = len(next(iter(vectors.values())))
    head = b"" if kind == "glove" else f"{len(vectors)} {width}\n".encode()
    rows = [
        word.encode() + b" " + (row.astype("<f4").tobytes() if kind == "binary" else " ".join(map(str, row)).encode())
        for word, row in vectors.items()
    ]
    path.write_bytes(head + b"\n".join(rows) + b"\n")
    return path


@pytest.fixture
def vectors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {
        word: random.normal(size=4).astype("float32")
        for word in (*GOOD.split(), *BAD.split(), "unseen", "\u00e9t\u00e9")
    }


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("pool", ["max", "mean"])
def test_padding_changes_neither_answers_nor_gradients(variant, pool):
    keras.utils.set_random_seed(0)
    options = {"variant": variant, "pool": pool, "width": 4, "windows": (2, 3), "filters": 5, "dropout": 0.0}
    model = textcnn(9, 3, None if variant == "rand" else 4, **options)
    text, found = np.array([[3, 1, 4, 1], [5, 2, 0, 0]]), []
    for more in (0, 5):
        with tf.GradientTape() as tape:
            logits = model(np.pad(text, ((0, 0), (0, more))))
            loss = tf.reduce_sum(logits**2)
        gradients = map(tf.convert_to_tensor, tape.gradient(loss, model.trainable_weights))
        found.append([np.asarray(part) for part in (logits, *gradients)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_words_in_lower_case():
    """Contractions are cut as in Kim's own code; line breaks of HTML are no words."""
    text = "I don't THINK it's good!<br /><br />You've seen 'it', na\u00efve Jos\u00e9?"
    codec = learn("uncased", text, 100, ("<pad>",))
    words = "i|do|n't|think|it|'s|good|!|you|'ve|seen|'|it|'|,|na\u00efve|jos\u00e9|?"
    assert codec.encode(text.replace("\u00ef", "i\u0308")).tokens == words.split("|")
    assert codec.token_to_id("<pad>") == 0
    assert out_of_vocabulary(codec, "Think WELL") == ["well"]
    few = learn("uncased", "a b a c a b", 4, ("<pad>",))
    assert encode(few, "A B C", "it") == [2, 3, 1]  # the most frequent are kept


def test_folds():
    """Every text is in one test, each fold has the same classes, and copies lie together."""
    pairs = [(f"text {number}", number % 3 // 2) for number in range(300)]
    pairs += pairs[:30]
    tests = []
    for fold in range(10):
        parts = in_fold(pairs, fold)
        assert sorted(pair for part in parts.values() for pair in part) == sorted(pairs)
        texts = {name: {text for text, _ in part} for name, part in parts.items()}
        assert sum(map(len, texts.values())) == 300
        assert Counter(dict(parts["test"]).values()) == {0: 20, 1: 10}
        assert Counter(dict(parts["validation"]).values()) == {0: 18, 1: 9}
        assert texts == {name: {text for text, _ in part} for name, part in in_fold(pairs[::-1], fold).items()}
        tests.append(texts["test"])
    assert len(set.union(*tests)) == 300


@pytest.mark.skipif(not STAGED.exists(), reason="the stored files are not here")
def test_rotten_tomatoes(tmp_path):
    stage_originals(RottenTomatoes, tmp_path)
    data = Texts("rotten_tomatoes", directory=tmp_path, tokens="uncased", fold=3)
    assert sum(data.count(split) for split in data.splits) == 10_662
    assert data.labels == ["neg", "pos"]
    assert data.understood[1].startswith("fold 3 of 10: a tenth of all texts is the test")
    assert data.selection == {"fold": 3}
    texts, labels = (part for part in data._stored("test"))
    assert len(texts) == len(labels) == data.count("test") == 1066
    assert not {*texts} & {*data._stored("train")[0]}
    assert any("\u00e9" in text for text in data._stored("train")[0])  # latin-1


def test_a_fold_of_ones_own(tmp_path):
    data = Texts(file=reviews(tmp_path / "my.csv"), fold=9)
    assert data.understood[:3] == [
        "my.csv: 48 train, 6 validation, 6 test",
        "fold 9 of 10: a tenth of all texts is the test, a tenth of the rest for validation, whatever splits the data "
        "have; copies of a text lie in one fold",
        "bad: 24 train, 3 validation, 3 test",
    ]
    with pytest.raises(ValueError, match=r"--data\.fold came as 10, but must be from 0 to 9"):
        Texts(fold=10)


@pytest.mark.parametrize("kind", ["glove", "text", "binary"])
def test_vectors_are_read(kind, vectors, tmp_path):
    path = write_vectors(tmp_path / "vectors", vectors, kind)
    found = read_vectors(path, ["good", "\u00e9t\u00e9", "nowhere"])
    assert found.keys() == {"good", "\u00e9t\u00e9"}
    for word, row in found.items():
        np.testing.assert_allclose(row, vectors[word], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with b'': wanted word vectors"),
        (b"good 1 2\nbad 1\n", "line 2 of .* has 1 numbers: wanted 2, as the first line says"),
        (b"good 1 2\nbad 1 x\n", "something else than numbers in the vector of 'bad'"),
        (b"good 1 nan\n", "numbers that are not finite"),
        (b"2 2\ngood 1 2\n", "has 1 vectors, but its first line says 2: it is not whole"),
        (b"1 2\ngood 1 2 3\n", "line 2 of .* has more numbers: wanted 2, as the first line says"),
        (b"gut 1 2\n", "has none of the 2 words of the texts: take vectors of their language"),
        (b"2 2\ngood \0\0\0\0\0\0\0\0bad \0\0", "breaks off in its vector 2 of 2: fetch it again"),
    ],
)
def test_vectors_that_cannot_be_used(content, words, tmp_path):
    (tmp_path / "vectors").write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_vectors(tmp_path / "vectors", ["good", "bad"])


@pytest.mark.usefixtures("unshown")
def test_training_begins_with_vectors(vectors, tmp_path):
    """Those of a static table end as they began; what has no vector varies as the others do; a run needs no file."""
    path = write_vectors(tmp_path / "vectors.txt", vectors, "text")
    data = Texts(file=reviews(tmp_path / "my.csv"), tokens="uncased", vectors=path, length=12)
    assert "vectors from vectors.txt: 10 of 62 tokens have one, of 4 numbers; the others are drawn at random" in (
        said.replace(f"of {data.vocabulary_size - 1} tokens", "of 62 tokens") for said in data.understood
    )
    table = data.initial()["tokens"]
    known = [data.codec.token_to_id(word) for word in vectors if data.codec.token_to_id(word)]
    others = np.delete(table, known, 0)
    assert np.abs(others).max() <= np.sqrt(3) * table[known].std() + 1e-6
    assert others.std() == pytest.approx(table[known].std(), rel=0.2)
    recipe = replace(RECIPES["textcnn"], model=partial(SMALL, variant="multichannel"), data=data, epochs=1)
    run = fit(recipe, logs=tmp_path / "logs")
    path.unlink()
    model = run.model()
    tables = {layer.name: layer.weights[0].numpy() for layer in model.layers if layer.name.startswith("tokens")}
    for name, ended in tables.items():
        assert np.array_equal(ended, table) == (name == "tokens_static"), name
    assert len(tables) == 2
    assert evaluate(run)["examples"] == 6


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("textcnn", "variant came as 'rand', but vectors were given: rand is the variant without"),
        ("encoder", "it has no argument vectors: leave out --data.vectors"),
    ],
)
def test_networks_that_do_not_go_with_vectors(recipe, said, vectors, zoo_here, tmp_path):
    path = write_vectors(tmp_path / "vectors.txt", vectors, "glove")
    words = ("--data.file", reviews(tmp_path / "my.csv"), "--data.tokens", "uncased", "--data.vectors", path)
    assert_complaint(zoo_here("fit", recipe, *words, "--logs", tmp_path / "logs"), said)


def test_variants_that_want_vectors(zoo_here, tmp_path):
    words = ("--data.file", reviews(tmp_path / "my.csv"), "--model.variant", "static", "--logs", tmp_path / "logs")
    assert_complaint(zoo_here("fit", "textcnn", *words), "variant came as 'static', but --data.vectors FILE is missing")


def test_nb_svm_by_hand():
    """The ratio of section 2.1 from counts; a pair of neighbours counts once a text; scikit-learn's SVM on top."""
    texts, labels = [[1, 2, 1, 2], [1, 3], [2, 3], [3]], np.array([1, 1, 0, 0])
    rows, found = grams(texts, 4)
    of = [{tuple(divmod(key - 4, 4)) if key >= 4 else key for key in found[rows == row].tolist()} for row in range(4)]
    assert of == [{1, 2, (1, 2), (2, 1)}, {1, 3, (1, 3)}, {2, 3, (2, 3)}, {3}]
    names = sorted(set.union(*of), key=str)
    counts = np.array([[name in text for name in names] for text in of], float)
    p, q = 1 + counts[labels == 1].sum(0), 1 + counts[labels == 0].sum(0)
    ratio = np.log((p / p.sum()) / (q / q.sum()))
    known, columns = np.unique(found, return_inverse=True)
    ours = log_count_ratio(matrix(rows, columns, (4, len(known))), labels == 1)
    place = {tuple(divmod(key - 4, 4)) if key >= 4 else key: at for at, key in enumerate(known.tolist())}
    np.testing.assert_allclose([ours[place[name]] for name in names], ratio)
    answers, count = nbsvm(texts, labels, [[1, 2], [3, 3], [9]], 2)
    assert answers[:2].tolist() == [1, 0] and count == 4


def test_nb_svm_of_several_classes_and_of_many_texts(monkeypatch):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    texts = [[int(label) + 1, *random.integers(4, 20, 5).tolist()] for label in labels]
    answers, count = nbsvm(texts, labels, texts, 3)
    assert (answers == labels).mean() > 0.95 and count == 300
    monkeypatch.setattr("zoo.data.nbsvm.MOST", 3 * 6 * 100)
    answers, count = nbsvm(texts, labels, texts, 3)
    assert (answers == labels).mean() > 0.9 and count == 100


def test_f1():
    truth, logits = np.array([0, 0, 0, 1, 2]), np.eye(4)[[0, 0, 1, 1, 1]]
    report = metrics.classification(truth, logits, list("abcd"))
    by_hand = np.array([0.8, 0.5, 0.0])  # of a, b and c; d neither is nor is answered
    assert report["macro_f1"] == pytest.approx(by_hand.mean())
    assert report["weighted_f1"] == pytest.approx(by_hand @ [0.6, 0.2, 0.2])
    assert report["macro_f1"] == f1_score(truth, logits.argmax(-1), average="macro", zero_division=0)
    shown = Classification().table(report | {"baselines": []})
    assert "F1                 0.4333 macro, 0.5800 weighted" in shown


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    data = Texts(file=reviews(folder / "my.csv"), text="body", tokens="uncased", length=12, batch=16)
    model, optimizer = partial(textcnn, width=16, windows=(1, 2), filters=16), Optimizer("adamw", rate=0.02)
    return fit(Recipe("own", model, data, Classification(), optimizer=optimizer, epochs=8), logs=folder / "logs")


def test_a_table_is_answered_line_by_line(run, zoo_here, tmp_path):
    report = evaluate(run)
    names = [baseline["name"] for baseline in report["baselines"]]
    assert names == ["always bad (the most frequent class)", "NB-SVM of tokens and their pairs"]
    path = tmp_path / "new.csv"
    path.write_text('id,body,note\n1,"It is great,\nreally",x\n2,,x\n3,It is dull,x\n', encoding="utf-8")
    done = zoo_here("predict", run.path, "--file", path)
    assert [line.split(" ")[0] for line in done.stdout.split("\n")] == ["good", "", "bad", ""], done.stderr
    assert "line 2 cannot be answered: it is empty" in done.stderr
    done = zoo_here("predict", run.path, "--file", path, "--column", "note", "--json", "--top", 2)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["source"] for answer in answers] == ["x"] * 3 and len(answers[0]["top"]) == 2
    (tmp_path / "long.csv").write_text("text\nIt is good\n" + "great " * 20 + "\n" + "great " * 21, encoding="utf-8")
    done = zoo_here("predict", run.path, "--file", tmp_path / "long.csv")
    assert done.stderr.count(" is cut: it has ") == 1 and "line 2, and maybe others, is cut: it has 20" in done.stderr
    (tmp_path / "new.jsonl").write_text('{"message": "It is warm"}\n', encoding="utf-8")
    done = zoo_here("predict", run.path, "--file", tmp_path / "new.jsonl")
    assert done.stdout.startswith("good")
    done = zoo_here("predict", run.path, "--file", path, "--column", "text")
    assert_complaint(done, "has no column 'text': name it with --column, one of 'id', 'body', 'note'")
    (tmp_path / "new.txt").write_text("It is great\n", encoding="utf-8")
    with pytest.raises(ValueError, match="--column came as note, but names a column of --file"):
        TextLines(text="a", column="note")
    done = zoo_here("predict", run.path, "--file", tmp_path / "new.txt", "--column", "text")
    assert_complaint(done, "--column came as text, but", "is no CSV, TSV or JSONL file")


def test_it_is_measured_on_other_texts(run, zoo_here, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(
        "id,body,kind\n1,It is great,good\n2,It was lovely,good\n3,,good\n4,It is fine,\n", encoding="utf-8"
    )
    report = evaluate(run, file=path)
    assert (report["examples"], report["accuracy"]) == (2, 1.0)
    assert [baseline["name"] for baseline in report["baselines"]] == ["always good (the most frequent class)"]
    done = zoo_here("evaluate", run.path, "--data.file", path)
    assert "other data than the run was trained on" in done.stdout, done.stderr
    assert "all 2 texts of other.csv that have a label are measured; none of bad; texts from the column" in done.stdout
    assert "; left out, without text: 1; left out, without label: 1\n" in done.stdout
    (tmp_path / "texts" / "good").mkdir(parents=True)
    (tmp_path / "texts" / "good" / "1.txt").write_text("It is great", encoding="utf-8")
    assert evaluate(run, folder=tmp_path / "texts")["examples"] == 1
    assert list(run.path.glob("other-*-predictions.csv")) and not (run.path / "test.json").exists()
    for text, words in (
        (
            "body,kind\nIt is great,good\nIt is dull,Bad\n",
            "labels that are no class of the run: Bad; it knows bad, good: write 'bad' for 'Bad'",
        ),
        ("words,kind\nIt is great,good\n", "has no column 'body': call it as in training; there are 'words', 'kind'"),
        ("body,kind\n,good\n", "has no text with a label"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=words):
            evaluate(run, file=path)


def test_a_fold_is_not_said_of_other_texts(run, tmp_path):
    data = replace(opened(run).source, fold=0, folder=tmp_path / "texts", file=None)
    (tmp_path / "texts" / "good").mkdir(parents=True)
    (tmp_path / "texts" / "good" / "1.txt").write_text("It is great", encoding="utf-8")
    other, said = knowing(data, labels=["bad", "good"]).other({}, {"digest": ""})
    assert (other.selection, other.count("all"), other.labels) == ({}, 1, ["bad", "good"])
    assert said.endswith("all 1 texts of texts that have a label are measured; none of bad")


def test_another_tokenizer_is_noticed(run, zoo_here, tmp_path):
    """One of the same size, which would give each word the vector of another."""
    other = shutil.copytree(run.path, tmp_path / run.path.name)
    tokens = json.loads((other / "tokenizer.json").read_text(encoding="utf-8"))
    words = list(tokens["model"]["vocab"])
    tokens["model"]["vocab"] = dict(zip([*words[:2], *reversed(words[2:])], range(len(words)), strict=True))
    (other / "tokenizer.json").write_text(json.dumps(tokens), encoding="utf-8")
    complaint = "tokenizer.json is not the one that the run was trained with: restore it, or train it again"
    assert_complaint(zoo_here("predict", other, "--text", "It is great"), complaint)
    (other / "tokenizer.json").unlink()
    assert_complaint(
        zoo_here("predict", other, "--text", "It is great"), "tokenizer.json is missing or is no text: restore it, or"
    )


@pytest.mark.parametrize("given", [{"text": "txt"}, {"label": "txt"}])
def test_columns_that_are_not_there(given, tmp_path):
    with pytest.raises(UserError, match=r"has no column 'txt': name it with --data\.\w+, one of 'body', 'kind'"):
        Texts(file=reviews(tmp_path / "my.csv"), **given).labels  # noqa: B018 - the property raises


@pytest.mark.usefixtures("unshown")
def test_crash_at_saves(vectors, tmp_path, monkeypatch):
    """With dropout of words, and vectors with which only a new network begins."""
    path = write_vectors(tmp_path / "vectors.txt", vectors, "text")
    data = Texts(file=reviews(tmp_path / "my.csv"), tokens="uncased", vectors=path, length=12, batch=16)
    recipe = replace(RECIPES["textcnn"], model=partial(SMALL, variant="multichannel"), data=data, epochs=2)
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)
