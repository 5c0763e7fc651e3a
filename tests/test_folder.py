"""A person's own pictures: found, read as they look, and refused in words."""

import os
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from zoo.data import Images, find_pictures, read_picture
from zoo.data.deep import survey
from zoo.data.inputs import Files
from zoo.data.layout import layout_of
from zoo.data.parts import parts_of
from zoo.data.pictures import FORMATS
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
            Image.new("L", (9, 9), number + 10 * (ord(label[0]) - ord("a"))).save(tmp_path / label / f"{number}.png")
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
    parts = parts_of(layout_of(folder, find_pictures, "picture", "1.jpg").examples, {})
    for example in parts["validation"]:
        if example.label != "owl":
            example.path.write_bytes(f"the one of {example.label} to validate, broken".encode())
    source = Images(folder=folder, directory=data_directory, only=("cat", "dog"))
    assert source.count("train") == 2
    with pytest.raises(UserError, match="has no validation pictures: give it more"):
        source.load("validation")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (("train", "validation", "test"), "none of the 6 pictures could be read: see above"),
        (("validation",), "none of the 2 pictures of the split validation could be read: see above"),
    ],
)
def test_nothing_can_be_read(tmp_path, data_directory, broken, words):
    folder = folder_with(tmp_path, cat=3, dog=3)
    parts = parts_of(layout_of(folder, find_pictures, "picture", "1.jpg").examples, {})
    for example in (example for split in broken for example in parts[split]):
        example.path.write_text(f"<html>{example.name} not found</html>", encoding="utf-8")
    with pytest.raises(UserError, match=words):
        _ = Images(folder=folder, directory=data_directory).understood


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


def bits(folder, white: int, kind=np.uint16, add: float = 0):
    """Two classes of pictures, bright and dark, whose values reach from 0 to nine tenths of white."""
    random = np.random.default_rng(0)
    for label, top in (("bright", 0.9), ("dark", 0.4)):
        (folder / label).mkdir(parents=True)
        for number in range(4):
            values = random.uniform(0, top, (8, 9)) * white + add
            values[0, :2] = add, top * white + add
            ending = "tiff" if kind == np.float32 else "png"
            Image.fromarray(kind(values)).save(folder / label / f"{number}.{ending}")
    return folder


@pytest.mark.parametrize(
    ("values", "said", "brightest"),
    [
        ((1023, np.uint16, 0), "0 to 920: 0 is black and 1,023 white (10 bits)", 229),
        ((4095, np.uint16, 0), "0 to 3,685: 0 is black and 4,095 white (12 bits)", 229),
        ((16383, np.uint16, 0), "0 to 14,744: 0 is black and 16,383 white (14 bits)", 229),
        ((65535, np.uint16, 0), "0 to 58,981: 0 is black and 65,535 white (16 bits)", 229),
        ((2000, np.uint16, 27_000), "27,000 to 28,800: 27,000 is black and 28,800 white", 255),
        ((1, np.float32, 0), "0 to 0.9: 0 is black and 1 white", 229),
        ((255, np.float32, 0), "0 to 229.5: 0 is black and 255 white", 230),
        ((3000, np.float32, -1000), "-1,000 to 1,700: -1,000 is black and 1,700 white", 255),
        ((0.01, np.float32, 0), "0 to 0.009: 0 is black and 0.009 white", 255),
    ],
)
def test_white_is_that_of_the_whole_folder(tmp_path, data_directory, values, said, brightest):
    folder = bits(tmp_path / "deep", *values)
    source = Images(folder=folder, directory=data_directory)
    assert any(said in sentence for sentence in source.understood), source.understood
    pixels = np.concatenate([source.arrays(split)[0] for split in source.splits])
    assert (pixels.min(), pixels.max()) == (0, brightest)
    # A run reads single pictures as it read them in training, also the dark ones by themselves.
    for name, content in source.files().items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    known = Images().of_run(tmp_path, source.labels)
    for path in find_pictures(folder):
        assert known.read(path, source.spec)[0].tobytes() in {picture.tobytes() for picture in pixels}


def test_damaged_scale_of_a_run(tmp_path):
    (tmp_path / "pixels.json").write_text('{"whole": [0, "white"]}', encoding="utf-8")
    with pytest.raises(UserError, match=r"pixels.json is damaged"):
        Images().of_run(tmp_path, ["cat", "dog"])


def test_colours_of_twelve_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (8, 9, 3), np.uint16)
    values[0, 0, 0] = 4095
    encoded = tf.io.encode_png(values).numpy()  # Pillow cannot write them
    (tmp_path / "colours.png").write_bytes(encoded)
    scale, said = survey([tmp_path / "colours.png"], FORMATS)
    assert scale == ((0, 4095), None)
    assert "(12 bits)" in said[0]
    seen = read_picture(tmp_path / "colours.png", (8, 9, 3), scale)
    np.testing.assert_array_equal(seen, np.rint(values * (255 / 4095)))


def test_nearly_black_and_empty_pictures_are_said(tmp_path, data_directory):
    folder = folder_with(tmp_path, cat=0, dog=0)
    for number in range(4):
        Image.fromarray(np.uint8([[0, 1], [number, 2]])).save(folder / "cat" / f"{number}.png")
        Image.new("L", (2, 2), number).save(folder / "dog" / f"{number}.png")
    said = "\n".join(Images(folder=folder, directory=data_directory).understood)
    assert "8 of 8 pictures are nearly black" in said
    assert "4 of 8 pictures have a single colour" in said


def test_pictures_of_many_pixels(tmp_path, recwarn):
    Image.new("1", (10_000, 9_000)).save(path := tmp_path / "large.png")
    assert read_picture(path, (8, 9, 1)).shape == (8, 9, 1)
    assert not [warning for warning in recwarn if "bomb" in str(warning.message)]
    header = path.read_bytes()
    for side in (25_000, 40_000):  # Pillow warns of the first, and opens the second under no circumstances
        chunk = b"IHDR" + struct.pack(">II", side, side) + header[24:29]
        path.write_bytes(header[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + header[33:])
        with pytest.raises(OSError, match=f"it has {side**2:,} pixels, more than 500 million: make it smaller"):
            read_picture(path, (8, 9, 1))


def test_jpeg_is_decoded_no_larger_than_needed(tmp_path):
    ramp = np.uint8(np.linspace(0, 255, 2400))[None].repeat(1600, 0)
    Image.fromarray(ramp).save(tmp_path / "x.jpg", quality=95)
    expected = np.linspace(0, 255, 30)[None].repeat(20, 0)
    assert np.abs(read_picture(tmp_path / "x.jpg", (20, 30, 1))[..., 0] - expected).mean() < 4


def test_files_are_read_side_by_side_in_their_order(pictures):
    source, spec = Images(), {"input_shape": (8, 8, 3)}
    read = [item for batch in Files.of([pictures]).read(source, spec) for item in batch]
    assert [about["file"] for about, _ in read] == [str(path) for path in find_pictures(pictures)]
    for about, pixels in read:
        np.testing.assert_array_equal(pixels, read_picture(Path(about["file"]), (8, 8, 3)))


def test_turned_as_the_camera_noted(tmp_path):
    picture = Image.fromarray(np.uint8(np.arange(12).reshape(3, 4) * 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    expected = np.rot90(np.asarray(picture), -1)
    np.testing.assert_array_equal(read_picture(tmp_path / "turned.png", (4, 3, 1))[..., 0], expected)


def test_pictures_of_other_endings_are_said(pictures, data_directory):
    (pictures / "cat" / "0.png").rename(pictures / "cat" / "saved")
    said = Images(folder=pictures, directory=data_directory).understood
    assert "1 picture without a usual ending is read" in said
    assert "left out of cat: 1 other file (not a kind that is read)" in said


def test_a_folder_that_may_not_be_read_is_no_empty_one(pictures, monkeypatch):
    """Tried with an error of the system's, since the administrator may read anything."""
    scan = os.scandir

    def closed(path):
        if Path(path).name == "cat":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match=r"cat cannot be read \(Permission denied\)"):
        _ = Images(folder=pictures).builder
    found = list(Files((pictures / "cat", pictures / "dog")).found(Images()))
    assert "cat cannot be read" in found[0][1]
    assert [problem for _, problem in found[1:]] == [None] * 10
