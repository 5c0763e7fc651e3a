"""Folders of published networks in the format of transformers: their settings, weights and tokenizers, and the hub."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
import keras
import numpy as np
from safetensors import safe_open
from tokenizers import Tokenizer

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.data import checked_tokenizer
from zoo.errors import UserError
from zoo.pretrained import HUB

CONFIG, GENERATION, TOKENIZER, VOCABULARY = "config.json", "generation_config.json", "tokenizer.json", "vocab.txt"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
LARGEST = 1e6  # largest plausible absolute value of a weight
MOST = 1_000_000  # largest plausible number of tokens, and of positions


class Stored(NamedTuple):
    """One of our weights and where it is stored.

    Args:
        weight: ours.
        names: of the stored arrays of which it is made.
        shape: of each of these.
        made: makes ours of them; by default it is the first.
    """

    weight: keras.Variable
    names: tuple[str, ...]
    shape: tuple[int, ...]
    made: Callable[[list[np.ndarray]], np.ndarray] = lambda arrays: arrays[0]


def folder_of(name: str, weights: str | Path) -> Path:
    """The folder with a published network.

    Args:
        name: for the hub, a key of HUB, such as gpt2, or OWNER/NAME; not used for a folder.
        weights: "hub", from which it is downloaded once to its cache; or a folder.

    Raises:
        UserError: it cannot be downloaded, there is no such folder, or it is empty.
    """
    if str(weights) == "hub":
        return fetch(HUB.get(name, name))
    folder = Path(weights)
    if not folder.is_dir():
        raise UserError(f"--weights came as {weights}, but there is no such folder: wanted hub, or a folder")
    if not any(folder.iterdir()):
        raise UserError(
            f"--weights came as {weights}, which is empty: wanted {CONFIG}, {WEIGHTS} and {TOKENIZER} in it"
        )
    return folder


def fetch(repository: str) -> Path:
    """The local folder of a repository on the hub, which is downloaded if necessary.

    Raises:
        UserError: it cannot be downloaded.
    """
    wanted = [CONFIG, GENERATION, WEIGHTS, INDEX, TOKENIZER, VOCABULARY, "vocab.json", "merges.txt"]
    try:
        folder = Path(huggingface_hub.snapshot_download(repository, allow_patterns=wanted, etag_timeout=5))
        if not (folder / WEIGHTS).exists() and (folder / INDEX).exists():
            parts = sorted(set(places_of(folder).values()))
            huggingface_hub.snapshot_download(repository, allow_patterns=[*wanted, *parts], etag_timeout=5)
        return folder
    except UserError:
        raise
    except Exception as error:  # no network, no such repository, a failing server: the library has many errors
        reason = str(error).strip().split("\n", maxsplit=1)[0][:200]
        raise UserError(
            f"{repository} could not be fetched from the hub ({reason}): run this once where there is a network, "
            f"or give --weights FOLDER, which holds {CONFIG}, {WEIGHTS} and {TOKENIZER}"
        ) from error


def fill(folder: Path, wanted: Sequence[Stored], prefixes: tuple[str, ...] = ()) -> None:
    """Sets weights of ours to those in the folder.

    Args:
        folder: with the weights in one file, or in parts.
        wanted: what is to be set.
        prefixes: what the stored names may begin with besides the wanted ones, of which the first that fits counts.

    Raises:
        UserError: a file is missing, damaged or of another network; the message names the first differences.
    """
    path = folder / (INDEX if not (folder / WEIGHTS).exists() and (folder / INDEX).exists() else WEIGHTS)
    try:
        with tensors_of(folder) as stored:
            there = plain_names(stored, prefixes)
            missing = [name for one in wanted for name in one.names if name not in there]
            if missing:
                raise UserError(f"{path} holds another network: it has no {', '.join(missing[:3])}")
            for weight, names, shape, made in wanted:
                arrays = [stored[there[name]].get_tensor(there[name]) for name in names]
                for name, numbers in zip(names, arrays, strict=True):
                    if numbers.shape != shape:
                        raise UserError(f"{path} holds another network: {name} is {numbers.shape}, wanted {shape}")
                    if "float" not in numbers.dtype.name or not np.abs(numbers.astype("float64")).max() < LARGEST:
                        raise UserError(f"{path} is damaged: {name} holds what no training leaves")
                weight.assign(made(arrays).astype("float32"))
    except UserError:
        raise
    except Exception as error:  # the library raises many different errors for a corrupt file
        raise UserError(f"{path} is missing or damaged ({' '.join(str(error).split())[:200]})") from error


def names_in(folder: Path, prefixes: tuple[str, ...] = ()) -> set[str]:
    """The names of the stored arrays, as `fill` takes them.

    Raises:
        UserError: a file is missing or damaged.
    """
    try:
        with tensors_of(folder) as stored:
            return set(plain_names(stored, prefixes))
    except UserError:
        raise
    except Exception as error:  # the library raises many different errors for a corrupt file
        raise UserError(f"{folder / WEIGHTS} is missing or damaged ({' '.join(str(error).split())[:200]})") from error


def plain_names(stored: Mapping, prefixes: tuple[str, ...]) -> dict[str, str]:
    """The stored names by what they are without a prefix; normalisations call their weights as they do today."""
    found = {}
    for name in stored:
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        plain = name.removeprefix(prefix)
        for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
            plain = plain.replace(old, new)
        found[plain] = name
    return found


@contextmanager
def tensors_of(folder: Path) -> Iterator[Mapping]:
    """The name of each stored array with the opened file that holds it: the one file, or a part named in the index.

    Raises:
        UserError: a part is missing.
    """
    with ExitStack() as stack:
        if (folder / WEIGHTS).exists() or not (folder / INDEX).exists():
            file = stack.enter_context(safe_open(folder / WEIGHTS, framework="numpy"))
            yield dict.fromkeys(file.keys(), file)
            return
        places = places_of(folder)
        parts = sorted(set(places.values()))
        missing = [part for part in parts if not (folder / part).is_file()]
        if missing:
            raise UserError(
                f"{folder} lacks {', '.join(missing[:3])}: {INDEX} says that the weights are in {len(parts)} files"
            )
        opened = {part: stack.enter_context(safe_open(folder / part, framework="numpy")) for part in parts}
        held = {part: set(file.keys()) for part, file in opened.items()}
        yield {name: opened[part] for name, part in places.items() if name in held[part]}


def places_of(folder: Path) -> dict[str, str]:
    """The file in the folder that holds each array, by the name of the array.

    Raises:
        UserError: the index is damaged, or names a file elsewhere.
    """
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(part, str) for part in places.values()):
        raise UserError(f"{folder / INDEX} is damaged: it holds no weight_map of names and files")
    outside = [part for part in places.values() if part in ("", ".", "..") or set(part) & set("/\\:*?[")]
    if outside:
        raise UserError(f"{folder / INDEX} names {outside[0]!r}, which is no file of that folder")
    return places


def differences(config: dict, form: dict) -> list[str]:
    """The settings that are not those of the form, each with what was wanted; a missing one is accepted."""
    return [
        f"{key} {config[key]!r} (wanted {value!r})" for key, value in form.items() if config.get(key, value) != value
    ]


def within(tokenizer: Tokenizer, vocabulary: int, folder: Path) -> Tokenizer:
    """The tokenizer without added tokens (such as a [PAD] for another program) for which the embedding has no row.

    Raises:
        UserError: tokens without a row are part of ordinary text.
    """
    written = json.loads(tokenizer.to_str())
    beyond = [token for token in written.get("added_tokens", ()) if token["id"] >= vocabulary]
    if beyond:
        names = [token["content"] for token in beyond]
        print(
            f"zoo: the tokenizer of {folder} has {', '.join(map(repr, names[:5]))} beyond the {vocabulary} rows of the "
            "embedding: left out",
            file=sys.stderr,
        )
        written["added_tokens"] = [token for token in written["added_tokens"] if token not in beyond]
        vocab = written["model"].get("vocab")
        if isinstance(vocab, dict):
            written["model"]["vocab"] = {word: number for word, number in vocab.items() if word not in names}
        written["post_processor"] = None  # which adds such tokens, and is never asked
        tokenizer = checked_tokenizer(lambda: Tokenizer.from_str(json.dumps(written)), folder / TOKENIZER)
    if max(tokenizer.get_vocab().values(), default=-1) >= vocabulary:
        raise UserError(f"the tokenizer of {folder} knows more tokens than the {vocabulary} of {folder / CONFIG}")
    return tokenizer


def read_json(path: Path) -> dict:
    """The JSON object in the file.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is missing or damaged ({error})") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged: it holds no settings")
    return found
