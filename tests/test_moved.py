"""Data that moved: a run finds them again, or is told where they are, or is measured on others."""

import csv
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_complaint
from PIL import Image

from zoo.data import Images, Pairs, Series, Text
from zoo.data.source import knowing
from zoo.errors import UserError
from zoo.evaluate import evaluate, write_table
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import bigmodel
from zoo.opened import recipe_of
from zoo.recipes import RECIPES
from zoo.tasks import Classification
from zoo.training import Recipe, Run
from zoo.training.recipe import revive
from zoo.training.runs import data_facts
from zoo.transfer import transferred


def draw(folder: Path, *names: str, count: int = 20, seed: int = 0) -> Path:
    """Pictures of 4x4 pixels, lighter from class to class."""
    random = np.random.default_rng(seed)
    for at, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(100 * at, 100 * at + 56, (4, 4), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def recipe(folder: Path | str, directory: Path | None = None) -> Recipe:
    data = Images(folder=folder, directory=directory, batch=16)
    return Recipe("tiny", partial(bigmodel, filters=(2,), units=4), data, Classification(), epochs=1)


@pytest.fixture(scope="module")
def project(tmp_path_factory, data_directory) -> Path:
    """A folder with pictures and, in its logs, the run that was trained on them."""
    place = tmp_path_factory.mktemp("project")
    draw(place / "pics", "dark", "light")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        fit(recipe("pics", data_directory), logs="logs", quiet=True)
    return place


@pytest.fixture
def moved(project, tmp_path) -> Path:
    """A copy of the run alone, far from its pictures, which are gone from where they were."""
    run = Path(shutil.copytree(run_in(project), tmp_path / "logs" / "run"))
    text = (run / "run.json").read_text().replace(project.name, "gone")
    (run / "run.json").write_text(text)
    return run


def run_in(project: Path) -> Path:
    (run,) = (project / "logs").glob("tiny-*")
    return run


def rows(path: Path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_is_called_by_the_way_to_its_data(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name / "pics").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one")
    own = recipe("pics").id("logs")
    assert recipe("pics", tmp_path).id("logs") == own  # where TFDS stores data is no part of it
    assert recipe(tmp_path / "one" / "pics").id(tmp_path / "one" / "logs") == own
    shared = recipe("pics").id("../logs")
    monkeypatch.chdir(tmp_path / "two")
    assert recipe("../one/pics").id("../one/logs") == own
    assert recipe("pics").id("logs") == own  # as if all of it had been moved
    assert recipe("pics").id("../logs") != shared  # two projects with one folder of runs
    assert RECIPES["cnn"].id("anywhere") == RECIPES["cnn"].id()


def test_a_run_is_evaluated_from_anywhere(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = json.loads((run_in(project) / "run.json").read_text())
    assert record["recipe"]["data"]["folder"] == str(project / "pics")
    whole = evaluate(run_in(project))
    copy = shutil.copytree(project, tmp_path / "elsewhere")
    text = (run_in(copy) / "run.json").read_text().replace(project.name, "gone")
    (run_in(copy) / "run.json").write_text(text)
    assert evaluate(run_in(copy)) == whole  # the folder was moved as a whole


def test_a_run_of_earlier_versions_is_evaluated_where_it_was_typed(project, tmp_path, monkeypatch):
    record = json.loads((run_in(project) / "run.json").read_text())
    run = Path(shutil.copytree(run_in(project), tmp_path / "run"))
    del record["logs"]
    record["recipe"]["data"]["folder"] = "pics"
    (run / "run.json").write_text(json.dumps(record))
    monkeypatch.chdir(project)
    assert evaluate(run)["examples"] == 4
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"were at pics, which is not there: .* --data\.folder NEW"):
        evaluate(run)


def test_data_that_moved(moved, project, zoo_here, tmp_path):
    assert_complaint(zoo_here("evaluate", moved), "which is not there: give their new place with --data.folder NEW")
    draw(tmp_path / "new", "dark", "light")
    done = zoo_here("evaluate", moved, "--data.folder", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert "have moved, and are the same" in done.stdout
    whole = evaluate(run_in(project))
    assert json.loads((moved / "test.json").read_text()) == json.loads(json.dumps(whole))
    assert evaluate(moved, folder=tmp_path / "new") == whole
    predictions, mistakes = (rows(moved / f"{name}.csv") for name in ("predictions", "mistakes"))
    assert len(predictions) == 4
    for row in predictions:
        assert row["truth"] == row["input"].split("/")[0]
        assert (tmp_path / "new" / row["input"]).exists()
    wrong = [row for row in predictions if row["truth"] != row["answer"]]
    assert sorted(map(str, mistakes)) == sorted(map(str, wrong))
    assert len(wrong) == round(4 * (1 - whole["accuracy"]))
    with pytest.raises(UserError, match=r"flder is no place of .*'s data: these are folder, file, directory"):
        evaluate(moved, flder=tmp_path / "new")


def test_other_data_are_measured_as_a_whole(moved, zoo_here, tmp_path):
    folder = draw(tmp_path / "other", "dark", "light", count=7, seed=1)
    (folder / "dark" / "broken.png").write_bytes(b"")
    done = zoo_here("evaluate", moved, "--data.folder", folder, "--record")
    assert done.returncode == 0, done.stderr
    assert "other data than the run was trained on" in done.stdout
    assert "all 14 pictures are measured; 1 cannot be read and is left out" in done.stdout
    assert not (moved / "test.json").exists()
    (report,) = moved.glob("other-*.json")
    kept = json.loads(report.read_text())
    assert kept["examples"] == 14
    assert report.stem == f"other-{kept['digest']}"
    assert len(rows(moved / f"{report.stem}-predictions.csv")) == 14
    data = json.loads((moved.parent / "results.jsonl").read_text())["data"]
    assert (data["name"], data["split"], data["digest"]) == ("other", "all", kept["digest"])
    done = zoo_here("evaluate", moved, "--data.folder", folder, "--json")
    assert json.loads(done.stdout)["examples"] == 14
    assert_complaint(
        zoo_here("evaluate", moved, "--data.folder", folder, "--split", "validation"), "measured as a whole"
    )
    (folder / "bright").mkdir()
    assert_complaint(
        zoo_here("evaluate", moved, "--data.folder", folder), "no class of the run: bright; it knows dark, light"
    )
    assert_complaint(
        zoo_here("evaluate", moved, "--data.folder", "nowhere"), "--data.folder came as nowhere, which is not there"
    )
    assert_complaint(zoo_here("evaluate", moved, "--data.batch", 3), "--data.batch")
    assert "--data.folder" in zoo_here("evaluate", moved, "--help").stdout


@pytest.mark.usefixtures("unshown")
def test_given_parts_that_moved(tiny, data_directory, tmp_path):
    """They are the same data at a new place; other data in parts are measured whole."""
    for label in ("class0", "class1"):
        for part, numbers in (("train", range(10)), ("val", range(10, 15)), ("test", range(15, 20))):
            (tmp_path / "there" / part / label).mkdir(parents=True)
            for number in numbers:
                shutil.copy(tiny / label / f"{number}.png", tmp_path / "there" / part / label)
    recipe = replace(RECIPES["cnn"], data=Images(folder=tmp_path / "there", directory=data_directory), epochs=1)
    run = fit(recipe, logs=tmp_path / "logs")
    before = evaluate(run)
    (tmp_path / "there").rename(tmp_path / "here")
    with pytest.raises(UserError, match=r"which is not there: give their new place with --data.folder NEW"):
        evaluate(run)
    assert evaluate(run, folder=tmp_path / "here") == before
    shutil.copy(tiny / "class0" / "0.png", tmp_path / "here" / "train" / "class1" / "another.png")
    assert evaluate(run, folder=tmp_path / "here")["examples"] == 41


def test_one_class_of_other_data_is_enough(moved, tmp_path):
    draw(tmp_path / "other", "dark", count=1)
    assert evaluate(moved, folder=tmp_path / "other")["examples"] == 1


def test_a_run_goes_on_by_its_name(moved, project, zoo_here, tmp_path):
    """After it was interrupted, typed elsewhere, and with pictures that have moved."""
    new, whole = draw(tmp_path / "new", "dark", "light"), Run(run_in(project))
    for name in ("summary.json", "history.json", "state.npz", "model.keras"):
        (moved / name).unlink()
    assert_complaint(zoo_here("fit", moved), "give their new place with --data.folder NEW")
    assert_complaint(zoo_here("fit", moved, "--epochs", 3), "--epochs")
    assert_complaint(zoo_here("fit", moved, "--data.folder", new, "--logs", tmp_path), "a run goes on where it is")
    done = zoo_here("fit", moved, "--data.folder", new)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"run: {moved}"
    assert Run(moved).history == whole.history
    assert "finished already" in zoo_here("fit", moved, "--data.folder", new).stdout
    again = fit(moved, places={"folder": new}, fresh=True, quiet=True)
    assert again.path.parent == moved.parent
    assert again.history == whole.history
    draw(tmp_path / "other", "dark", "light", seed=1)
    (moved / "summary.json").unlink()
    with pytest.raises(UserError, match=r"have changed since it began \(digest"):
        fit(moved, places={"folder": tmp_path / "other"})


def test_the_recipe_of_a_run_is_read_back(project, tmp_path, monkeypatch):
    run = Path(shutil.copytree(run_in(project), tmp_path / "run"))
    record = json.loads((run / "run.json").read_text())
    assert recipe_of(run, [], {})[1].record() == record["recipe"]
    for part, words in ({"model": {"is": "mine.network"}}, "model mine.network"), ({"method": {"is": "x.Y"}}, "x.Y"):
        (run / "run.json").write_text(json.dumps(record | {"recipe": record["recipe"] | part}))
        with pytest.raises(UserError, match=rf"{words}, which is not zoo's: go on in Python, with fit\(recipe\)"):
            recipe_of(run, [], {})
    (run / "run.json").write_text(
        json.dumps(record | {"recipe": record["recipe"] | {"optimizer": {"is": "keras.SGD"}}})
    )
    with pytest.raises(UserError, match="an optimizer from Python, which a run does not hold"):
        recipe_of(run, [], {})
    monkeypatch.chdir(project)
    bases = [recipe_for(run_in(project)), recipe_for(run_in(Path())), recipe_for(f"{run_in(project)}/")]
    assert len({base.id() for base in bases}) == 1
    assert bases[0].record() == bases[1].record()
    model = bases[0].record()["model"]
    assert revive(transferred, model).keywords["base"] == run_in(project)


def test_another_text_is_measured_as_a_whole(tmp_path):
    for name, text in (("a", "ab cd\n" * 200), ("b", "dc ba\n" * 150)):
        (tmp_path / f"{name}.txt").write_text(text)
        (tmp_path / f"{name}.tsv").write_text("".join(f"{at} {text[:2]}\t{text[3:5]}\n" for at in range(50)))
    for source in Text(file=tmp_path / "a.txt", context=8), Pairs(file=tmp_path / "a.tsv"):
        then = data_facts(source)
        assert source.other(source.spec, then) is None
        new = replace(source, file=tmp_path / f"b{source.file.suffix}")
        other, said = new.other(source.spec, then)
        assert said.startswith("other data than the run was trained on")
        assert list(other.load("all"))
        assert other.count("all") > other.count("train")


def test_a_series_that_has_grown_is_measured_where_it_is_new(tmp_path):
    def write(name: str, numbers) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(["x", *map(str, numbers)]))
        return path

    numbers = np.random.default_rng(0).normal(size=260).round(3)
    source = Series(csv=write("a.csv", numbers[:200]), window=7, season=5, horizon=2)
    then = data_facts(source)
    assert source.other(source.spec, then) is None
    for rows in (201, 260):  # the training part stays as long, or not
        longer = knowing(replace(source, csv=write("b.csv", numbers[:rows])), radius=(0.9, [1.0]))
        grown, said = longer.other(source.spec, then)
        assert grown.radius == (0.9, [1.0])  # the run's intervals go with it
        assert grown.starts("all").tolist() == list(range(180, rows - 1))
        assert "the first 180 rows of b.csv" in said
        assert len(next(iter(grown.load("all")))[0]) == rows - 181
    other, said = replace(source, csv=write("c.csv", numbers[::-1])).other(source.spec, then)
    assert other.starts("all").tolist() == list(range(7, 259))
    assert said.endswith("all of c.csv is measured")
    with pytest.raises(UserError, match="8 rows: 9 are needed"):
        replace(source, csv=write("d.csv", range(8))).other(source.spec, then)[0].parts("all")


def test_names_that_come_with_the_data(tmp_path):
    """Of some sets TFDS knows the names of the classes only once it has prepared them, such as of cifar10."""
    source = Images(directory=tmp_path)
    source.builder.info.features["label"]._int2str = None
    assert source.labels[3] == "3"
    assert source.spec["classes"] == 10
    source.builder.info.features["label"].names = list("abcdefghij")
    assert source.labels[3] == "d"
    assert source.of_run(tmp_path, ["x", "y"]).labels == ["x", "y"]


def test_a_cell_is_no_formula(tmp_path):
    write_table([("input", "confidence"), ("=1+1", -0.5), ("a", 1.0)], tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "input,confidence\n'=1+1,-0.5\na,1.0\n"


def test_a_network_that_gives_one_answer_is_named():
    report = {"accuracy": 0.5, "accuracy_low": 0, "accuracy_high": 1, "loss": 1, "calibration_error": 0, "examples": 4}
    report |= {"macro_f1": 0, "weighted_f1": 0}
    report["baselines"] = []
    figures = {"precision": 0, "recall": 0, "f1": 0, "examples": 2}
    report["classes"] = [{"name": name} | figures for name in ("cat", "dog")]
    said = "every answer is dog"
    assert said in Classification().table(report | {"confusion": [[0, 2], [0, 2]]})
    assert said not in Classification().table(report | {"confusion": [[1, 1], [0, 2]]})
