"""Sounds: dialling tones, spoken digits and WAV files, their frames, and the verbs that deal with them."""

import json
import shutil
import subprocess
import sys
import wave
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest
from conftest import STAGED, assert_complaint
from scipy.io import wavfile
from test_resume import crash_at_every_save

from zoo.data import Speech, Vary
from zoo.data.dtmf import KEYS, recording
from zoo.data.sounds import find_sounds, log_mel, placed, read_sound, samples_of
from zoo.errors import UserError
from zoo.evaluate import evaluate
from zoo.finetune import recipe_for
from zoo.fit import fit
from zoo.models import gru, lstm
from zoo.predict import predict
from zoo.recipes import RECIPES
from zoo.training import Optimizer


def tone(hertz: float, seconds: float = 0.5, rate: int = 8000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


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


def test_frames_by_the_formula():
    """The definition in numpy: Hann window, power spectrum, triangles on the mel scale, powers of ten."""
    random, rate, mels = np.random.default_rng(0), 8000, 40
    sound = np.float32(tone(440, 0.3) + 0.01 * random.standard_normal(2400))
    ours = log_mel(sound[None], rate, mels)[0].numpy()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    places = range(0, len(sound) - 200 + 1, 80)
    power = np.abs([np.fft.rfft(sound[at : at + 200] * window, 512) for at in places]) ** 2
    mel_of_bin = 2595 * np.log10(1 + np.arange(257) * rate / 512 / 700)
    edges = np.linspace(*(2595 * np.log10(1 + np.array((50, rate / 2)) / 700)), mels + 2)
    bands = [np.interp(mel_of_bin, edges[at : at + 3], (0, 1, 0)) for at in range(mels)]
    decades = np.log10(power @ np.transpose(bands)) / 2
    np.testing.assert_allclose(ours, np.maximum(3 + decades - decades.max(), 0), atol=1e-3)
    assert ours.shape == (len(places), mels)
    assert samples_of(len(places), rate) == places[-1] + 200
    assert ours.max() == pytest.approx(3)
    peak = edges[1 + ours.mean(0).argmax()]
    assert peak == pytest.approx(2595 * np.log10(1 + 440 / 700), abs=edges[1] - edges[0])


def test_level_does_not_matter_and_silence_is_silent():
    sound = np.float32(tone(440) + 1e-2 * np.random.default_rng(0).standard_normal(4000))
    loud, quiet, silent = log_mel(np.stack([sound, sound / 100, 0 * sound]), 8000, 64).numpy()
    np.testing.assert_allclose(loud, quiet, atol=1e-3)
    assert not silent.any()


@pytest.mark.parametrize("mels", [8, 64, 128])
@pytest.mark.parametrize("rate", [4000, 8000, 16_000, 44_100])
def test_every_band_hears(mels, rate):
    noise = np.float32(np.random.default_rng(0).standard_normal((1, rate)))
    assert log_mel(noise, rate, mels).numpy().mean((0, 1)).min() > 0.5


def test_what_is_heard_of_shorter_and_longer_sounds():
    short = np.float32([1, 2, 3])
    np.testing.assert_array_equal(placed(short, 6), [0, 0, 0, 1, 2, 3])
    np.testing.assert_array_equal(placed(short, 3), short)
    long = np.float32([1, 0, 0, 2, -9, 2, 0, 0])
    np.testing.assert_array_equal(placed(long, 3), [2, -9, 2])
    assert len(placed(long, 7)) == 7


def test_keys_by_another_decoder():
    """What is loudest at the eight frequencies of the recommendation, by Fourier's formula, tells the key."""
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
    assert source.spec == {"input_shape": (100, 64), "outputs": 16}
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


def test_variation_by_the_formula():
    """A ramp among the numbers tells how far each example was changed; numpy tells what that makes of all others."""
    frames = np.random.default_rng(0).random((3, 40, 16), np.float32)
    frames[:, :, 3], frames[:, 39, :] = np.arange(40), np.arange(16)

    def varied(**how):
        return Vary(**how).function()(frames, None, 0, 0)[0].numpy()

    np.testing.assert_allclose(varied(speed=1e-9), frames, atol=1e-5)
    moved, faster, higher = varied(shift=0.3), varied(speed=0.3), varied(pitch=0.3)
    changes = []
    for at, was in enumerate(frames):
        by = moved[at, 20, 3] - 20
        np.testing.assert_allclose(moved[at], between(was, np.arange(40) + by), atol=5e-3)
        by = faster[at, 20, 3] - faster[at, 19, 3]
        np.testing.assert_allclose(faster[at], between(was, (np.arange(40) - 19.5) * by + 19.5), atol=5e-3)
        changes += [moved[at, 20, 3] - 20, by - 1, higher[at, 39, 10] / 10 - 1]
        by = higher[at, 39, 10] / 10
        np.testing.assert_allclose(higher[at].T, between(was.T, np.arange(16) * by), atol=5e-3)
    assert len(set(changes)) == 9
    assert (np.abs(changes).reshape(3, 3).max(0) <= (12, 0.3, 0.3)).all()
    assert np.abs(changes).min() > 1e-4


def between(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Each column between the rows as numpy tells it, zero outside."""
    ends = np.arange(-1, len(rows) + 1)
    return np.stack([np.interp(places, ends, [0, *column, 0], left=0, right=0) for column in rows.T], 1)


@pytest.mark.parametrize("bits", [8, 16, 24, 32, "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_kind_of_wav(bits, channels, tmp_path):
    """Whole numbers are written by Python's own `wave`."""
    path, sound = tmp_path / "x.wav", tone(440, rate=16_000)
    written = np.repeat(sound[:, None], channels, 1)
    if isinstance(bits, str):
        wavfile.write(path, 16_000, written.astype(bits))
    else:
        numbers = np.round(written * (2 ** (bits - 1) - 1)).astype(np.int64) + (128 if bits == 8 else 0)
        raw = numbers.astype("<i8").view(np.uint8).reshape(-1, 8)[:, : bits // 8]
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(bits // 8)
            file.setframerate(16_000)
            file.writeframes(raw.tobytes())
    seen = read_sound(path, 16_000)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, sound, atol=0.01 if bits == 8 else 1e-4)
    half = read_sound(path, 8000)
    np.testing.assert_allclose(half[100:-100], tone(440)[100:-100], atol=0.02)


def cut(good: bytes) -> bytes:
    return good[: len(good) // 2]


def nothing(good: bytes) -> bytes:
    return good[:40] + bytes(4)


def no_number(good: bytes) -> bytes:
    return good[:-4] + np.float32(np.nan).tobytes()


def odd_rate(good: bytes) -> bytes:
    return good[:24] + np.uint32(7).tobytes() + np.uint32(28).tobytes() + good[32:]


BROKEN = {
    "text": (lambda good: b"this is a text", "File format b'this' not understood"),
    "empty": (lambda good: b"", "File format b'' not understood"),
    "cut off": (cut, "it is cut off"),
    "no number": (no_number, "it holds what is not a number"),
    "odd rate": (odd_rate, "it claims 7 samples a second"),
    "compressed": (lambda good: good[:20] + b"\x55" + good[21:], "MPEG"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files(kind, tmp_path):
    how, words = BROKEN[kind]
    wavfile.write(tmp_path / "x.wav", 8000, np.float32(tone(440)))
    (tmp_path / "x.wav").write_bytes(how((tmp_path / "x.wav").read_bytes()))
    with pytest.raises(OSError, match=words):
        read_sound(tmp_path / "x.wav", 8000)


def test_file_without_samples(tmp_path):
    wavfile.write(tmp_path / "x.wav", 8000, np.zeros(0, np.int16))
    with pytest.raises(OSError, match="it holds no sound"):
        read_sound(tmp_path / "x.wav", 8000)


def test_folder(folder, data_directory, tmp_path, capsys):
    source = Speech(folder=folder, directory=data_directory, steps=30)
    assert source.labels == ["high", "low"]
    assert source.spec == {"input_shape": (30, 64), "outputs": 2}
    assert {split: source.count(split) for split in source.splits} == {"train": 16, "validation": 2, "test": 2}
    ours = np.concatenate([source.arrays(split)[0] for split in source.splits])
    read = [source.read(path, (30, 64)) for path in find_sounds(folder)]
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


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({}, "no sounds in"),
        ({"yes": 0}, "no sounds in"),
        ({"yes": 5}, "has one class, yes"),
        ({"yes": 5, "no": 2}, "class no in .* has 2 sounds: at least 3"),
        ({"train": 5, "test": 5}, "which are parts, not classes"),
    ],
)
def test_folder_that_cannot_be_learned_from(classes, words, tmp_path):
    for label, count in classes.items():
        (tmp_path / label).mkdir()
        for number in range(count):
            wavfile.write(tmp_path / label / f"{number}.wav", 8000, np.float32(tone(440)))
    with pytest.raises(UserError, match=words):
        _ = Speech(folder=tmp_path).spec


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
    with pytest.raises(UserError, match="dtmf does not tell who speaks"):
        _ = Speech(directory=data_directory, speakers="apart").splits
    with pytest.raises(ValueError, match=r"--data\.vary.speed came as 1\.5, but must be from 0 to less than 1"):
        Vary(speed=1.5)


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    if not STAGED.exists():
        pytest.skip("the stored data sets are not beside this repository")
    directory = tmp_path_factory.mktemp("staged")
    command = [sys.executable, STAGED, "--downloads", directory / "downloads", "--only", "spoken_digit"]
    subprocess.run(command, check=True, capture_output=True)
    return directory


def test_spoken_digits(staged):
    mixed = Speech("spoken_digit", directory=staged)
    assert mixed.spec == {"input_shape": (100, 64), "outputs": 10}
    assert {split: mixed.count(split) for split in mixed.splits} == {"train": 2000, "validation": 250, "test": 250}
    assert np.bincount(np.concatenate([mixed.arrays(split)[1] for split in mixed.splits])).tolist() == [250] * 10


def test_speakers_apart(staged):
    tested = []
    for fold in range(5):
        apart = Speech("spoken_digit", directory=staged, speakers="apart", fold=fold, steps=20, mels=8)
        assert {split: apart.count(split) for split in apart.splits} == {"train": 1500, "validation": 500, "test": 500}
        names = [set(said.removeprefix("the speakers ").split()) for said in apart.splits.values()]
        assert set.union(*names) == {"george", "jackson", "nicolas", "theo", "yweweler"}
        assert sum(map(len, names)) == 5
        frames = [{frame.tobytes() for frame in apart.arrays(split)[0]} for split in apart.splits]
        assert not frames[0] & frames[2]
        tested.append(apart.told)
    assert len(set(tested)) == 5
    with pytest.raises(UserError, match=r"--data\.fold came as 5, but spoken_digit has 5 speakers"):
        _ = Speech("spoken_digit", directory=staged, speakers="apart", fold=5).splits


def small(name: str, folder, directory):
    """The recipe on the tiny folder, with a network that learns it in seconds."""
    recipe = RECIPES[name]
    data = replace(recipe.data, name="dtmf", folder=folder, directory=directory, steps=20, batch=8)
    model = partial({"lstm": lstm, "gru": gru}[recipe.model.keywords["cell"]], units=(8,), dense=(8,))
    return replace(recipe, model=model, data=data, epochs=25, optimizer=Optimizer(rate=1e-2))


@pytest.mark.parametrize("name", [name for name in RECIPES if isinstance(RECIPES[name].data, Speech)])
def test_whole_path(name, folder, data_directory, tmp_path):
    recipe = small(name, folder, data_directory)
    run = fit(recipe, logs=tmp_path)
    assert evaluate(run)["accuracy"] == 1
    (answer,) = predict(run, [folder / "low" / "0.wav"], top=2)
    assert [seen["label"] for seen in answer["top"]] == ["low", "high"]
    assert fit(recipe, logs=tmp_path) == run


def test_commands(folder, data_directory, tmp_path, zoo_command):
    run = fit(replace(small("lstm", folder, data_directory), epochs=2), logs=tmp_path / "logs")
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "none").mkdir()
    done = zoo_command("predict", run.path, folder / "low", tmp_path / "text.wav", tmp_path / "none", "--json")
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["top"][0]["label"] in ("low", "high") for answer in answers[:10]] == [True] * 10
    assert "cannot be read: ValueError: File format" in answers[10]["error"]
    assert answers[11]["error"] == "no sounds in this folder"
    assert_complaint(zoo_command("predict", run.path), "no sounds were named: wanted `python -m zoo.predict")
    with pytest.raises(UserError, match="does not see pictures: only networks that do can be fine-tuned"):
        recipe_for(run)


def test_board_shows_time_to_the_right_and_pitch_upwards():
    frames = np.zeros((1, 30, 8), np.float32)
    frames[0, 25, 1] = 3  # late and low
    (picture,) = Speech().pictures(frames)
    assert picture.shape == (8, 30, 1)
    assert np.argwhere(picture[..., 0] == 255).tolist() == [[6, 25]]


def test_crash_at_every_save(folder, data_directory, tmp_path, monkeypatch):
    recipe = replace(
        small("lstm", folder, data_directory),
        model=partial(lstm, units=(4, 4), dense=(), dropout=0.2),
        epochs=4,
    )
    recipe = replace(recipe, data=replace(recipe.data, batch=4, vary=Vary(shift=0.1, speed=0.1, pitch=0.1)))
    crash_at_every_save(lambda logs: fit(recipe, logs=logs), tmp_path, monkeypatch)
