"""Checks of what lies in TFDS's folders and describes itself: a prepared set may come from somebody else.

From such a description TFDS builds features by importing the module that it names. Here every set is built by code,
TFDS's or ours, and its description has to say the same.
"""

import json
from typing import Any

import tensorflow_datasets as tfds
from google.protobuf import json_format

from zoo.errors import UserError

UNCOMPARED = {"description", "valueRange"}  # of a feature: what they say is for people


def check_classes(folder: tfds.core.Path) -> None:
    """Checks that the descriptions of a data set's versions name no classes but TFDS's own, which are imported by name.

    Args:
        folder: has the versions of a set, or its configurations, which have the versions.

    Raises:
        UserError: one does.
    """
    for level in ("*", "*/*"):
        for path in folder.glob(f"{level}/features.json"):
            for name in classes_in(description(path)):
                if not name.startswith("tensorflow_datasets."):
                    raise UserError(f"{path} {strange(f'names the class {name!r:.80}, which is not one of TFDS')}")


def described_by_code(builder: tfds.core.DatasetBuilder) -> tfds.core.DatasetBuilder:
    """The builder, once what lies on disk describes itself as the code does that would have prepared it.

    Raises:
        UserError: it does not: somebody else, or another version of the code, has prepared it.
    """
    folder, info = builder.data_path, builder.info
    if not (folder / "features.json").exists():
        return builder
    found = description(folder / "features.json")
    code = json_format.MessageToDict(info.features.to_proto())
    foreign = classes_in(found) - classes_in(code)
    if foreign:
        raise UserError(f"{folder} {strange(f'names the class {min(foreign)!r:.80}, which is not in the code')}")
    if "type" not in found and differ(code, found):  # TFDS before 4.6 wrote another form, with a type
        raise UserError(f"{folder} {strange('has other features than the code')}")
    if info.name != builder.name or info.file_format not in (None, tfds.core.FileFormat.TFRECORD):
        raise UserError(f"{folder} {strange(f'is of {info.name!r:.80}, as files of {info.file_format}')}")
    elsewhere = [path for split in info.splits.values() for path in split.filepaths if path.parent != folder]
    if elsewhere:
        raise UserError(f"{folder} {strange(f'has its examples elsewhere, in {elsewhere[0]}')}")
    return builder


def description(path: tfds.core.Path) -> Any:
    """The content of a features.json.

    Raises:
        UserError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): delete its folder and type the same command") from error


def classes_in(described: Any) -> set[str]:
    """The names of all Python classes in the content of a features.json, of TFDS's present form or its former."""
    if isinstance(described, list):
        return set().union(*map(classes_in, described))
    if not isinstance(described, dict):
        return set()
    here = {str(described[key]) for key in ("pythonClassName", "type") if isinstance(described.get(key), str)}
    return here.union(*map(classes_in, described.values()))


def differ(code: Any, found: Any) -> bool:
    """Whether a description on disk lacks something that the code's has, has it otherwise, or has more features."""
    if not isinstance(code, dict) or not isinstance(found, dict):
        return code != found
    if code.get("features", {}).keys() != found.get("features", {}).keys():
        return True
    return any(differ(code[key], found.get(key)) for key in code.keys() - UNCOMPARED)


def strange(what: str) -> str:
    """What an error says of a prepared set that was not prepared by the code here."""
    return f"{what}: it is not read, since others may have made it; delete it and type the same command"
