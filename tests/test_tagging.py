"""The whole path of a tagger: fit, evaluate, predict, resume, and what it says."""

import csv
import json
import signal
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
from conftest import assert_complaint
from test_resume import assert_equal, outcome
from test_tags import sentences, write

from zoo.data import Tags
from zoo.errors import Stopped, UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import tagger
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.tasks import Tagging
from zoo.tasks.tag_scores import spans_of

SMALL = partial(tagger, width=8, units=12, letters=4, dropout=0.1)


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return write(tmp_path_factory.mktemp("own") / "mine.conll", sentences(60))


@pytest.fixture(scope="module")
def recipe(train):
    data = Tags(file=train, batch=8, length=5)
    known = replace(RECIPES["tagger-wnut17"], model=SMALL, data=data, epochs=6)
    return replace(known, optimizer=replace(known.optimizer, rate=3e-2))


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"))


def test_it_learns(run):
    report = evaluate(run)
    assert report["f1"] > 0.95
    assert {row["name"] for row in report["kinds"]} == {"person", "place"}
    assert report["spans"] == sum(row["spans"] for row in report["kinds"]) == 12
    assert report["baselines"][0] == {"name": "always O", "metric": "accuracy", "value": pytest.approx(0.561, abs=0.05)}
    # Sentences of New York are read in two windows, and yet are sentences.
    assert report["sentences"] == 6
    best = run.summary["best"]
    assert best["val_f1"] == max(epoch["val_f1"] for epoch in run.history)
    assert {"accuracy", "f1", "loss"} <= {name.removeprefix("val_") for name in best}


def test_a_network_that_reads_letters_is_not_fine_tuned(run):
    said = (
        r"also takes characters from its data, which cannot be fine-tuned: "
        r"train one on the new data, python -m zoo.fit tagger-wnut17 --data.file \.\.\., or begin with published "
        r"weights, python -m zoo.finetune minilm --weights hub --like tagger-wnut17 --data.file \.\.\.$"
    )
    with pytest.raises(UserError, match=said):
        recipe_for(run)


def test_it_answers(run, zoo_here, tmp_path):
    first, second, third = predict(run, ["Bob, went to New York.", "", "To Rome"])
    assert {"kind": "person", "text": "Bob", "start": 0, "end": 3} in first["spans"]
    assert {"kind": "place", "text": "New York", "start": 13, "end": 21} in first["spans"]
    assert second == {"source": "", "error": "it is empty"}
    assert third["source"] == "To Rome"
    done = zoo_here("predict", run.path, "--text", "Zoe went to Oslo 3.")
    assert "went to [Oslo place] 3." in done.stdout, done.stderr
    (tmp_path / "in.txt").write_text("Ada went to Rome 1.\nto to\n", encoding="utf-8")
    done = zoo_here("predict", run.path, "--file", tmp_path / "in.txt", "--json")
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ["Ada went to Rome 1.", "to to"]
    assert_complaint(zoo_here("predict", run.path), "give either --text TEXT or --file FILE")


def test_it_writes_what_is_wrong(run, zoo_here):
    done = zoo_here("evaluate", run.path)
    assert "of the spans, precision" in done.stdout, done.stderr
    rows = list(csv.reader((run.path / "predictions.csv").open(encoding="utf-8")))
    assert rows[0] == ["span", "truth", "answer", "number", "sentence"]
    assert len(rows) >= 13
    assert (run.path / "test.png").stat().st_size > 1000
    assert not any(row[1] == row[2] for row in list(csv.reader((run.path / "mistakes.csv").open()))[1:])


def test_other_sentences_are_measured(run, zoo_here, tmp_path):
    other = write(tmp_path / "other.conll", sentences(15))
    done = zoo_here("evaluate", run.path, "--data.file", other)
    assert "all 15 sentences of other.conll are measured" in done.stdout, done.stderr
    strange = write(tmp_path / "strange.conll", [[("Ada", "B-robot"), ("went", "O")]])
    assert_complaint(zoo_here("evaluate", run.path, "--data.file", strange), "spans of robot, but the run knows person")


def test_a_run_does_without_its_data(run, train):
    """What it keeps is enough to answer."""
    kept = train.rename(train.with_name("gone"))
    try:
        assert next(predict(run, ["Ada went to Oslo 1."]))["spans"]
    finally:
        kept.rename(train)


class Stop(keras.callbacks.Callback):
    """Ctrl-C in the middle of the second epoch."""

    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == 12:
            signal.raise_signal(signal.SIGINT)


def test_stopped_and_resumed_it_ends_with_the_same_bits(run, recipe, tmp_path):
    with pytest.raises(Stopped):
        fit(recipe, logs=tmp_path, callbacks=[Stop()])
    fit(recipe, logs=tmp_path)
    assert_equal(outcome(tmp_path), outcome(run.path.parent))


def test_the_default_without_a_field(tmp_path, monkeypatch):
    """Characters of a few dates, each by itself, in half precision."""
    monkeypatch.setattr("zoo.data.date_parts.DAYS", 300)
    recipe, few = RECIPES["tagger"], Tags(directory=tmp_path, batch=16)
    recipe = replace(recipe, model=partial(SMALL, crf=False), data=few, epochs=1, precision="mixed_bfloat16")
    run = fit(recipe, logs=tmp_path / "logs")
    assert run.record["spec"] == {"vocabulary": few.vocabulary_size, "classes": 9}
    assert evaluate(run)["accuracy"] > 0.1
    (answer,) = predict(run, ["4. März 2027"])
    assert answer["source"] == "4. März 2027"
    assert fit(recipe, logs=tmp_path / "logs") == run


def test_broken_tags_are_read_as_conlleval_does():
    """I-b after I-a, and I-a at the beginning, begin spans; B-a ends the one before."""
    assert spans_of(np.array([2, 2, 4, 0, 1, 1, 2, 3]), [3, 5]) == [
        (0, 2, 0),
        (2, 3, 1),
        (4, 5, 0),
        (5, 7, 0),
        (7, 8, 1),
    ]
    assert spans_of(np.array([1, 2]), [1, 1]) == [(0, 1, 0), (1, 2, 0)]
    assert spans_of(np.array([0]), [1]) == []


def test_baselines_know_the_words_of_training(train):
    baselines = Tagging().baselines(Tags(file=train), "test")
    assert [(one.metric, one.value) for one in baselines[1:]] == [
        ("accuracy", pytest.approx(1.0, abs=0.1)),
        ("f1", pytest.approx(1.0, abs=0.1)),
    ]
