"""Time series: windows, scaling, forecasts that know nothing, and the verbs that deal with them."""

import csv
import json
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_complaint
from PIL import Image
from statsmodels.datasets import sunspots
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_crashes import crash_at_saves

from zoo.data import Series
from zoo.errors import UserError
from zoo.evaluate import evaluate, result
from zoo.fit import fit
from zoo.models import nlinear, rnn
from zoo.opened import opened
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.tasks import Forecast
from zoo.tasks.forecast import conformal_radius, naive, seasonal_naive


def write(path: Path, *columns: str, rows) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture(scope="module")
def waves(tmp_path_factory) -> Path:
    """Two hundred days with a week in them, and noise."""
    day, noise = np.arange(200), np.random.default_rng(0).normal(0, 3, 200)
    sales = 500 + 40 * np.sin(day * 2 * np.pi / 7) + noise
    return write(tmp_path_factory.mktemp("series") / "shop.csv", "day", "sales", rows=zip(day, sales, strict=True))


def of_waves(waves: Path, **settings) -> Series:
    return Series(csv=waves, column="sales", **{"window": 14, "season": 7} | settings)


def whole(data) -> tuple[np.ndarray, np.ndarray]:
    """All inputs and targets of a pass."""
    return tuple(np.concatenate(part) for part in zip(*data.as_numpy_iterator(), strict=True))


def test_sunspots(data_directory):
    source = Series(directory=data_directory)
    table = sunspots.load_pandas().data
    np.testing.assert_array_equal(source.series, table["SUNACTIVITY"])
    assert table["YEAR"].tolist() == list(range(1700, 2009))
    assert source.spec == {"input_shape": (11, 1), "classes": 1}
    assert [source.parts(split) for split in source.splits] == [[slice(0, 247)], [slice(247, 278)], [slice(278, 309)]]
    assert [source.count(split) for split in source.splits] == [247 - 11, 31, 31]


def test_scaled_by_the_training_part_alone(waves):
    source, column = of_waves(waves), np.loadtxt(waves, delimiter=",", skiprows=1)[:, 1]
    mean, deviation = column[:160].mean(), np.sqrt(((column[:160] - column[:160].mean()) ** 2).mean())
    assert source.moments == pytest.approx((mean, deviation), rel=1e-12)
    windows, targets = whole(source.load("test"))
    assert windows.dtype == targets.dtype == np.float32
    expected = (np.lib.stride_tricks.sliding_window_view(column, 15)[180 - 14 :] - mean) / deviation
    np.testing.assert_allclose(windows[..., 0], expected[:, :14], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(targets, expected[:, 14:], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(source.unscaled(source.scaled(column)), column, rtol=1e-6)


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_target_of_a_part_is_one_of_another(tmp_path, horizon):
    """The values are their own places."""
    path = write(tmp_path / "places.csv", "place", rows=([place] for place in range(100)))
    source = Series(csv=path, window=6, season=7, horizon=horizon, batch=8)
    targeted, seen = {}, {}
    for split in source.splits:
        batches = source.load(split)
        if split == "train":
            batches = batches.take(200)  # many passes
        windows, targets = (source.unscaled(part).round().astype(int) for part in whole(batches))
        places = windows[:, :1, 0] + np.arange(6 + horizon)  # one after the other, without a gap
        np.testing.assert_array_equal(np.concatenate([windows[..., 0], targets], 1), places)
        targeted[split], seen[split] = set(targets.flat), set(windows.flat)
    assert targeted == {"train": set(range(6, 80)), "validation": set(range(80, 90)), "test": set(range(90, 100))}
    assert max(seen["train"]) < 80 > min(seen["validation"])  # an input may reach back, and only back
    assert max(seen["validation"]) < 90 > min(seen["test"])


def test_the_test_part_changes_nothing_in_training(waves, tmp_path):
    rows = list(csv.reader(waves.read_text().splitlines()))
    rows = [[day, "1e6" if at >= 180 else value] for at, (day, value) in enumerate(rows[1:])]
    other = of_waves(write(tmp_path / "shop.csv", "day", "sales", rows=rows))
    source = of_waves(waves)
    assert other.files() == source.files()
    for split in ("train", "validation"):
        assert other.digest(split) == source.digest(split)
        for ours, theirs in zip(source.load(split).take(30), other.load(split).take(30), strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])
    assert other.digest("test") != source.digest("test")


def test_training_stream_seeks(waves):
    source = of_waves(waves, batch=9)
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), 60))
    for step in (0, 17, 59):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        for ours, theirs in zip(again, batches[step], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    one_pass = np.concatenate([targets for _, targets in batches])[: source.count("train"), 0]
    np.testing.assert_array_equal(np.sort(one_pass), np.sort(source.scaled(source.series[14:160])))


def test_forecasts_that_know_nothing():
    series, starts = np.arange(100.0) ** 2, np.array([20, 21, 99])
    np.testing.assert_array_equal(naive(series, starts, 3), [[361.0] * 3, [400.0] * 3, [9604.0] * 3])
    np.testing.assert_array_equal(seasonal_naive(series, starts, 1, 7), [[13**2], [14**2], [92**2]])
    # Past a season, the last value known in it: four and five steps ahead are one and two ahead again.
    np.testing.assert_array_equal(seasonal_naive(series, starts[:1], 5, 3), [[17**2, 18**2, 19**2, 17**2, 18**2]])


@pytest.fixture(scope="module")
def run(waves, tmp_path_factory):
    recipe = replace(RECIPES["rnn"], data=of_waves(waves, horizon=2), epochs=15)
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_evaluation_by_hand(run, waves):
    """The errors in numpy, window by window, with a network that is called directly."""
    column, model = np.loadtxt(waves, delimiter=",", skiprows=1)[:, 1], run.model()
    mean, deviation = column[:160].mean(), column[:160].std()
    errors = {"": [], "naive_": [], "seasonal_": []}
    for at in range(180, 199):
        truth, window = column[at : at + 2], (column[at - 14 : at, None] - mean) / deviation
        errors[""].append(np.float64(model(np.float32(window[None])))[0] * deviation + mean - truth)
        errors["naive_"].append(column[at - 1] - truth)
        errors["seasonal_"].append(column[at - 7 : at - 5] - truth)
    report = evaluate(run)
    assert report["windows"] == 19
    for name, error in errors.items():
        assert report[f"{name}mae"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
        assert report[f"{name}rmse"] == pytest.approx(np.sqrt(np.mean(np.square(error))), rel=1e-4)
        assert report[f"{name}rmse_by_step"] == pytest.approx(np.sqrt(np.mean(np.square(error), 0)), rel=1e-4)
    assert report["seasonal_ratio"] == pytest.approx(report["rmse"] / report["seasonal_rmse"])
    assert report["naive_ratio"] < 0.5  # it has learned the week
    np.testing.assert_array_equal(report["drawn"]["truth"], column[180:200])
    np.testing.assert_array_equal(report["drawn"]["seasonal"][:2], column[173:175])
    loss = run.summary["best"]["val_loss"]
    assert evaluate(run, "validation")["rmse"] == pytest.approx(np.sqrt(loss) * deviation, rel=1e-3)


def test_a_series_that_repeats_itself(tmp_path):
    """Nothing beats a seasonal-naive forecast without an error: there is no ratio to it."""
    path = write(tmp_path / "clock.csv", "hour", rows=([at % 12] for at in range(200)))
    source = Series(csv=path, season=12, window=12)
    report = Forecast().report(rnn(**source.spec), source, "test")
    assert report["seasonal_rmse"] == 0
    assert report["seasonal_ratio"] is None
    json.dumps(report, allow_nan=False)
    assert any(line.split()[-2:] == ["0", "none"] for line in Forecast().table(report).splitlines())


def test_a_run_keeps_the_scale(run, waves, tmp_path):
    kept = of_waves(waves).of_run(run.path, [])
    assert kept.moments == of_waves(waves).moments
    assert json.loads((run.path / "scale.json").read_text())["column"] == "sales"
    (tmp_path / "scale.json").write_text(json.dumps({"column": "sales", "mean": 1.0, "deviation": 2.0}))
    elsewhere = of_waves(waves).of_run(tmp_path, [])
    np.testing.assert_array_equal(elsewhere.scaled(np.array([1.0, 5.0])), [0, 2])
    for bad in ("{", "[]", "{}", '{"column": "x", "mean": 0, "deviation": 0}'):
        (tmp_path / "scale.json").write_text(bad)
        with pytest.raises(UserError, match="is missing or is not the scale of a series"):
            elsewhere.of_run(tmp_path, []).moments  # noqa: B018 - the property raises
        with pytest.raises(UserError, match="is missing or is not the scale of a series"):
            elsewhere.of_run(tmp_path, []).read(waves, {"input_shape": (7, 1)})


def test_a_scale_that_changed_between_stop_and_resume(waves, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps({"column": "sales", "mean": 1.0, "deviation": 2.0}))
    recipe = replace(RECIPES["rnn"], data=of_waves(waves, scale=tmp_path / "s.json"), epochs=1)
    run = fit(recipe, logs=tmp_path)
    (run.path / "summary.json").unlink()
    (tmp_path / "s.json").write_text(json.dumps({"column": "sales", "mean": 9.0, "deviation": 2.0}))
    with pytest.raises(UserError, match=r"scale\.json no longer matches the data: start a new run with --fresh"):
        fit(replace(recipe, data=of_waves(waves, scale=tmp_path / "s.json")), logs=tmp_path)
    assert json.loads((run.path / "scale.json").read_text())["mean"] == 1.0


def test_a_network_that_predicts_at_each_step(waves, tmp_path):
    recipe = replace(RECIPES["rnn"], model=partial(rnn, every_step=True), data=of_waves(waves))
    with pytest.raises(UserError, match=r"rnn cannot be built: its outputs are \[14, 1\], but the data need \[1\]"):
        fit(recipe, logs=tmp_path)


def test_predictions(run, tmp_path):
    """For files of other lengths and columns, by the scale of the run alone: its own data may be gone."""
    source, spec = Series(csv=tmp_path / "gone.csv", column="sales", window=14).of_run(run.path, []), run.record["spec"]
    (tmp_path / "a").mkdir()
    future = write(tmp_path / "a" / "future.csv", "sales", "day", rows=((400 + at, at) for at in range(30)))
    single = write(tmp_path / "a" / "Single.CSV", "other", rows=([400 + at] for at in range(30)))
    write(tmp_path / "a" / ".hidden.csv", "sales", rows=[[1]])
    assert source.find(tmp_path / "a") == sorted([future, single])
    seen, more = source.read(future, spec)
    assert more == {}
    assert seen.dtype == np.float32
    np.testing.assert_allclose(source.unscaled(seen[:, 0]), np.arange(416, 430), rtol=1e-6)
    np.testing.assert_array_equal(source.read(single, spec)[0], seen)
    outputs = run.model()(seen[None])
    (answer,) = Forecast().answers(run.model(), source, Forecast.Ask(), [seen])
    mean, deviation = source.moments
    forecast, (aim, radius) = (np.float64(outputs)[0] * deviation + mean).tolist(), source.radius
    assert answer.pop("forecast") == pytest.approx(forecast)
    assert answer.pop("low") == pytest.approx(np.subtract(forecast, radius))
    assert answer == {"high": pytest.approx(np.add(forecast, radius)), "aim": aim}
    assert Forecast().line({"forecast": [1234.5678, 2.0]}) == "+1 1234.57\t+2 2"
    whole = {"dates": ["2026-03-01"], "forecast": [136.2], "low": [120.1], "high": [150.3], "aim": 0.9}
    assert Forecast().line(whole) == "2026-03-01 136.2, 90% 120.1 to 150.3"
    with pytest.raises(UserError, match=r"cannot be asked that: .*'top'"):
        next(predict(run, [future], top=3))
    short = write(tmp_path / "short.csv", "sales", rows=[[1]] * 13)
    with pytest.raises(OSError, match="has 13 rows, but a window is 14"):
        source.read(short, spec)
    far = write(tmp_path / "far.csv", "sales", rows=[[1]] * 13 + [["1e60"]])
    with pytest.raises(OSError, match=r"1e\+60 is too far from the mean"):
        source.read(far, spec)
    with pytest.raises(FileNotFoundError, match="No such file"):
        source.read(tmp_path / "none.csv", spec)
    with pytest.raises(OSError, match=r"has no column 'sales': it has a, b"):
        source.read(write(tmp_path / "others.csv", "a", "b", rows=[[1, 2]] * 20), spec)


ROWS = "".join(f"{day},{day % 7}.5\n" for day in range(100))


@pytest.mark.parametrize(
    ("content", "column", "words"),
    [
        (b"", None, "is empty: wanted a CSV file with names"),
        (b" \n\n", None, "is empty: wanted a CSV file with names"),
        (b"day,sales\n", "sales", "has names in its first line, day, sales, but no row below"),
        (b"day,sales\n1,\xe9\n", "sales", "is not UTF-8 text (byte 12 is 0xe9): save it as a CSV file in UTF-8"),
        (ROWS.encode(), "sales", "holds numbers, 0, 0.5: wanted the names of the columns"),
        (f"day,sales\n{ROWS}", None, "has the columns day, sales: name one of them with --data.column NAME"),
        (f"day,sales\n{ROWS}", "sails", "has no column 'sails': it has day, sales; nearest: sales"),
        (f"sales,sales\n{ROWS}", "sales", "has 2 columns that are called 'sales'"),
        ("day,sales\n1,2\n2,\n3,4\n", "sales", "row 2 below the names has no number"),
        ("day,sales\n1,2\n2,\n3,4\n", "sales", "has no number in the column sales of"),
        ("day,sales\n1,2\n2\n", "sales", "(it is '')"),
        ("sales\n1\n\n3\n", None, "row 2 below the names"),
        ("day,sales\n1,NaN\n", "sales", "(it is 'NaN')"),
        ("day,sales\n1,2\n2,many\n", "sales", "row 2 below the names has 'many'"),
        ("day;sales\n1;1.5\n2;2,5\n", "sales", "has '2,5' in the column sales of"),
        ("sales\n1,5\n2,7\n", None, "has 2 cells, '1', '5', but there is 1 name in the first line, separated by ','"),
        ("a,b\n1,2\n3,4,5\n", "b", "has 3 cells, '3', '4', '5', but there are 2 names in the first line"),
        ("a,b\n1,2\n3,4,5\n", "b", "row 2 below the names in"),
        ("day,sales\n1,1_000\n", "sales", "has '1_000' in the column sales"),
        ("day,sales\n1,inf\n", "sales", "has 'inf' in the column sales of"),
        ("day,sales\n1,1e999\n", "sales", "has '1e999' in the column sales of"),
        ('day,sales\n1,"2\n', "sales", "is not a CSV file"),
        (f"day,sales\n{ROWS[:18]}", "sales", "must hold the horizon"),
        ("sales\n" + "0.1\n" * 100, None, "a mean of 0.1 and a deviation of"),
        ("sales\n" + "1e200\n-1e200\n" * 50, None, "a deviation of inf: sales must change"),
        ("sales\n" + "1\n2\n" * 49 + "1e60\n2\n", None, "1e+60 is too far from the mean, 1.5, for the deviation, 0.5"),
        ("sales\n" + "1\n2\n" * 49 + "-1e308\n2\n", None, "-1e+308 is too far from the mean"),
        (None, None, "cannot be read: No such file"),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_bad_files(content, column, words, tmp_path):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        fit(replace(RECIPES["rnn"], data=Series(csv=path, column=column)), logs=tmp_path / "logs")
    assert words in str(caught.value)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("content", ["day;sales\r\n1;2.5\r\n2;-3\r\n\r\n", "\ufeffday\tsales\n1\t2.5\n2\t-3e0\n"])
def test_files_of_other_manners(content, tmp_path):
    path = tmp_path / "my.csv"
    path.write_bytes(content.encode())
    np.testing.assert_array_equal(Series(csv=path, column="sales").series, [2.5, -3])


def test_commands(waves, zoo_here, tmp_path):
    flags = ("--data.csv", waves, "--data.column", "sales", "--data.window", 7, "--data.season", 7, "--epochs", 2)
    done = zoo_here("fit", "rnn", *flags, "--logs", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shop.csv: 153 train, 20 validation, 20 test, windows of 7 steps to predict the next 1" in done.stdout
    path = Path(done.stdout.splitlines()[-1].removeprefix("run: "))
    done = zoo_here("evaluate", path, "--record")
    assert done.returncode == 0, done.stderr
    assert "7 steps before" in done.stdout
    with Image.open(path / "test.png") as picture:
        assert min(picture.size) > 300
    recorded = json.loads((tmp_path / "results.jsonl").read_text())
    assert recorded["data"]["name"] == "shop.csv"
    assert {"mae", "rmse", "naive_rmse", "seasonal_rmse", "seasonal_ratio"} <= recorded["metrics"].keys()
    assert_complaint(zoo_here("fit", "rnn", "--data.csv", waves), "has the columns day, sales")


def test_newest_row_first(tmp_path):
    """The same as the rows turned round, in training and in use; the next step has its date."""
    days = np.datetime64("2024-01-01") + np.arange(300)
    rows = list(zip(days, 100 + 3 * (np.arange(300) % 14), strict=True))
    turned, straight = (
        Series(csv=write(tmp_path / f"{name}.csv", "Date", "Close", rows=order))
        for name, order in (("turned", rows[::-1]), ("straight", rows))
    )
    assert turned.files() == straight.files()
    assert [turned.digest(split) for split in turned.splits] == [straight.digest(split) for split in straight.splits]
    (seen, more), (other, same) = (source.read(source.csv, source.spec) for source in (turned, straight))
    np.testing.assert_array_equal(seen, other)
    assert more == same == {"dates": ["2024-10-27"]}
    assert "turned round" in " ".join(turned.understood)


@pytest.mark.parametrize(
    ("count", "unit", "season", "window"), [(156, "W", 52, 52), (36, "M", 12, 12), (24, "M", 12, 12), (60, "D", 7, 14)]
)
def test_defaults_that_fit(count, unit, season, window, tmp_path):
    days = (np.datetime64("2022-01-01", unit) + np.arange(count)).astype("datetime64[D]")
    rows = zip(days, np.random.default_rng(0).normal(size=count), strict=True)
    source = Series(csv=write(tmp_path / "my.csv", "date", "sales", rows=rows))
    assert (source.period, source.steps) == (season, window)
    assert min(source.count(split) for split in source.splits) > 0
    assert "--data.window and --data.season: chosen to fit" in source.understood[-1]
    if count == 60:  # a horizon longer than a tenth takes more rows for the last two parts
        ahead = replace(source, horizon=12)
        assert [ahead.parts(split) for split in ahead.splits] == [[slice(0, 36)], [slice(36, 48)], [slice(48, 60)]]
        assert [ahead.count(split) for split in ahead.splits] == [36 - 7 - 11, 1, 1]  # in windows of one season


def test_intervals_are_of_the_rank_that_the_paper_says():
    residuals = np.random.default_rng(0).normal(size=(19, 2))
    wanted = np.sort(np.abs(residuals), axis=0)[17]  # ceil(20 * 0.9) = 18
    np.testing.assert_array_equal(conformal_radius(residuals, 0.9), wanted)
    assert len(conformal_radius(residuals[:9], 0.9)) == 2
    assert len(conformal_radius(residuals[:8], 0.9)) == 0
    draws = np.random.default_rng(1).normal(size=(10_000, 20, 1))
    covered = [abs(draw[0, 0]) <= conformal_radius(draw[1:], 0.9)[0] for draw in draws]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_nlinear_is_the_formula():
    model, random = nlinear((5, 2), 3), np.random.default_rng(0)
    windows = random.normal(size=(4, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(model(windows), np.repeat(windows[:, -1, :1], 3, axis=1))  # the naive forecast
    kernel, bias = random.normal(size=(10, 3)), random.normal(size=3)
    model.set_weights([kernel, bias])
    wanted = windows[:, -1, :1] + (windows - windows[:, -1:]).reshape(4, 10) / np.sqrt(5) @ kernel + bias
    np.testing.assert_allclose(model(windows), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(windows[:3]), wanted[:3], rtol=1e-4, atol=1e-5)  # as many windows as steps ahead


def test_a_network_that_is_worse_than_none_is_called_so(run):
    report = evaluate(run)
    assert "worse" not in Forecast().table(report)
    assert 0.5 < report["coverage"] <= 1
    worse = Forecast().table(report | {"rmse": 2 * report["naive_rmse"]})
    assert "the network is worse than the naive forecast (last value and 7 steps before), so do not use it" in worse


def test_bad_settings():
    for bad, words in (
        ({"window": 0}, "--data.window came as 0, but must be at least 1"),
        ({"horizon": -1}, "--data.horizon came as -1"),
        ({"column": "x"}, "--data.column came as x, but no --data.csv FILE whose column it is"),
    ):
        with pytest.raises(ValueError, match=words):
            Series(**bad)


def test_board(run):
    reader = EventAccumulator(str(run.path / "validation"), size_guidance={"tensors": 0})
    reader.Reload()
    pictures = [event.tensor_proto.string_val for event in reader.Tensors("forecast")]
    assert len(pictures) == 15
    assert pictures[0][2] != pictures[-1][2]  # width, height, PNG


@pytest.mark.parametrize("name", [name for name in RECIPES if isinstance(RECIPES[name].data, Series)])
def test_whole_path(name, data_directory, tmp_path, capsys):
    recipe = replace(RECIPES[name], data=replace(RECIPES[name].data, directory=data_directory), epochs=1)
    run = fit(recipe, logs=tmp_path)
    assert evaluate(run)["windows"] == 31
    assert result(opened(run), "test", evaluate(run))["data"]["name"] == "sunspots"
    assert fit(recipe, logs=tmp_path) == run
    assert "finished already" in capsys.readouterr().out


def test_crash_at_saves_of_a_forecast(waves, tmp_path, monkeypatch):
    recipe = replace(
        RECIPES["rnn"],
        model=partial(rnn, units=(3,), dropout=0.2),
        data=of_waves(waves, window=3, batch=52),  # three steps an epoch
        epochs=2,
        xla="off",  # which each of the many sessions would wait for
    )
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)
