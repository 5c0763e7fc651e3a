"""Several series of one file, and further columns as inputs: told apart, cut, scaled, measured, used."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_complaint

from zoo.data import Series
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.fit import fit
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.tasks import Forecast

DAYS = np.datetime64("2024-01-01") + np.arange(200)
SPANS = {"north": (0, 200, 100.0), "south": (0, 200, 5000.0), "closed": (0, 90, 30.0), "new": (190, 200, 7.0)}


def write(path: Path, *columns: str, rows) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def sold(at: np.ndarray, level: float) -> np.ndarray:
    """A week, and a step of a thousandth by which each row can be told."""
    return level * (1 + 0.2 * np.sin(at * 2 * np.pi / 7) + at / 1000)


@pytest.fixture(scope="module")
def shops(tmp_path_factory) -> Path:
    """Four shops: one was closed, one has just opened; the rows are shuffled."""
    rows = []
    for shop, (first, last, level) in SPANS.items():
        at = np.arange(first, last)
        rows += zip(DAYS[at], [shop] * len(at), sold(at, level), at % 3, strict=True)
    rows = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    return write(tmp_path_factory.mktemp("shops") / "shops.csv", "day", "shop", "sales", "promotion", rows=rows)


def of_shops(shops: Path, **settings) -> Series:
    return Series(csv=shops, column="sales", **{"by": ("shop",)} | settings)


def whole(data) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.concatenate(part) for part in zip(*data.as_numpy_iterator(), strict=True))


def test_each_is_cut_at_the_same_dates_and_scaled_by_its_own_rows(shops):
    source = of_shops(shops, horizon=2)
    assert set(source.members) == {"north", "south", "closed"}
    borders = dict(zip(source.members, source.parts("test"), strict=True))
    first = {name: part.start - source.firsts[at] for at, (name, part) in enumerate(borders.items())}
    assert first["north"] == first["south"] > 90 == first["closed"]
    for split in source.splits:
        windows, targets = whole(source.load(split).take(60) if split == "train" else source.load(split))
        steps = np.concatenate([windows[..., 0], targets], axis=1)
        found = set()
        for name in source.members:
            mean, deviation = source.scales.of(name)[0]
            known = sold(np.arange(200), SPANS[name][2])
            part = dict(zip(source.members, source.parts("train"), strict=True))[name]
            assert (mean, deviation) == pytest.approx(
                (known[: part.stop - part.start].mean(), known[: part.stop - part.start].std()), rel=1e-9
            )
            scaled = np.lib.stride_tricks.sliding_window_view((known - mean) / deviation, steps.shape[1])
            own = [at for at, row in enumerate(steps) if np.abs(scaled - row).max(1).min() < 1e-4]
            assert own or (name == "closed" and split != "train")
            found |= set(own)
        assert found == set(range(len(steps)))  # no window holds rows of two


def test_what_is_said_of_them(shops):
    said = " ".join(of_shops(shops).understood)
    assert "4 series, told apart by shop, of which 3 are used, with 90 to 200 rows" in said
    assert "left out 1 series (new): in the training part a series needs 15 rows" in said
    assert "1 series (closed) have no row, or too few, in the test part" in said
    assert "in all series the validation begins with 2024-" in said
    with pytest.raises(UserError, match=r"none of the 4 series of shops\.csv can be used"):
        of_shops(shops, window=500).spec  # noqa: B018 - the property raises


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        ("day shop sales", [[day, s, at] for s in "ab" for at, day in enumerate(DAYS[:30])], "--data.by shop,"),
        (
            "day shop item sales",
            [[day, s, i, at] for s in (1, 2) for i in (7, 8) for at, day in enumerate(DAYS[:30])],
            "--data.by shop item,",
        ),
        ("shop sales", [[s, at] for s in "abc" for at in range(20)], "no dates, .* type --data.by shop"),
        ("shop sales", [[s, at] for at in range(20) for s in "abc"], "no dates, .* type --data.by shop"),
        ("town sales", [[s, at] for s in ("Dortmund", "Milano", "Sonoma") for at in range(20)], "type --data.by town"),
        ("what sales", [[s, at] for at in range(20) for s in ("south", "sales", "Marseille")], "type --data.by what"),
        ("shop step sales", [[s, at, at] for s in (1, 2, 3) for at in range(20)], "no dates, .* type --data.by shop"),
    ],
)
def test_several_are_never_read_as_one(columns, rows, words, tmp_path):
    source = Series(csv=write(tmp_path / "a.csv", *columns.split(), rows=rows), column="sales")
    with pytest.raises(UserError, match=words):
        source.spec  # noqa: B018 - the property raises


@pytest.mark.parametrize(
    "texts",
    [
        "Mon Tue Wed Thu Fri Sat Sun",
        "Montag Dienstag Mittwoch Donnerstag Freitag",
        "janv. f\u00e9vr. mars avr. mai juin juil. ao\u00fbt sept. oct. nov. d\u00e9c.",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "luned\u00ec marted\u00ec mercoled\u00ec gioved\u00ec venerd\u00ec sabato domenica",
        "Q1 Q2 Q3 Q4",
    ],
)
def test_names_of_the_calendar_are_no_series(texts, tmp_path):
    rows = [[text, at] for at in range(20) for text in texts.split()]
    source = Series(csv=write(tmp_path / "a.csv", "which", "sales", rows=rows), column="sales")
    assert "--data.by" not in " ".join(source.understood)


def test_other_cells_are_another_series(tmp_path):
    """Even where the cells, one after the other, are the same text."""
    pairs = [("a / b", "c"), ("a", "b / c"), ("a /", "b"), ("a", "/ b"), ('"a', "b"), ('a"', "b")]
    rows = [[day, *pair, at % 7 * len(pair[0])] for pair in pairs for at, day in enumerate(DAYS[:60])]
    path = write(tmp_path / "a.csv", "day", "shop", "item", "sales", rows=rows)
    members = Series(csv=path, column="sales", by=("shop", "item")).members
    assert len(set(members)) == len(pairs)
    assert members[:2] == ('"a / b" / c', 'a / "b / c"')


def test_what_needs_one_series_says_so(shops):
    source = of_shops(shops)
    with pytest.raises(UserError, match=r"may hold several series, told apart by shop: ask for each"):
        source.read(shops, source.spec)
    with pytest.raises(ValueError, match="the moments are needed"):
        source.unscaled(np.zeros(3))
    assert set(Forecast().look(source, next(iter(source.load("train"))))) == {"inputs", "series"}


@pytest.fixture(scope="module")
def run(shops, tmp_path_factory):
    recipe = replace(RECIPES["nlinear"], data=of_shops(shops, inputs=("promotion",), horizon=2), epochs=3)
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_measured_by_hand(run, shops):
    report, model = evaluate(run), run.model()
    source = of_shops(shops, inputs=("promotion",), horizon=2).of_run(run.path, [])
    assert run.record["spec"] == {"input_shape": [14, 2], "classes": 2}
    errors, last = [], []
    for name in ("north", "south"):
        (mean, deviation), (middle, spread) = source.scales.of(name)
        known, at = sold(np.arange(200), SPANS[name][2]), np.arange(200)
        first = next(
            p.start - f
            for n, p, f in zip(source.members, source.parts("test"), source.firsts, strict=True)
            if n == name
        )
        for start in range(first, 199):
            seen = slice(start - 14, start)
            window = np.stack([(known[seen] - mean) / deviation, (at[seen] % 3 - middle) / spread], axis=1)
            truth = known[start : start + 2]
            errors.append(np.float64(model(np.float32(window[None])))[0] - (truth - mean) / deviation)
            last.append((known[start - 1] - truth) / deviation)
    assert report["windows"] == len(errors)
    assert report["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-3)
    assert report["naive_rmse"] == pytest.approx(np.sqrt(np.mean(np.square(last))), rel=1e-4)
    assert set(report["by_series"]) == {"north", "south"}
    one = report["by_series"]["south"]
    assert one["naive_ratio"] == pytest.approx(one["rmse"] / one["naive_rmse"])
    text = Forecast().table(report)
    assert "errors in deviations of each series" in text
    assert "of 2 series one of the naive forecasts is better" in text


def test_each_series_is_answered(run, shops, tmp_path):
    answers = {answer["series"]: answer for answer in predict(run, [shops])}
    assert set(answers) == set(SPANS)
    assert answers["north"]["dates"] == ["2024-07-19", "2024-07-20"]
    assert 50 < answers["north"]["forecast"][0] < 200
    assert 2500 < answers["south"]["forecast"][0] < 10_000
    wide = {name: answers[name]["high"][0] - answers[name]["low"][0] for name in ("north", "south")}
    assert wide["south"] == pytest.approx(50 * wide["north"], rel=0.1)
    assert "the run knows no series 'new'" in answers["new"]["error"]
    (answer,) = predict(run, [write(tmp_path / "a.csv", "day", "shop", "sales", rows=[["2024-01-01", "north", 1]])])
    assert "has no column 'promotion'" in answer["error"]


def test_commands(run, shops, zoo_here):
    done = zoo_here("evaluate", run.path)
    assert done.returncode == 0, done.stderr
    with open(run.path / "series.csv", encoding="utf-8", newline="") as file:
        assert sorted(row["series"] for row in csv.DictReader(file)) == ["north", "south"]
    done = zoo_here("predict", run.path, shops)
    assert done.returncode == 1  # one is unknown
    assert f"{shops}\tnorth\t2024-07-19 " in done.stdout
    flags = ("--data.csv", shops, "--data.column", "sales", "--data.by", "shop", "--data.inputs")
    assert_complaint(zoo_here("fit", "nlinear", *flags, "sales"), "the column sales", "came twice")
    assert_complaint(zoo_here("fit", "nlinear", *flags, "day"), "in the column day", "which is not a number")


def test_inputs_of_an_only_series(tmp_path):
    rows = [[day, at % 7 + at / 99, at % 5, 3] for at, day in enumerate(DAYS)]
    path = write(tmp_path / "a.csv", "day", "sales", "price", "constant", rows=rows)
    source = Series(csv=path, column="sales", inputs=("price", "constant"), window=7)
    windows, targets = whole(source.load("test"))
    mean, deviation = np.mean([row[2] for row in rows[:160]]), np.std([row[2] for row in rows[:160]])
    expected = (np.lib.stride_tricks.sliding_window_view([row[2] for row in rows], 7)[173:-1] - mean) / deviation
    np.testing.assert_allclose(windows[..., 1], expected, rtol=1e-5)
    assert not windows[..., 2].any()
    np.testing.assert_allclose(source.unscaled(targets[:, 0]), [row[1] for row in rows[180:]], rtol=1e-5)
    assert json.loads(source.files()["scale.json"])["inputs"]["price"] == pytest.approx([mean, deviation])
    assert "price, constant: seen by the network beside sales, past rows only" in " ".join(source.understood)


def test_unset_they_are_no_part_of_a_record():
    assert not {"by", "inputs"} & RECIPES["rnn"].record()["data"].keys()
    with pytest.raises(ValueError, match=r"--data.by came as shop, but no --data.csv FILE"):
        Series(by=("shop",))
