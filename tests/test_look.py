"""What is shown of data without training, and answers without a network beside those of one."""

import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import assert_complaint
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from zoo.data import Arrays, Images, Pairs, Series, Text
from zoo.recipes import RECIPES
from zoo.tasks import Classification, Forecast, LanguageModel, RowClassification, Translation
from zoo.tasks.task import Baseline, compared

LINES = "one two two three three three\n" * 40


@pytest.fixture
def text(tmp_path):
    (tmp_path / "own.txt").write_text(LINES, encoding="utf-8")
    return tmp_path / "own.txt"


def pairs(path):
    lines = "".join(f"{'a' * (at % 3 + 1)}b\t{'x' * (at % 4 + 1)}y\n" for at in range(400))
    path.write_text(lines, encoding="utf-8")
    return path


def test_pictures_are_written_and_nothing_else(zoo_here, tmp_path):
    done = zoo_here("look", "cnn", "--out", tmp_path / "a" / "b")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "digits: 1,257 train, 180 validation, 360 test",
        *(f"{name}: {tmp_path / 'a' / 'b' / name}.png" for name in ("inputs", "augmentation")),
    ]
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"inputs.png", "augmentation.png"}
    with Image.open(tmp_path / "a" / "b" / "inputs.png") as picture:
        assert picture.size == (5 * 76, 5 * 88)
    (tmp_path / "file").touch()
    assert_complaint(zoo_here("look", "cnn", "--out", tmp_path / "file"), "which is a file: give a folder")


def test_texts_are_printed(zoo_here, text):
    done = zoo_here("look", "gpt", "--data.file", text, "--data.context", 8)
    assert done.returncode == 0, done.stderr
    said, shown = done.stdout.split("\n\ninputs:\n\n")
    assert "own.txt" in said
    assert len(shown.strip("\n").split("\n\n")) >= 4
    assert all(line in LINES for line in shown.splitlines())


@pytest.mark.parametrize("name", ["cnn", "mlp", "nlinear", "gpt", "transformer"])
def test_every_task_has_views(name, data_directory, tmp_path):
    """A picture, or texts."""
    recipe = RECIPES[name]
    if name == "transformer":
        recipe = replace(recipe, data=Pairs(file=pairs(tmp_path / "own.tsv")))
    elif hasattr(recipe.data, "directory"):
        recipe = replace(recipe, data=replace(recipe.data, directory=data_directory))
    views = recipe.task.look(recipe.data, next(iter(recipe.data.load("train"))))
    assert "inputs" in views
    for view in views.values():
        if isinstance(view, list):
            assert view and all(view)
        else:
            assert view.dtype == np.uint8 and view.shape[-1] == 3 and view.std() > 1


def test_each_picture_has_its_own_class():
    """In a view, a caption under each: as the targets say, whether one-hot or mixed."""
    labels, views = ["a", "b"], []

    class Source:
        def views(self, inputs):
            return [str(value) for value in inputs]

    source = Source()
    source.labels = labels

    class Batch(np.ndarray):
        def numpy(self):
            return np.asarray(self)

    sample = (np.array([3, 4]).view(Batch), np.array([[0.0, 1.0], [0.7, 0.3]]).view(Batch))
    views = Classification().look(source, sample)
    assert views == {"inputs": ["b: 3", "a: 4"]}


def test_the_most_frequent_class(data_directory):
    source = Images(directory=data_directory)
    name, count = Counter(source.labels[label] for label in source.arrays("test")[1]).most_common(1)[0]
    (baseline,) = Classification().baselines(source, "test")
    assert baseline.name == f"always {name} (the most frequent class)"
    assert baseline.value == pytest.approx(count / 360)


def test_how_often_each_token_comes(text):
    source = Text(file=text, context=4, tokens="characters")
    (baseline,) = LanguageModel().baselines(source, "test")
    whole = source.text("train")
    letters = set(whole)
    log = {letter: math.log((whole.count(letter) + 1) / (len(whole) + source.vocabulary_size)) for letter in letters}
    test = source.text("test")[1:]
    assert baseline.metric == "loss"
    assert baseline.value == pytest.approx(-sum(log[letter] for letter in test) / len(test))
    # Of other data, which have no training split, the tokens themselves.
    assert LanguageModel().baselines(source, "all")[0].value < math.log(source.vocabulary_size)


def test_the_last_value(tmp_path):
    numbers = [float(at % 7 + at / 50) for at in range(200)]
    (tmp_path / "own.csv").write_text("sales\n" + "\n".join(map(str, numbers)), encoding="utf-8")
    source = Series(csv=tmp_path / "own.csv", window=14, season=7)
    last, season = Forecast().baselines(source, "test")
    train = numbers[: source.starts("validation")[0]]
    starts = source.starts("test")
    for baseline, back in ((last, 1), (season, 7)):
        errors = [(numbers[at] - numbers[at - back]) ** 2 for at in starts]
        assert baseline.value == pytest.approx(np.mean(errors) / np.var(train), rel=1e-4), baseline.name


def test_the_most_frequent_token(tmp_path):
    source = Pairs(file=pairs(tmp_path / "own.tsv"))
    (baseline,) = Translation().baselines(source, "test")
    counts = Counter(token for _, target in source.numbers("test") for token in [*target, source.eos])
    assert baseline.value == pytest.approx(max(counts.values()) / sum(counts.values()))


def test_trees_stand_beside_a_network_of_rows():
    """By scikit-learn alone: from the same rows, with its own settings."""
    source = RECIPES["mlp"].data
    always, trees = RowClassification().baselines(source, "validation")
    with threadpool_limits(1):
        alone = HistGradientBoostingClassifier(random_state=0).fit(*source.arrays("train"))
    rows, truth = source.arrays("validation")
    assert trees == Baseline("boosted trees", "accuracy", float((alone.predict(rows) == truth).mean()))
    assert always.value == np.bincount(truth).max() / len(truth)


def test_what_is_not_better_is_said():
    monitors = {"val_accuracy": "max", "val_loss": "min"}
    baselines = [vars(Baseline("always a", "accuracy", np.float32(0.5))), vars(Baseline("the last value", "loss", 2))]
    assert json.loads(json.dumps(baselines)) == baselines

    def said(accuracy, loss):
        return [line.partition("; ")[2] for line in compared(baselines, {"accuracy": accuracy, "loss": loss}, monitors)]

    assert said(0.6, 1.0) == ["", ""]
    assert said(0.5, 2.0) == ["the network is as good"] * 2
    assert said(0.4, 3.0) == said(math.nan, math.nan) == ["the network is worse"] * 2
    assert compared(baselines, {"accuracy": 1, "loss": 1}, monitors)[0] == "baseline, always a: accuracy 50.00%"


@pytest.mark.usefixtures("unshown")
def test_a_network_that_has_learned_nothing_is_told_so(tmp_path, capsys):
    """Where nine of ten are of one class, an accuracy of nine tenths is nothing."""
    from zoo.evaluate import evaluate
    from zoo.fit import fit, summary
    from zoo.models import mlp
    from zoo.training import Optimizer, Recipe

    random = np.random.default_rng(0)
    labels = (np.arange(400) % 10 == 0).astype(int)
    noise = Arrays(random.normal(size=(400, 2)).astype("float32"), labels, names=("usual", "rare"), batch=32)
    recipe = Recipe("noise", mlp, noise, Classification(), optimizer=Optimizer(rate=1e-4), epochs=1)
    run = fit(recipe, logs=tmp_path)
    last = [line for line in summary(recipe, run).splitlines() if line.startswith("baseline, ")]
    assert last[0].startswith("baseline, always usual (the most frequent class): accuracy 90.00%; the network is "), (
        last
    )
    report = evaluate(run, source=noise)
    assert report["baselines"] == [
        {"name": "always usual (the most frequent class)", "metric": "accuracy", "value": 0.9}
    ]
    assert "(the most frequent class): accuracy 90.00%; the network is" in Classification().table(report)
