"""Rows of a table: columns by what they hold, splits that keep equal rows together, and the network by scikit-learn."""

import json
import re
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from conftest import assert_complaint
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

from zoo.data import Rows
from zoo.data.numbers import read_numbers
from zoo.data.row_columns import kind_of, learned, written_in
from zoo.errors import UserError
from zoo.models import mlp

NAMES = ["id", "age", "town", "when", "story", "same", "who", "survived"]


def people(path, count: int = 200):
    """A table in which the town decides, with gaps, dates, free text, numbers of rows, and people of two rows each."""
    random, lines = np.random.default_rng(0), [",".join(NAMES)]
    for number in range(count):
        age = "" if number % 9 == 0 else str(random.integers(1, 90))
        town = ("York", "Bath", "Hull")[random.integers(3)]
        lines.append(
            f"{number},{age},{town},2024-01-{number % 28 + 1:02},text {number},x,p{number // 2},{town == 'York'}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_columns_are(tmp_path):
    source = Rows(csv=people(tmp_path / "p.csv"), label="survived", groups="who")
    said = "\n".join(source.understood)
    for words in (
        "p.csv: 160 train, 20 validation, 20 test",
        "survived is predicted: False (",
        "numbers (1): age",
        "categories (1): town",
        "id is left out: it numbers the rows",
        "when is left out: dates",
        "story is left out: text, 200 different values",
        "same is left out: the same in all rows",
        "with gaps, which are inputs of their own: age",
    ):
        assert words in said
    assert source.spec == {"input_shape": (5,), "classes": 2}
    for one in source._parts:
        for other in source._parts:
            groups = [{source._keys[at] for at in source._parts[split]} for split in (one, other)]
            assert one == other or not groups[0] & groups[1]
    inputs, labels = source.arrays("train")
    assert abs(inputs[inputs[:, 1] == 0, 0].mean()) < 1e-5  # standardised by training, and a gap is the mean
    assert not inputs[inputs[:, 1] == 1, 0].any()
    np.testing.assert_array_equal(inputs[:, 4] == 1, labels == 1)  # Bath, Hull, York
    assert source.views(inputs[:1])[0].startswith("age ")


def test_columns_by_hand():
    assert kind(["1,5", "2", "", "2,25"]) == "number"
    commas = written_in("n", ["1,5", "", "2,5"])
    np.testing.assert_allclose(learned("n", "number", ["1,5", "", "2,5"], commas).encode(["3", "?"]), [[2, 0], [0, 1]])
    town = learned("t", "category", ["b", "a", "b"], commas)
    assert town.encode(["a", "c"]).tolist() == [[1, 0], [0, 0]]
    assert "did not occur" in town.problem("c")
    for cells, words in (
        (["820", "1.290", "1.100"], "thousands"),
        (["1"] * 9 + ["2", "many"], "also 'many' in row 11 below"),
    ):
        with pytest.raises(UserError, match=words):
            kind(cells)


def kind(cells, delimiter=";"):
    return kind_of("n", cells, written_in("n", cells, delimiter), lambda row: f"row {row + 1} below the names")


@pytest.mark.parametrize(
    "cells",
    [
        ["1250", "820", "-3"],
        ["1,5", "2", "3,25"],
        ["1.250,5", "820,1", "1.290"],
        ["1.234.567", "5", "-6"],
        ["1'250", "820", "999.5"],
        ["1\u202f290", "1 250", "820"],
        ["5%", "6 %", "9%"],
        ["$1.25", "\u20ac2", "-$3"],
        ["(5)", "6-", "\u22129"],
        ["12,34,567", "5", "1e3"],
        ["820", "1.250", "1.290"],
        ["820", "1,250", "1,290"],
        ["1.250", "2.375", "3.125"],
        ["5%", "6", "7%"],
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_series_and_rows_read_the_same_numbers(cells, delimiter):
    """Both give the same numbers, or both refuse."""
    try:
        expected, _ = read_numbers(cells, "x", delimiter=delimiter)
    except UserError:
        with pytest.raises(UserError):
            kind(cells, delimiter)
        return
    assert kind(cells, delimiter) == "number"
    column = learned("n", "number", cells, written_in("n", cells, delimiter))
    np.testing.assert_array_equal(column.numbers(cells), expected)
    assert not any(map(column.problem, cells))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (",".join(NAMES), r"1 row that repeats the names of the columns.* is left out \(the first in line 202\)"),
        ("Total,9000,,,,,,True", r"row 201 below the names has 'Total' in the column id"),
        ("7,5,York,2024-01-01,x,x,p7,True,,", "p.csv: "),
        ("7,5,York", r"1 row with fewer cells than there are names: the missing cells are taken as empty.*line 202"),
        ("7,5,York,2024-01-01,x,x,p7,True,8", "row 201 below the names .* has 9 cells"),
        ("7,old,York,2024-01-01,x,x,p7,True", r"also 'old' in row 201 below the names"),
    ],
)
def test_mistakes_in_a_table(more, words, tmp_path):
    path = people(tmp_path / "p.csv")
    path.write_text(path.read_text(encoding="utf-8") + more + "\n", encoding="utf-8")
    try:
        said = "\n".join(Rows(csv=path, label="survived").understood)
    except UserError as error:
        said = str(error)
    assert re.search(words, said)


def test_columns_of_former_runs(tmp_path):
    """Before they said how numbers are written, columns were read with either decimal mark."""
    age = {"name": "age", "kind": "number", "gaps": True, "mean": 30.0, "deviation": 10.0, "values": []}
    town = {
        "name": "town",
        "kind": "category",
        "gaps": False,
        "mean": 0.0,
        "deviation": 1.0,
        "values": ["Bath", "York"],
    }
    (tmp_path / "columns.json").write_text(json.dumps([age, town]), encoding="utf-8")
    (tmp_path / "new.csv").write_text("town;age\nYork;32,5\nBath;27.5\nYork;\nBath;40%\n", encoding="utf-8")
    source = Rows().of_run(tmp_path, ["no", "yes"])
    ((*answers,),) = Rows.Inputs.of(tmp_path / "new.csv").read(source, {})
    np.testing.assert_allclose([inputs for _, inputs in answers][:3], [[0.25, 0, 0, 1], [-0.25, 0, 1, 0], [0, 1, 0, 1]])
    strange = [about.get("strange") for about, _ in answers]
    assert strange == [None] * 3 + [["age is '40%', but in training it was without %"]]


@pytest.mark.parametrize(
    ("trained", "other", "words"),
    [
        ("{}%", "{}", "the numbers in the column age are without %, but in training with it"),
        ("{}", "{}%", "the numbers in the column age are with %, but in training without it"),
        ("{},5", "{}.5", "row 1 below the names has '0.5' in the column age, which is 0.5 .* but no number as"),
        ("1.{}00,5", "1.{}00", "row 1 below the names has '1.000' in the column age, which is 1 .* but 1000 as"),
    ],
)
def test_numbers_of_another_table_are_written_as_in_training(trained, other, words, tmp_path):
    def table(form: str, name: str):
        rows = "".join(f"{form.format(at % 10)}\t{'ab'[at % 2]}{at % 3}\t{at % 2}\n" for at in range(60))
        (tmp_path / name).write_text(f"age\ttown\tbought\n{rows}", encoding="utf-8")
        return Rows(csv=tmp_path / name, label="bought")

    (tmp_path / "columns.json").write_text(table(trained, "a.tsv").files()["columns.json"], encoding="utf-8")
    same = replace(table(trained, "a.tsv"), form=tmp_path / "columns.json")
    assert same.digest("train") == table(trained, "a.tsv").digest("train")
    with pytest.raises(UserError, match=words):
        replace(table(other, "b.tsv"), form=tmp_path / "columns.json").arrays("train")
    (tmp_path / "c.tsv").write_text((tmp_path / "a.tsv").read_text(encoding="utf-8").replace("b1", "new"), "utf-8")
    said = replace(same, csv=tmp_path / "c.tsv").understood
    assert "in 10 rows town is 'new', which did not occur in training" in said
    with pytest.raises(UserError, match="has no column 'town': it has age, place"):
        (tmp_path / "d.tsv").write_text("age\tplace\tbought\n" + "1\ta\t0\n2\tb\t1\n" * 30, encoding="utf-8")
        replace(same, csv=tmp_path / "d.tsv").understood  # noqa: B018 - the property raises


def test_equal_rows_lie_in_one_split(tmp_path):
    rows = [f"{number % 40},{number % 3},{'ab'[number % 2]}" for number in range(240)]
    (tmp_path / "r.csv").write_text("\n".join(["x,y,z", *rows]) + "\n", encoding="utf-8")
    source = Rows(csv=tmp_path / "r.csv", label="z")
    parts = [{tuple(row) for row in source.arrays(split)[0].tolist()} for split in source.splits]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert "120 rows have the same cells as another" in "\n".join(source.understood)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name the one to predict, --data.label"),
        (("--data.label", "sex"), "has no column 'sex'"),
        (("--data.label", "id"), "predicting a number is not offered for rows"),
        (("--data.label", "story"), "has 200 values: classes are 100 at most"),
        (("--data.label", "same"), "has one value"),
    ],
)
def test_complaints(words, said, zoo_here, tmp_path):
    done = zoo_here("fit", "mlp", "--data.csv", people(tmp_path / "p.csv"), *words, "--logs", tmp_path / "logs")
    assert_complaint(done, said)
    assert not (tmp_path / "logs").exists()


@pytest.mark.usefixtures("unshown")
def test_the_whole_path(zoo_here, tmp_path):
    words = ("--data.label", "survived", "--data.groups", "who", "--epochs", 12, "--optimizer.rate", 0.01)
    done = zoo_here("fit", "mlp", "--data.csv", people(tmp_path / "p.csv"), *words, "--logs", tmp_path / "logs")
    assert done.returncode == 0, done.stderr
    run = done.stdout.splitlines()[-1].removeprefix("run: ")
    done = zoo_here("evaluate", run)
    assert "baseline, boosted trees: accuracy 100.00%" in done.stdout, done.stdout
    assert json.loads((tmp_path / "logs" / run / "test.json").read_text())["accuracy"] == 1
    (tmp_path / "p.csv").unlink()
    (tmp_path / "new.csv").write_text("town;age\nYork;30\nParis;\nBath;old\n", encoding="utf-8")
    done = zoo_here("predict", run, tmp_path / "new.csv")
    answers = done.stdout.splitlines()
    assert [line.split("new.csv")[1][:8] for line in answers] == [":1\tTrue ", ":2\tFalse", ":3\tFalse"], done.stderr
    assert "row 2 of" in done.stderr and "town is 'Paris', which did not occur in training" in done.stderr
    assert "age is 'old', which is no number" in done.stderr
    (tmp_path / "new.csv").write_text("town\nYork\n", encoding="utf-8")
    done = zoo_here("predict", run, tmp_path / "new.csv")
    assert done.returncode == 1 and "has no column age" in done.stdout


def test_the_network_of_scikit_learn():
    inputs, labels = load_iris(return_X_y=True)
    theirs = MLPClassifier((7, 5), max_iter=5, random_state=0).fit(inputs, labels)
    model = mlp((4,), 3, units=(7, 5), dropout=0.3)
    model.set_weights([part for pair in zip(theirs.coefs_, theirs.intercepts_, strict=True) for part in pair])
    ours = keras.ops.softmax(model(inputs)).numpy()
    np.testing.assert_allclose(ours, theirs.predict_proba(inputs), atol=1e-5)
    assert mlp((30,), 2).count_params() == 6274
    assert partial(mlp, units=())((4,), 3).count_params() == 15


@pytest.mark.parametrize(
    "change",
    [{"name": 5}, {"kind": "../other"}, {"gaps": -1}, {"deviation": "1"}, {"deviation": 0}, {"mean": float("nan")},
     {"decimal": []}, {"thousands": True}, {"values": [1]}, {"more": 1}],
)  # fmt: skip
def test_columns_of_a_run_that_are_damaged(change, tmp_path):
    column = {"name": "age", "kind": "number", "gaps": False}
    (tmp_path / "columns.json").write_text(json.dumps([column | {"values": []} | change]), encoding="utf-8")
    with pytest.raises(UserError, match="is missing or does not hold columns"):
        _ = Rows(form=tmp_path / "columns.json").columns


def test_a_mark_or_nothing_is_a_category(tmp_path):
    rows = "".join(f"{n % 7},{'x' * (n % 2)},{'ab'[n % 2]}\n" for n in range(60))
    (tmp_path / "r.csv").write_text(f"size,smoker,y\n{rows}", encoding="utf-8")
    source = Rows(csv=tmp_path / "r.csv", label="y")
    assert [(column.name, column.kind) for column in source.columns] == [("size", "number"), ("smoker", "category")]
    names = source.names("test")
    assert len(set(names)) == source.count("test")
    assert all(name.startswith("r.csv, line ") and 2 <= int(name.split()[-1]) <= 61 for name in names)


def test_text_in_a_column_of_numbers(tmp_path):
    rows = "".join(f"{'unknown' if n % 9 == 0 else n % 5},{'ab'[n % 2]}\n" for n in range(60))
    (tmp_path / "r.csv").write_text(f"size,y\n{rows}", encoding="utf-8")
    with pytest.raises(UserError, match=r"--data.number came with size, but 'unknown' in row 1 below the names is no"):
        _ = Rows(csv=tmp_path / "r.csv", label="y", number=("size",)).columns


def test_numbers_that_no_network_computes_with(tmp_path):
    rows = "".join(f"{'1e400' if n == 9 else n % 5},{'ab'[n % 2]}\n" for n in range(60))
    (tmp_path / "r.csv").write_text(f"size,y\n{rows}", encoding="utf-8")
    with pytest.raises(UserError, match="the column size holds a number of more than 38 digits"):
        _ = Rows(csv=tmp_path / "r.csv", label="y").columns


@pytest.mark.parametrize("labels", [("+", "-"), ("none", "some")])
def test_labels_that_would_be_gaps_elsewhere(labels, tmp_path):
    rows = "".join(f"{n % 7},{labels[n % 2]}\n" for n in range(60))
    (tmp_path / "r.csv").write_text(f"size,y\n{rows}", encoding="utf-8")
    assert list(Rows(csv=tmp_path / "r.csv", label="y").labels) == sorted(labels)
