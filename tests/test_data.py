"""Sources and the pipeline: the right pictures, all of them, in an order that follows from (seed, step) alone."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from conftest import STAGED
from PIL import Image
from sklearn.datasets import load_digits

from zoo.data import Augment, Images, find_pictures, read_picture
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


# A person's own pictures ------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """Two classes, ten pictures each, in the formats and modes that people have."""
    random = np.random.default_rng(0)
    for label, ending in (("cat", "png"), ("dog", "jpg")):
        (tmp_path / "pictures" / label / "more").mkdir(parents=True)
        for number in range(10):
            pixels = random.integers(0, 256, (40 + number, 50, 3), np.uint8)
            place = tmp_path / "pictures" / label / ("more" if number % 2 else "")
            Image.fromarray(pixels).save(place / f"{number}.{ending}")
    (tmp_path / "pictures" / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "pictures" / ".hidden").mkdir()
    return tmp_path / "pictures"


def test_folder(pictures, data_directory):
    source = Images(folder=pictures, directory=data_directory)
    assert source.labels == ["cat", "dog"]
    assert source.spec == {"input_shape": (64, 64, 3), "classes": 2}
    assert {split: source.count(split) for split in source.splits} == {"train": 16, "validation": 2, "test": 2}
    everything = {p.tobytes() for split in source.splits for p in source.arrays(split)[0]}
    assert everything == {
        read_picture(p, (64, 64, 3)).tobytes() for p in pictures.rglob("*.*") if p.suffix in (".png", ".jpg")
    }
    again = Images(folder=pictures, directory=data_directory, size=(20, 30))
    assert again.spec["input_shape"] == (20, 30, 3)


def test_folder_of_small_gray_pictures_keeps_their_size(tmp_path, data_directory):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("L", (12, 10), number).save(tmp_path / label / f"{number}.png")
    assert Images(folder=tmp_path, directory=data_directory).spec["input_shape"] == (10, 12, 1)


def test_broken_picture_is_named_skipped_and_counted(pictures, data_directory, capsys):
    good = (pictures / "cat" / "0.png").read_bytes()
    (pictures / "cat" / "half.png").write_bytes(good[: len(good) // 2])
    (pictures / "dog" / "empty.jpg").write_bytes(b"")
    source = Images(folder=pictures, directory=data_directory)
    assert sum(source.count(split) for split in source.splits) == 20
    assert "skipped 2 broken pictures" in (said := capsys.readouterr().err)
    assert "cat/half.png" in said
    assert "dog/empty.jpg" in said


def test_postscript_is_never_run(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "x.eps")
    shutil.copy(tmp_path / "x.eps", tmp_path / "x.png")
    assert [path.name for path in find_pictures(tmp_path)] == ["x.png"]
    with pytest.raises(OSError, match="cannot identify"):
        read_picture(tmp_path / "x.png", (9, 9, 3))


def folder_with(tmp_path, **classes: int):
    for label, count in classes.items():
        (tmp_path / label).mkdir()
        for number in range(count):
            Image.new("L", (9, 9)).save(tmp_path / label / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({}, "no pictures in"),
        ({"cat": 0}, "no pictures in"),
        ({"cat": 5}, "has one class, cat"),
        ({"cat": 5, "dog": 2}, "class dog in .* has 2 pictures: at least 3"),
        ({"train": 5, "test": 5}, "which are parts, not classes"),
    ],
)
def test_folder_that_cannot_be_learned_from(tmp_path, classes, words):
    with pytest.raises(UserError, match=words):
        _ = Images(folder=folder_with(tmp_path, **classes)).spec


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="only Linux has file names that are not text")
def test_names_that_are_not_text(tmp_path):
    Image.new("L", (9, 9)).save(folder_with(tmp_path, cat=3, dog=3) / "dog" / os.fsdecode(b"caf\xe9.png"))
    with pytest.raises(UserError, match="letters in its name that are not UTF-8: rename it"):
        _ = Images(folder=tmp_path).spec


def test_chosen_classes_without_validation_pictures(tmp_path, data_directory):
    folder = folder_with(tmp_path, cat=3, dog=3, owl=3)
    ranked = sorted(("0.png", "1.png", "2.png"), key=lambda name: hashlib.sha256(name.encode()).digest())
    for label in ("cat", "dog"):
        (folder / label / ranked[1]).write_bytes(b"the one to validate, broken")
    source = Images(folder=folder, directory=data_directory, only=("cat", "dog"))
    assert source.count("train") == 2
    with pytest.raises(UserError, match="has no validation pictures: give it more"):
        source.load("validation")


def test_numbers_that_are_none(tmp_path):
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(tmp_path / "x.tiff")
    with pytest.raises(OSError, match="not a number"):
        read_picture(tmp_path / "x.tiff", (9, 9, 1))


def test_more_pictures_than_memory_stream_from_disk(data_directory, monkeypatch):
    inside = Images("digits", directory=data_directory)
    expected = next(iter(inside.load("train", seed=5)))
    monkeypatch.setattr(images_module, "IN_MEMORY", 1000)
    outside = Images("digits", directory=data_directory)
    assert isinstance(outside.arrays("train")[0], np.memmap)
    for ours, theirs in zip(next(iter(outside.load("train", seed=5))), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert outside.digest("train") == inside.digest("train")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("channels", [1, 3])
def test_reads_every_mode(tmp_path, mode, channels):
    path = tmp_path / ("x.tif" if mode in ("F", "CMYK") else "x.png")
    Image.new(mode, (30, 20)).save(path)
    seen = read_picture(path, (20, 30, channels))
    assert seen.shape == (20, 30, channels)
    assert seen.dtype == np.uint8


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    Image.fromarray(np.full((5, 5), 30_000, np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.full((5, 5), 60_000, np.uint16)).save(tmp_path / "deeper.png")
    deep, deeper = (read_picture(tmp_path / n, (5, 5, 1)).mean() for n in ("deep.png", "deeper.png"))
    assert deep == pytest.approx(30_000 / 257, abs=1)
    assert deeper == pytest.approx(60_000 / 257, abs=1)


def test_turned_as_the_camera_noted(tmp_path):
    picture = Image.fromarray(np.uint8(np.arange(12).reshape(3, 4) * 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    expected = np.rot90(np.asarray(picture), -1)
    np.testing.assert_array_equal(read_picture(tmp_path / "turned.png", (4, 3, 1))[..., 0], expected)


# Standard sets ------------------------------------------------------------------------------------


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
    pixels = [source.arrays(split)[0] for split in ("train", "validation")]
    assert len(np.unique(np.concatenate(pixels).reshape(60_000, -1)[:, ::7], axis=0)) > 59_000  # no part holds another
    assert source.labels[0] == "T-shirt/top"
