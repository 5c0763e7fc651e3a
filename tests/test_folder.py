"""A person's own pictures: found, read as they look, and refused in words."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import Images, find_pictures, read_picture
from zoo.data.folder import picture_folder
from zoo.data.inputs import Files
from zoo.errors import UserError


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
        ({"train": 5, "test": 5}, "which are splits, not classes"),
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
    with pytest.raises(OSError, match="NaN or infinity"):
        read_picture(tmp_path / "x.tiff", (9, 9, 1))


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


def test_a_folder_that_may_not_be_read_is_no_empty_one(pictures, monkeypatch):
    """Tried with an error of the system's, since the administrator may read anything."""
    scan = os.scandir

    def closed(path):
        if Path(path).name == "cat":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match=r"cat cannot be read \(Permission denied\)"):
        picture_folder(pictures, None, None)
    found = list(Files((pictures / "cat", pictures / "dog")).found(Images()))
    assert "cat cannot be read" in found[0][1]
    assert [problem for _, problem in found[1:]] == [None] * 10
