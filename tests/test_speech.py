"""Sounds with a class: dialling tones, spoken digits, a person's folder, and the verbs that deal with them."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from itertools import islice

import numpy as np
import pytest
import tensorflow_datasets as tfds
from conftest import STAGED, assert_complaint
from scipy.io import wavfile
from test_crashes import crash_at_saves
from test_sounds import tone

from zoo.data import Speech, Vary
from zoo.data.dtmf import KEYS, recording
from zoo.data.sounds import find_sounds, log_mel, placed
from zoo.data.source import knowing
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import gru, lstm
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.training import Optimizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes, a low and a high tone, ten files each, of the rates, lengths and channels that people have."""
    path, random = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    for label, hertz in (("low", 300), ("high", 2000)):
        (path / label / "more").mkdir(parents=True)
        for number in range(10):
            rate = (8000, 11_025, 44_100)[number % 3]
            sound = tone(hertz * random.uniform(0.9, 1.1), 0.1 + 0.1 * number, rate)
            sound += 0.01 * random.standard_normal(len(sound))
            stereo = np.stack([sound, 0.5 * sound], 1) if number % 2 else sound
            wavfile.write(path / label / ("more" if number % 4 else "") / f"{number}.wav", rate, np.float32(stereo))
    (path / "low" / "notes.txt").write_text("not a sound")
    return path


def test_keys_by_another_decoder():
    """What is loudest at the eight frequencies of the recommendation, by Fourier's formula, gives the key."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    keypad = ["123A", "456B", "789C", "*0#D"]
    right = 0
    for number in range(160):
        key = KEYS[number % 16]
        sound = placed(np.float32(recording(key, np.random.RandomState(number))), 320)  # the loudest 40 ms
        wheel = np.exp(-2j * np.pi * np.outer(rows + columns, np.arange(320)) / 8000)
        level = np.abs(wheel @ (sound * np.hanning(320)))
        right += keypad[level[:4].argmax()][level[4:].argmax()] == key
    assert right >= 150


def test_dtmf(data_directory):
    source = Speech(directory=data_directory)
    assert source.spec == {"input_shape": (100, 64), "classes": 16}
    assert "".join(source.labels) == KEYS
    assert {split: source.count(split) for split in source.splits} == {"train": 3200, "validation": 400, "test": 400}
    seen = set()
    for split in source.splits:
        frames, labels = source.arrays(split)
        assert np.bincount(labels).tolist() == [source.count(split) // 16] * 16
        assert frames.shape == (len(labels), 100, 64)
        seen |= {frame.tobytes() for frame in frames}
    assert len(seen) == 4000
    assert source.digest("test") == Speech(directory=data_directory).digest("test") != source.digest("validation")


def test_digest(folder, data_directory, monkeypatch):
    """It is of the samples and the settings: what only another processor does to the frames changes nothing."""
    source = Speech(folder=folder, directory=data_directory, steps=20)
    expected = {split: source.digest(split) for split in source.splits}
    assert len(set(expected.values())) == 3
    for setting in ({"steps": 21}, {"mels": 65}, {"centred": True}, {"rate": 8001}):
        assert replace(source, **setting).digest("test") != expected["test"]
    frames = source.arrays("test")[0]
    monkeypatch.setattr("zoo.data.speech.log_mel", lambda *how: log_mel(*how) * (1 + 1e-6))
    elsewhere = replace(source)
    assert not np.array_equal(elsewhere.arrays("test")[0], frames)
    assert {split: elsewhere.digest(split) for split in source.splits} == expected
    monkeypatch.setattr("zoo.data.speech.in_floats", lambda samples: np.append(samples[:-1], 0.5 + samples[-1:]))
    assert replace(source).digest("test") != expected["test"]


@pytest.mark.parametrize("vary", [Vary(), Vary(shift=0.1, speed=0.2, pitch=0.1)])
def test_training_stream_seeks(vary, folder, data_directory):
    source = Speech(folder=folder, directory=data_directory, steps=20, batch=5, vary=vary)
    batches = list(islice(source.load("train", seed=3).as_numpy_iterator(), 10))  # more than a pass
    for step in (0, 1, 7):
        again = next(source.load("train", seed=3, step=step).as_numpy_iterator())
        for ours, theirs in zip(again, batches[step], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    known = {frames.tobytes() for frames in source.arrays("train")[0]}
    assert all((frames.tobytes() in known) == (vary == Vary()) for frames in batches[0][0])


def test_folder(folder, data_directory, tmp_path, capsys):
    source = Speech(folder=folder, directory=data_directory, steps=30)
    assert source.labels == ["high", "low"]
    assert source.spec == {"input_shape": (30, 64), "classes": 2}
    assert {split: source.count(split) for split in source.splits} == {"train": 16, "validation": 2, "test": 2}
    ours = np.concatenate([source.arrays(split)[0] for split in source.splits])
    read = [source.read(path, source.spec)[0] for path in find_sounds(folder)]
    for frames in read:  # as predict hears them
        assert np.abs(ours - frames).max((1, 2)).min() < 1e-3
    shutil.copytree(folder, tmp_path / "sounds")
    (tmp_path / "sounds" / "low" / "text.wav").write_text("not a sound")
    (tmp_path / "sounds" / "high" / "empty.wav").write_bytes(b"")
    source = Speech(folder=tmp_path / "sounds", directory=data_directory, steps=30)
    assert sum(source.count(split) for split in source.splits) == 20
    assert "skipped 2 broken sounds" in (said := capsys.readouterr().err)
    assert "low/text.wav" in said
    assert "high/empty.wav" in said


def test_sounds_of_one_person_stay_in_one_split(data_directory, tmp_path):
    """Each person says each word twice, in a folder of their own."""
    for word, frequency in (("high", 900), ("low", 300)):
        for person in range(10):
            place = tmp_path / "words" / word / f"person{person}"
            place.mkdir(parents=True)
            for take in range(2):
                samples = (tone(frequency + 9 * person + take, 0.3, 8000) * 9000).astype(np.int16)
                wavfile.write(place / f"{take}.wav", 8000, samples)
    for groups in ("folder", r"person(\d+)"):
        source = Speech(folder=tmp_path / "words", directory=data_directory, groups=groups)
        held = {split: {name.split("/")[-2] for name in source.names(split)} for split in ("validation", "test")}
        assert held["test"] and held["validation"] and not held["test"] & held["validation"]
        assert source.count("train") == 40 - 4 * (len(held["validation"]) + len(held["test"]))
        assert "kept together: 10 groups" in " ".join(source.understood)
    for wrong in ({"groups": "("}, {"groups": "folder", "folder": None}):
        with pytest.raises(ValueError, match=r"--data\.groups came as"):
            replace(source, **wrong)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({}, "no sounds in"),
        ({"yes": 0}, "no sounds in"),
        ({"yes": 5}, "has one class, yes"),
        ({"yes": 5, "no": 2}, "class no in .* has 2 sounds: at least 3"),
        ({"train": 5, "test": 5}, "which are splits, not classes"),
    ],
)
def test_folder_that_cannot_be_learned_from(classes, words, tmp_path):
    for label, count in classes.items():
        (tmp_path / label).mkdir()
        for number in range(count):
            wavfile.write(tmp_path / label / f"{number}.wav", 8000, np.float32(tone(440)))
    with pytest.raises(UserError, match=words):
        _ = Speech(folder=tmp_path).spec


def test_a_class_of_which_nothing_could_be_read(folder, data_directory, tmp_path):
    shutil.copytree(folder / "low", tmp_path / "low")
    (tmp_path / "broken").mkdir()
    for number in range(3):
        (tmp_path / "broken" / f"{number}.wav").write_text("not a sound")
    with pytest.raises(UserError, match="no sound to train on could be read of broken: see what was skipped above"):
        Speech(folder=tmp_path, directory=data_directory, steps=30).load("train")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"rate": 100}, "--data.rate came as 100, but must be from 4000 to 48000"),
        ({"steps": 0}, "--data.steps came as 0, but must be from 1 to 10000"),
        ({"mels": 200}, "--data.mels came as 200, but must be from 8 to 128"),
        ({"batch": 0}, "--data.batch came as 0, but must be at least 1"),
        ({"fold": -1}, "--data.fold came as -1, but must be at least 0"),
        ({"fold": 1}, "--data.fold came as 1, but needs --data.speakers apart"),
    ],
)
def test_flags_out_of_range(flags, words):
    with pytest.raises(ValueError, match=words):
        Speech(**flags)


def test_other_data(data_directory):
    with pytest.raises(
        UserError, match="mnist does not hold sounds with one class each: its features are image, label"
    ):
        _ = Speech("mnist").labels
    with pytest.raises(UserError, match="dtmf does not say who speaks"):
        _ = Speech(directory=data_directory, speakers="apart").splits
    with pytest.raises(ValueError, match=r"--data\.vary.speed came as 1\.5, but must be from 0 to less than 1"):
        Vary(speed=1.5)


class Voices(tfds.core.GeneratorBasedBuilder):
    """Three speakers by name, who say a word each twice."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "audio": tfds.features.Audio(sample_rate=8000),
            "label": tfds.features.ClassLabel(names=["high", "low"]),
            "speaker_id": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(6):
            wave = np.int16(tone(300 + 100 * number) * 2**14)
            yield number, {"audio": wave, "label": number % 2, "speaker_id": f"1{number // 2}"}


def test_speakers_by_name(tmp_path):
    source = Speech("voices:1.0.0", directory=tmp_path, speakers="apart", fold=1)
    assert source.splits == {
        "train": "the speakers 10",
        "validation": "the speakers 12",
        "test": "the speakers 11",
    }
    assert {split: source.count(split) for split in source.splits} == {"train": 2, "validation": 2, "test": 2}


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    if not STAGED.exists():
        pytest.skip("the stored data sets are not beside this repository")
    directory = tmp_path_factory.mktemp("staged")
    command = [sys.executable, STAGED, "--downloads", directory / "downloads", "--only", "spoken_digit"]
    subprocess.run(command, check=True, capture_output=True)
    return directory


def test_spoken_digits(staged):
    mixed = Speech("spoken_digit:1.*.*", directory=staged)
    assert mixed.spec == {"input_shape": (100, 64), "classes": 10}
    assert {split: mixed.count(split) for split in mixed.splits} == {"train": 2000, "validation": 250, "test": 250}
    assert np.bincount(np.concatenate([mixed.arrays(split)[1] for split in mixed.splits])).tolist() == [250] * 10


def test_speakers_apart(staged):
    tested, first = [], Speech("spoken_digit:1.*.*", directory=staged, speakers="apart", steps=20, mels=8)
    for fold in range(5):
        apart = knowing(replace(first, fold=fold), _everything=first._everything)  # which is read once
        assert {split: apart.count(split) for split in apart.splits} == {"train": 1500, "validation": 500, "test": 500}
        names = [set(said.removeprefix("the speakers ").split()) for said in apart.splits.values()]
        assert set.union(*names) == {"george", "jackson", "nicolas", "theo", "yweweler"}
        assert sum(map(len, names)) == 5
        frames = [{frame.tobytes() for frame in apart.arrays(split)[0]} for split in apart.splits]
        assert not frames[2] & (frames[0] | frames[1])
        tested.append(apart.summary)
    assert len(set(tested)) == 5
    with pytest.raises(UserError, match=r"--data\.fold came as 5, but spoken_digit\S* has 5 speakers"):
        _ = knowing(replace(first, fold=5), _everything=first._everything).splits


def small(name: str, folder, directory):
    """The recipe on the tiny folder, with a network that learns it in seconds."""
    recipe = RECIPES[name]
    data = replace(recipe.data, name="dtmf", folder=folder, directory=directory, steps=20, batch=4)
    model = partial({"lstm": lstm, "gru": gru}[recipe.model.keywords["cell"]], units=(8,), dense=(8,))
    return replace(recipe, model=model, data=data, epochs=10, optimizer=Optimizer(rate=2e-2))


@pytest.fixture(scope="module")
def taught(folder, data_directory, tmp_path_factory):
    """A recipe and its run, by the recipe's name; trained once."""

    @cache
    def teach(name: str):
        recipe = small(name, folder, data_directory)
        return recipe, fit(recipe, logs=tmp_path_factory.mktemp("logs"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.tasks.classification.ClassificationPanel.epoch", lambda *all: None)  # see test_board.py
        yield teach


@pytest.mark.parametrize("name", [name for name in RECIPES if isinstance(RECIPES[name].data, Speech)])
def test_whole_path(name, folder, taught):
    recipe, run = taught(name)
    assert evaluate(run)["accuracy"] == 1
    (answer,) = predict(run, [folder / "low" / "0.wav"], top=2)
    assert [seen["label"] for seen in answer["top"]] == ["low", "high"]
    assert fit(recipe, logs=run.path.parent) == run


def test_tuned_on_other_sounds(folder, data_directory, taught, tmp_path):
    """Heard as those of the run are."""
    _, run = taught("lstm")
    recipe = recipe_for(run)
    assert recipe.data == Speech(steps=20, batch=32)
    other = replace(recipe.data, folder=folder, directory=data_directory)
    tuned = fit(replace(recipe, data=other, epochs=1), logs=tmp_path)
    assert tuned.path.name.startswith("finetuned-lstm-")
    assert evaluate(tuned)["examples"] == 2


def test_early_stopping_in_half_precision_both_ways(folder, data_directory, tmp_path):
    recipe = small("lstm", folder, data_directory)
    recipe = replace(recipe, model=partial(lstm, units=(8,), dense=(8,), bidirectional=True))
    recipe = replace(recipe, optimizer=Optimizer("sgd", rate=1e-12), monitor="val_loss", patience=2)
    run = fit(replace(recipe, precision="mixed_float16"), logs=tmp_path)
    assert run.summary["epochs"] == len(run.history) == 3
    assert run.summary["best"]["epoch"] == 1
    assert run.model().get_layer("lstm1").compute_dtype == "float16"


def test_commands(folder, taught, tmp_path, zoo_here):
    _, run = taught("lstm")
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "none").mkdir()
    done = zoo_here("predict", run.path, folder / "low", tmp_path / "text.wav", tmp_path / "none", "--json")
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["top"][0]["label"] for answer in answers[:10]] == ["low"] * 10
    assert "cannot be read: ValueError: File format" in answers[10]["error"]
    assert answers[11]["error"] == "no sounds in this folder"
    assert_complaint(zoo_here("predict", run.path), "no sounds were named: wanted SOUND")


def test_board_shows_time_to_the_right_and_pitch_upwards():
    frames = np.zeros((1, 30, 8), np.float32)
    frames[0, 25, 1] = 2  # late and low
    (picture,) = Speech().views(frames)
    assert picture.shape == (8, 30, 1)
    assert np.argwhere(picture[..., 0] == 255).tolist() == [[6, 25]]
    (centred,) = Speech(centred=True).views(frames)
    np.testing.assert_array_equal(centred, np.minimum(picture + 127.5, 255))


@pytest.mark.parametrize("dropout", [0.0, 0.2], ids=["one loop", "layer after layer"])
def test_crash_at_saves(dropout, folder, data_directory, tmp_path, monkeypatch):
    model = partial(lstm, units=(4, 4), dense=(), dropout=dropout)
    recipe = replace(small("lstm", folder, data_directory), model=model, epochs=2)
    recipe = replace(recipe, data=replace(recipe.data, batch=5, vary=Vary(shift=0.1, speed=0.1, pitch=0.1)))
    crash_at_saves(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)
