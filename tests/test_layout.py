"""How a person's files lie in folders and tables: parts, classes, groups, copies, and what is left out."""

import io
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.data import Images, find_pictures
from zoo.data.given import part_of
from zoo.data.layout import Layout, layout_of
from zoo.data.listed import layout_of_table
from zoo.data.parts import equal_files, parts_of, said_of_equal
from zoo.errors import UserError


def folder_of(top: Path, *names: str) -> Path:
    """A folder with files, each different; * stands for numbers 0 to 4."""
    for pattern in names:
        for name in (pattern.replace("*", str(number)) for number in range(5 if "*" in pattern else 1)):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(name, encoding="utf-8")
    return top


def laid_out(folder: Path, **options) -> Layout:
    return layout_of(folder, find_pictures, "picture", "1.jpg", **options)


def split_of(layout: Layout) -> dict[str, str]:
    parts = parts_of(layout.examples, equal_files(layout.examples))
    return {example.name: split for split, examples in parts.items() for example in examples}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Training", "train"),
        ("seg_train", "train"),
        ("TRAIN", "train"),
        ("training_set", "train"),
        ("trainImages", "train"),
        ("Testing", "test"),
        ("test-data", "test"),
        ("dev", "validation"),
        ("valid", "validation"),
        ("Val", "validation"),
        ("trainers", None),
        ("cat", None),
        ("train_test", None),
    ],
)
def test_names_of_parts(name, part):
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("Training", "Testing"), {"train": 8, "validation": 2, "test": 10}),
        (("train", "valid", "test"), {"train": 10, "validation": 10, "test": 10}),
        (("TRAIN", "dev"), {"train": 8, "validation": 10, "test": 2}),
        (("seg_train/seg_train", "seg_test/seg_test"), {"train": 8, "validation": 2, "test": 10}),
        (("set/train", "set/test"), {"train": 8, "validation": 2, "test": 10}),
    ],
)
def test_parts_that_are_given(tmp_path, names, parts):
    layout = laid_out(folder_of(tmp_path, *(f"{name}/{label}/*.png" for name in names for label in ("cat", "dog"))))
    assert layout.labels == ["cat", "dog"]
    assert Counter(split_of(layout).values()) == parts
    assert any("parts as they are given" in sentence for sentence in layout.said)


def test_parts_without_labels_are_left_out(tmp_path):
    names = ("seg_train/a/*.png", "seg_train/b/*.png", "seg_test/a/*.png", "seg_test/b/*.png", "seg_pred/*.png")
    layout = laid_out(folder_of(tmp_path, *names))
    assert "left out: seg_pred (no sub-folder per class)" in layout.said
    assert len(layout.examples) == 20


@pytest.mark.parametrize(
    "names",
    [
        ("train/*.png", "bus/*.png"),
        ("train/steam/*.png", "train/*.png", "bus/*.png"),
        ("train/steam/*.png", "bus/city/*.png"),
        ("healthy/ann/*.png", "broken/ann/*.png"),
    ],
)
def test_classes_that_are_no_parts(tmp_path, names):
    layout = laid_out(folder_of(tmp_path, *names))
    assert layout.labels == sorted({name.partition("/")[0] for name in names})


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("fold1/a/*.png", "fold1/b/*.png", "fold2/a/*.png", "fold2/b/*.png"), "it cannot be decided"),
        (("train/a/*.png", "2019/a/*.png", "2019/b/*.png"), "rename the parts to train, validation and test"),
        (("train/a/*.png", "test/a/*.png", "more/a/*.png"), "it cannot be decided"),
        (("train/a/*.png", "train_2/a/*.png"), "it cannot be decided"),
        (("test/a/*.png", "val/a/*.png"), "it cannot be decided"),
        (("train/a/*.png", "train/b/*.png", "test/a/*.png", "test/c/*.png"), "train lacks the classes c"),
        (("train/*.png", "Testing/*.png"), "which are splits, not classes"),
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path, names, words):
    with pytest.raises(UserError, match=words):
        laid_out(folder_of(tmp_path, *names))


def test_what_is_left_out_is_counted(tmp_path):
    names = ("a/*.png", "b/*.png", "a/*.heic", "a/Thumbs.db", "a/notes.txt", "a/.DS_Store", "a/strange", "c.png")
    folder = folder_of(tmp_path, *names)
    jpeg = io.BytesIO()
    Image.new("L", (9, 9), 90).save(jpeg, "JPEG")
    for name in ("saved", "saved.jpg_large"):
        (folder / "a" / name).write_bytes(jpeg.getvalue())
    layout = laid_out(folder)
    assert Counter(example.label for example in layout.examples) == {"a": 7, "b": 5}
    said = "\n".join(layout.said)
    assert "left out of a: 5 .heic, 1 without an ending, 2 other files (not a kind that is read)" in said
    assert "pip install pillow-heif" in said
    assert "left out: 1 .png beside the sub-folders" in said


def test_files_of_one_name_are_not_all_in_one_split(tmp_path):
    """Of 60 people a front and a side view: the test has both kinds, and with groups nobody is in two splits."""
    names = [f"{label}/person_{n}/{view}.png" for label in "ab" for n in range(60) for view in ("front", "side")]
    folder = folder_of(tmp_path, *names)
    split = split_of(layout := laid_out(folder))
    views = Counter(Path(name).stem for name in split if split[name] == "test")
    assert min(views.values()) >= 4
    assert "--data.groups folder" in "\n".join(layout.said)
    for groups in ("folder", r"person_(\d+)"):
        split = split_of(laid_out(folder, groups=groups))
        assert Counter(split.values()) == {"train": 192, "validation": 24, "test": 24}
        assert all(
            len({split[f"{label}/person_{n}/{view}.png"] for label in "ab" for view in ("front", "side")}) == 1
            for n in range(60)
        )


def test_groups_of_unequal_sizes(tmp_path):
    names = [f"{label}/{n}/{k}.png" for label in "ab" for n in range(12) for k in range(100 if n == 3 else 5)]
    split = split_of(laid_out(folder_of(tmp_path, *names), groups="folder"))
    assert split["a/3/0.png"] == "train"  # the large group is passed over
    assert {"validation", "test"} < set(split.values())


def test_too_few_groups(tmp_path):
    with pytest.raises(UserError, match=r"class a in .* has 2 of the groups of --data.groups: at least 3"):
        laid_out(folder_of(tmp_path, "a/1/*.png", "a/2/*.png", "b/1/*.png", "b/2/*.png", "b/3/*.png"), groups="folder")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets only administrators make links")
def test_links(tmp_path):
    """Those to files are read, and those to classes; those to folders below a class are said to be left out."""
    folder = folder_of(tmp_path / "here", "a/*.png", "b/*.png")
    elsewhere = folder_of(tmp_path / "there", "c/*.png")
    (folder / "c").symlink_to(elsewhere / "c")
    (folder / "a" / "more").symlink_to(elsewhere / "c")
    (folder / "b" / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "b" / "one.png").symlink_to(next((elsewhere / "c").iterdir()))
    layout = laid_out(folder)
    assert layout.labels == ["a", "b", "c"]
    assert "b/one.png" in [example.name for example in layout.examples]
    assert f"left out: 2 links to a folder or to nothing, such as {folder / 'a' / 'more'}" in layout.said


@pytest.mark.parametrize("groups", ["(", "person"])
def test_wrong_groups(groups, tmp_path):
    with pytest.raises(ValueError, match=r"--data.groups came as"):
        Images(folder=tmp_path, groups=groups)


def test_copies_are_kept_in_one_split_and_said(tmp_path):
    folder = folder_of(tmp_path, *(f"{label}/{n}_*.png" for label in "ab" for n in range(8)))
    for label in "ab":
        for n in range(8):
            for k in range(1, 5):
                (folder / label / f"{n}_{k}.png").write_bytes((folder / label / f"{n}_0.png").read_bytes())
    (folder / "b" / "double.png").write_bytes((folder / "a" / "0_0.png").read_bytes())
    layout = laid_out(folder)
    equal = equal_files(layout.examples)
    split = split_of(layout)
    assert all(len({split[f"{label}/{n}_{k}.png"] for k in range(5)}) == 1 for label in "ab" for n in range(8))
    assert set(split.values()) == {"train", "validation", "test"}
    said = said_of_equal(parts_of(layout.examples, equal), equal, "picture")
    assert said[0].startswith("65 pictures are equal to others")
    assert said[1] == "1 picture is in more than one class: a/0_4.png = b/double.png"


def test_names_nearly_the_same_and_unequal_classes(tmp_path):
    names = ("Cat/*.png", "cat /*.png", *(f"dog/{n}_*.png" for n in range(20)))
    said = "\n".join(laid_out(folder_of(tmp_path, *names)).said)
    assert "names are nearly the same: 'Cat', 'cat '" in said
    assert "very unequal classes: 100 pictures of dog, 5 of" in said


@pytest.mark.parametrize("columns", ["filename,label", "Image Path;x;Class", "id\tbreed"])
def test_table_of_files(tmp_path, columns):
    folder_of(tmp_path, "pictures/*.png", "pictures/more/x*.png")
    delimiter = next(letter for letter in ",;\t" if letter in columns)
    rows = []
    for number in range(5):
        for file, label in ((f"pictures/{number}.png", "cat"), (f"pictures/more/x{number}.png", "dog")):
            given = Path(file).stem if columns.startswith("id") else file  # as Kaggle writes them
            rows.append(delimiter.join([given, *[""] * (columns.count(delimiter) - 1), label]))
    table = tmp_path / "labels.csv"
    gone = delimiter.join(["gone.png", *[""] * (columns.count(delimiter) - 1), "cat"])
    table.write_text("\n".join([columns, *rows, gone, ""]), encoding="utf-8")
    layout = layout_of_table(table, None, None, "picture")
    assert Counter(example.label for example in layout.examples) == {"cat": 5, "dog": 5}
    assert "left out: 1 file of labels.csv that is not there, such as gone.png" in layout.said


@pytest.mark.parametrize("groups", ["(", "person"])
def test_groups_of_a_table_that_are_neither_a_column_nor_a_pattern(groups, tmp_path):
    folder_of(tmp_path, "*.png")
    rows = "".join(f"{number}.png,{number % 2}\n" for number in range(5))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}", encoding="utf-8")
    with pytest.raises(UserError, match=r"--data.groups came as .*; or the name of a column of .*: file, label"):
        layout_of_table(tmp_path / "labels.csv", None, None, "picture", groups)


def test_table_with_parts_and_groups(tmp_path):
    folder_of(tmp_path, "*.png", "x*.png")
    rows = [f"{k}{n}.png,{k or 'y'},{'Test' if n == 4 else 'Train'},p{n}" for k in ("", "x") for n in range(5)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["what,how,set,patient", *rows]), encoding="utf-8")
    with pytest.raises(UserError, match=r"none is known to hold the files: say --data.columns FILES CLASSES"):
        layout_of_table(table, None, None, "picture")
    layout = layout_of_table(table, None, ("what", "how"), "picture", "patient")
    split = split_of(layout)
    assert Counter(split.values()) == {"train": 6, "validation": 2, "test": 2}
    assert split["4.png"] == split["x4.png"] == "test"
    assert [n for n in range(5) if split[f"{n}.png"] == "validation"] == [
        n for n in range(5) if split[f"x{n}.png"] == "validation"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\nx.png,a\nx.png,b\n", "gives x.png two classes, a and b"),
        ("file,label\ny.png,a\n", "none of the 1 file in the column file"),
        ("file,label\nx.png,a\n", "has one class, a"),
        ("x.png\ny.png\n", "is no table of files and classes"),
    ],
)
def test_tables_that_say_nothing(tmp_path, text, words):
    folder_of(tmp_path, "x.png")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        layout_of_table(tmp_path / "t.csv", None, None, "picture")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda text: "sep=,\r\n" + text, ()),
        (lambda text: "# exported\n\n" + text.replace(",", ";"), ()),
        (lambda text: text.replace("\n", ",,\n"), ()),
        (lambda text: text.replace("more", '"more').replace("png,dog", 'png","dog"'), ()),
        (lambda text: text + "file,label\n", ("1 row that repeats the names", "(the first in line 12)")),
        (lambda text: text + "Total,10\n", ("left out: 1 file of t.csv that is not there, such as Total",)),
        (lambda text: text + "Total\n", ("1 row with fewer cells", "left out: 1 row without a file or a class")),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_forms_of_a_table(tmp_path, write, words, encoding):
    folder_of(tmp_path, "*.png", "more/x*.png")
    rows = [f"{number}.png,cat\nmore/x{number}.png,dog\n" for number in range(5)]
    (tmp_path / "t.csv").write_bytes(write("".join(["file,label\n", *rows])).encode(encoding))
    layout = layout_of_table(tmp_path / "t.csv", None, None, "picture")
    assert Counter(example.label for example in layout.examples) == {"cat": 5, "dog": 5}
    for said in words:
        assert said in "\n".join(layout.said)


def test_table_is_a_source(tmp_path, data_directory):
    for number in range(12):
        Image.fromarray(np.full((4, 4), 20 * number, np.uint8)).save(tmp_path / f"{number}.png")
    rows = [f"{number}.png,{'even' if number % 2 == 0 else 'odd'}" for number in range(12)]
    (tmp_path / "numbers.csv").write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    source = Images(file=str(tmp_path / "numbers.csv"), directory=data_directory)
    assert source.labels == ["even", "odd"]
    assert [source.count(split) for split in source.splits] == [8, 2, 2]
    assert source.title == "numbers.csv"
    assert "files are in the column file, classes in label" in source.understood
    for split in source.splits:
        pixels, labels = source.arrays(split)
        np.testing.assert_array_equal(labels, pixels[:, 0, 0, 0] // 20 % 2)


@pytest.mark.parametrize(
    ("groups", "words"), [("folder", "is in a sub-folder of its class"), (r"zzz(\d)", "has it in its path")]
)
def test_groups_that_match_nothing(groups, words, tmp_path):
    with pytest.raises(UserError, match=rf"none of the 10 files {words}"):
        laid_out(folder_of(tmp_path, "a/*.png", "b/*.png"), groups=groups)
    with pytest.raises(ValueError, match=r"--data.groups came as folder, but needs --data.folder"):
        Images(groups="folder")


def test_a_column_of_splits_with_another_word(tmp_path):
    folder_of(tmp_path, "*.png")
    rows = "".join(f"{number}.png,{number % 2},{'tset' if number == 3 else 'train'}\n" for number in range(5))
    (tmp_path / "labels.csv").write_text(f"file,label,split\n{rows}", encoding="utf-8")
    with pytest.raises(UserError, match=r"the column split holds splits, but 'tset' in row 4"):
        layout_of_table(tmp_path / "labels.csv", None, None, "picture")
