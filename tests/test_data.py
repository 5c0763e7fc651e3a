"""Sources and the pipeline: the right pictures, all of them, in an order that follows from (seed, step) alone."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from conftest import STAGED
from PIL import Image
from sklearn.datasets import load_digits

from zoo.data import Augment, Images, Pairs, Series, Speech, Text
from zoo.data import images as images_module
from zoo.data.pipeline import single_pass, training_stream
from zoo.errors import UserError


def numbers(**options):
    """Batches of the numbers 0..9 as a training stream."""
    return training_stream(10, lambda i: (i, i), seed=3, **options).as_numpy_iterator()


def test_stream_visits_each_example_once_a_pass():
    stream = numbers(batch=4)
    seen = np.concatenate([next(stream)[0] for _ in range(50)])  # 200 numbers: 20 passes
    for start in range(0, 200, 10):
        assert sorted(seen[start : start + 10]) == list(range(10))
    assert len({tuple(seen[start : start + 10]) for start in range(0, 200, 10)}) > 15  # each pass in its own order


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 40])
def test_stream_starts_at_any_step(step):
    stream, later = numbers(batch=4), numbers(batch=4, step=step)
    for _ in range(step):
        next(stream)
    for _ in range(10):
        np.testing.assert_array_equal(next(stream)[0], next(later)[0])


def test_single_pass_drops_nothing():
    batches = list(single_pass(10, lambda i: i, batch=4).as_numpy_iterator())
    assert [len(batch) for batch in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(batches), np.arange(10))


def test_stopwatch_counts_waiting_alone():
    def slow(indices):
        return tf.numpy_function(lambda i: (__import__("time").sleep(0.02), i)[1], [indices], tf.int64), indices

    waited = tf.Variable(0.0, dtype=tf.float64)
    stream = iter(training_stream(10, slow, batch=1, seed=0, stopwatch=waited).take(20))
    for _ in stream:
        pass
    slowly = float(waited)
    assert slowly > 0.01  # 20 batches of 20 ms, by as many threads as the machine gives
    waited.assign(0.0)
    quick = training_stream(10, lambda i: (i, i), batch=1, seed=0, stopwatch=waited).take(20)
    for _ in quick:
        pass
    assert 0 <= float(waited) < slowly


def test_digits_are_scikit_learns(data_directory):
    source = Images("digits", directory=data_directory)
    assert source.spec == {"input_shape": (28, 28, 1), "classes": 10}
    assert {split: source.count(split) for split in source.splits} == {"train": 1257, "validation": 180, "test": 360}
    labels = np.concatenate([source.arrays(split)[1] for split in source.splits])
    assert Counter(labels.tolist()) == Counter(load_digits().target.tolist())
    pixels = np.concatenate([source.arrays(split)[0] for split in source.splits])
    assert len({picture.tobytes() for picture in pixels}) == len({d.tobytes() for d in load_digits().data})
    # Brought back to 8x8, the pictures are the originals: match each with its nearest.
    small = pixels[:50, 4:24, 4:24, 0]
    small = np.stack([np.asarray(Image.fromarray(p).resize((8, 8), Image.Resampling.BOX)) for p in small]) / 255 * 16
    distance = np.abs(small.reshape(50, 1, 64) - load_digits().data[None]).mean(-1)
    np.testing.assert_array_equal(load_digits().target[distance.argmin(1)], labels[:50])
    assert distance.min(1).max() < 1.5  # of 16 grays; another digit's picture is 2 and more away


def test_digits_never_change(data_directory):
    """The digest of the parts on which every stated result stands."""
    source = Images("digits", directory=data_directory)
    assert [source.digest(split) for split in ("train", "validation", "test")] == DIGITS


DIGITS = ["392efda7bced", "181896d519cf", "a458db35c550"]


def test_batches_of_the_source(data_directory):
    source = Images("digits", directory=data_directory, batch=32)
    pixels, labels = next(iter(source.load("train", seed=1)))
    assert pixels.shape == (32, 28, 28, 1)
    assert pixels.dtype == tf.uint8
    assert labels.shape == (32, 10)
    np.testing.assert_array_equal(labels.numpy().sum(-1), 1)
    held = {p.tobytes(): label for p, label in zip(*source.arrays("train"), strict=True)}
    for picture, label in zip(pixels.numpy(), labels.numpy(), strict=True):
        assert held[picture.tobytes()] == label.argmax()
    assert sum(len(batch) for batch, _ in source.load("test")) == 360


CHANGES = [
    {"flip": True},
    {"shift": 0.1},
    {"rotate": 0.1},
    {"randaugment": 0.5},
    {"erase": 0.5},
    {"mixup": 0.5},
    {"cutmix": 1.0},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_augmentation_follows_from_seed_and_step(change, data_directory):
    source = Images("digits", directory=data_directory, augment=Augment(**change))
    plain = Images("digits", directory=data_directory)
    stream, later = iter(source.load("train", seed=1)), iter(source.load("train", seed=1, step=2))
    first = next(stream)
    next(stream)
    for _ in range(2):
        for ours, theirs in zip(next(stream), next(later), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    untouched = next(iter(plain.load("train", seed=1)))
    changed = [np.abs(a - b).max() > 0 for a, b in zip(first[0].numpy(), untouched[0].numpy(), strict=True)]
    assert np.mean(changed) > 0.2
    assert first[0].numpy().min() >= 0
    assert first[0].numpy().max() <= 255
    np.testing.assert_allclose(first[1].numpy().sum(-1), 1, rtol=1e-5)
    other = next(iter(source.load("train", seed=2)))
    assert not np.array_equal(first[0], other[0])


def test_flip_is_a_mirror(data_directory):
    directory = {"directory": data_directory}
    ours = next(iter(Images("digits", augment=Augment(flip=True), **directory).load("train")))[0].numpy()
    plain = next(iter(Images("digits", **directory).load("train")))[0].numpy()
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(ours, plain, strict=True)]
    assert all(m or np.array_equal(a, b) for m, a, b in zip(mirrored, ours, plain, strict=True))
    assert 10 < sum(mirrored) < 54


def test_more_pictures_than_memory_stream_from_disk(data_directory, monkeypatch):
    inside = Images("digits", directory=data_directory)
    expected = next(iter(inside.load("train", seed=5)))
    monkeypatch.setattr(images_module, "IN_MEMORY", 1000)
    outside = Images("digits", directory=data_directory)
    assert isinstance(outside.arrays("train")[0], np.memmap)
    for ours, theirs in zip(next(iter(outside.load("train", seed=5))), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert outside.digest("train") == inside.digest("train")


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY garbage", None])
def test_a_file_of_pixels_that_is_not_what_was_stored(damage, data_directory, tmp_path, monkeypatch):
    monkeypatch.setattr(images_module, "IN_MEMORY", 1000)
    assert len(Images("digits", directory=data_directory).arrays("test")[0]) == 360
    shutil.copytree(data_directory / "digits", tmp_path / "digits")
    (path,) = (tmp_path / "digits").rglob("test-28x28x1.npy")
    if damage is None:
        np.save(path, np.zeros((360, 28, 28, 1), np.float32))
    else:
        path.write_bytes(damage)
    with pytest.raises(UserError, match=r"test-28x28x1\.npy is damaged: delete it"):
        Images("digits", directory=tmp_path).arrays("test")


def test_more_pictures_than_the_disk_holds(data_directory, monkeypatch):
    """A mapped file that the disk cannot hold would kill the process without a word."""
    monkeypatch.setattr(images_module, "IN_MEMORY", 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10_000))
    source = Images("digits", directory=data_directory, size=(9, 9))
    with pytest.raises(UserError, match=r"the disk is full: .* cannot take 0\.0 GB of such pictures"):
        source.arrays("train")
    assert not list(data_directory.rglob("*.part"))


@pytest.mark.parametrize("text", ["", "{", "null"])
def test_damaged_description_of_a_set(text, data_directory, tmp_path):
    Images(directory=data_directory).digest("train")
    shutil.copytree(data_directory / "digits", tmp_path / "digits")
    next((tmp_path / "digits").rglob("dataset_info.json")).write_text(text)
    with pytest.raises(UserError, match=r"dataset_info.json\) in .* is damaged .*: delete the folder of that set"):
        Images(directory=tmp_path).digest("train")


def flipped(path):
    written = bytearray(path.read_bytes())
    written[len(written) // 2] ^= 255
    path.write_bytes(written)


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("source", "damage"),
    [(source, flipped) for source in (Images, Pairs, Series, Speech, Text)]
    + [(Series, damage) for damage in (cut_off, emptied, Path.unlink)],
)
def test_damaged_files_are_an_answer(source, damage, data_directory, tmp_path):
    prepared = source(directory=data_directory)
    prepared.digest("test")  # the smallest part, for which all are prepared
    name = "py_docs" if source is Text else prepared.name  # as TFDS calls its folder
    shutil.copytree(data_directory / name, tmp_path / name)
    (path,) = (tmp_path / name).rglob("*-train.tfrecord*")
    damage(path)
    with pytest.raises(UserError, match=rf"{name}.* is damaged: delete it and type the same command"):
        source(directory=tmp_path).digest("train")


def test_unknown_set_names_the_nearest():
    with pytest.raises(UserError, match=r"no data set is called 'fashion_mnst'; nearest: .*fashion_mnist"):
        _ = Images("fashion_mnst").spec


def test_set_without_classes_is_refused():
    with pytest.raises(UserError, match="does not hold pictures with one class each"):
        _ = Images("tiny_shakespeare").spec


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """A data directory with the real Fashion-MNIST as downloaded."""
    if not STAGED.exists():
        pytest.skip(f"no staged downloads at {STAGED}: the standard sets are not tested")
    directory = tmp_path_factory.mktemp("staged")
    command = [sys.executable, STAGED, "--downloads", directory / "downloads", "--only", "fashion_mnist"]
    subprocess.run(command, check=True, capture_output=True)
    yield directory
    shutil.rmtree(directory)


def test_standard_set_with_a_validation_part_cut_from_train(staged):
    source = Images("fashion_mnist", directory=staged)
    assert source.spec == {"input_shape": (28, 28, 1), "classes": 10}  # before anything is prepared
    counts = {split: source.count(split) for split in source.splits}
    assert counts == {"train": 54_000, "validation": 6_000, "test": 10_000}
    pixels = {picture.tobytes() for split in ("train", "validation") for picture in source.arrays(split)[0]}
    assert len(pixels) > 59_000  # no part holds another
    assert source.labels[0] == "T-shirt/top"
