"""Published weights of GPT-2 in our network: from a folder in the format of transformers, or from the hub.

`tests/references` verifies the mapping: the logits are those of transformers' own network.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
import keras
import numpy as np
from safetensors import safe_open
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.data import checked_tokenizer, read_tokenizer
from zoo.errors import UserError
from zoo.models.gpt import VARIANTS, Block, gpt
from zoo.pretrained import HUB

CONFIG, GENERATION, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
END = "<|endoftext|>"  # what GPT-2 says between two texts
MOST = 1_000_000  # largest plausible number of tokens, and of positions
LARGEST = 1e6  # largest plausible absolute value of a weight
SIZES = ("n_embd", "n_layer", "n_head", "vocab_size", "n_positions")
# The settings that our network implements, in terms of transformers' configuration; a missing one is accepted.
FORM = {
    "model_type": "gpt2",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
    "add_cross_attention": False,
}
# Our name of each of transformers' activations that is a GELU: the ways to compute one are many, the functions are two.
GELUS = {
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"), "tanh"),
    **dict.fromkeys(("gelu", "gelu_python"), "exact"),
}


class Published(NamedTuple):
    """A published network, its tokenizer, and the tokens that end a text."""

    model: keras.Model
    tokenizer: Tokenizer
    ends: frozenset[int]


def published_gpt2(name: str, weights: str | Path) -> Published:
    """Our network with published weights; what of them is left out is printed.

    Args:
        name: for the hub, a key of HUB, such as gpt2, or OWNER/NAME; not used for a folder.
        weights: "hub", which is downloaded once to the cache of the hub; or a folder with config.json,
            model.safetensors (or its parts and their index) and tokenizer.json (or vocab.json and merges.txt).

    Raises:
        UserError: a file cannot be downloaded, is missing or damaged, or is not that of a GPT-2.
    """
    folder = folder_of(name, weights)
    config = read_json(folder / CONFIG)
    gelu = str(config.get("activation_function", "gelu_new"))
    form = FORM | {"activation_function": gelu if gelu in GELUS else "gelu_new"}
    wrong = [
        f"{key} {config[key]!r} (wanted {value!r})" for key, value in form.items() if config.get(key, value) != value
    ]
    if wrong:
        raise UserError(f"{folder / CONFIG} is not that of a GPT-2 of the published form: {', '.join(wrong)}")
    lacking = [key for key in SIZES if type(config.get(key)) is not int]  # nor a bool
    if lacking:
        raise UserError(f"{folder / CONFIG} is not that of a GPT-2: it gives no {', '.join(lacking)}")
    *size, vocabulary, context = (config[key] for key in SIZES)
    if not (1 < vocabulary <= MOST and 0 < context <= MOST):
        raise UserError(f"{folder / CONFIG} gives {vocabulary} tokens and {context} places, which no GPT-2 has")
    size = tuple(size)
    known = {tuple(sizes): variant for variant, sizes in VARIANTS.items()}
    if size not in known or config.get("n_inner") not in (None, 4 * size[0]):
        raise UserError(
            f"{folder / CONFIG} has width, depth and heads {size}, but the known ones are "
            f"{', '.join(map(str, known))}, with dense layers four times as wide"
        )
    tokenizer = within(tokenizer_of(folder), vocabulary, folder)
    used = max(tokenizer.get_vocab().values(), default=-1) + 1
    if used < vocabulary:
        print(
            f"zoo: {vocabulary - used} of the {vocabulary} rows of the embedding in {folder} are padding that no token "
            "of the tokenizer has: left out",
            file=sys.stderr,
        )
    model = gpt(used, context, variant=known[size], bias=True, gelu=GELUS[gelu])
    fill(model, folder, vocabulary)
    return Published(model, tokenizer, ends_of(folder, config, tokenizer))


def folder_of(name: str, weights: str | Path) -> Path:
    """The folder of a published network: the given one, or that of a repository on the hub, fetched if necessary.

    Raises:
        UserError: there is no such folder, or it cannot be downloaded.
    """
    if str(weights) == "hub":
        return fetch(HUB.get(name, name))
    if not Path(weights).is_dir():
        raise UserError(f"--weights came as {weights}, but there is no such folder: wanted hub, or a folder")
    return Path(weights)


def kind_of(name: str, weights: str | Path) -> str | None:
    """What kind of network a folder holds, as its settings call it, such as gpt2 or t5; None if they do not say it.

    Raises:
        UserError: the settings are missing or damaged.
    """
    return read_json(folder_of(name, weights) / CONFIG).get("model_type")


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


def ends_of(folder: Path, config: dict, tokenizer: Tokenizer) -> frozenset[int]:
    """The tokens that end a text: those which the folder's settings name, or else that of GPT-2."""
    settings = read_json(folder / GENERATION) if (folder / GENERATION).exists() else {}
    named = settings.get("eos_token_id", config.get("eos_token_id"))
    named = [named] if type(named) is int else named if isinstance(named, list) else []
    # A fine-tuned network often keeps GPT-2's number in its settings, though its tokenizer numbers otherwise.
    added = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    found = {number for number in named if type(number) is int and number in added}
    return frozenset(found or {tokenizer.token_to_id(END)} - {None})


def fetch(repository: str) -> Path:
    """The local folder of a repository on the hub, which is downloaded if necessary.

    Raises:
        UserError: it cannot be downloaded.
    """
    wanted = [CONFIG, GENERATION, WEIGHTS, INDEX, TOKENIZER, "vocab.json", "merges.txt"]
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


def fill(model: keras.Model, folder: Path, vocabulary: int) -> None:
    """Sets the weights of our network to those in the folder.

    Args:
        model: the network, whose vocabulary may be smaller.
        folder: with the weights in one file, or in parts.
        vocabulary: number of rows of the stored embedding, of which the first are used.

    Raises:
        UserError: a file is missing, damaged or of another network; the message names the first difference.
    """
    path = folder / (INDEX if not (folder / WEIGHTS).exists() and (folder / INDEX).exists() else WEIGHTS)
    wanted = names_of(model)
    try:
        with tensors_of(folder) as stored:
            there = {name.removeprefix("transformer."): name for name in stored}
            missing = [name for name in wanted if name not in there]
            if missing:
                raise UserError(f"{path} holds another network: it has no {', '.join(missing[:3])}")
            for name, weight in wanted.items():
                numbers, shape = stored[there[name]].get_tensor(there[name]), tuple(weight.shape)
                if name == "wte.weight":
                    shape = (vocabulary, *shape[1:])
                if numbers.shape != shape:
                    raise UserError(f"{path} holds another network: {name} is {numbers.shape}, wanted {shape}")
                if "float" not in numbers.dtype.name or not np.abs(numbers.astype("float64")).max() < LARGEST:
                    raise UserError(f"{path} is damaged: {name} holds what no training leaves")
                weight.assign(numbers[: weight.shape[0]].astype("float32"))
    except UserError:
        raise
    except Exception as error:  # the library raises many different errors for a corrupt file
        raise UserError(f"{path} is missing or damaged ({' '.join(str(error).split())[:200]})") from error


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


def names_of(model: keras.Model) -> dict[str, keras.Variable]:
    """Our weights by their names in transformers' GPT-2, whose dense kernels are also (in, out)."""
    last = model.get_layer("last_norm")
    found = {"wte.weight": model.get_layer("tokens").embeddings, "wpe.weight": model.get_layer("positions").positions}
    for number, block in enumerate(layer for layer in model.layers if isinstance(layer, Block)):
        at = f"h.{number}"
        for name, norm in ((f"{at}.ln_1", block.norm1), (f"{at}.ln_2", block.norm2)):
            found |= {f"{name}.weight": norm.gamma, f"{name}.bias": norm.beta}
        for name, dense in (
            (f"{at}.attn.c_attn", block.attention.qkv),
            (f"{at}.attn.c_proj", block.attention.out),
            (f"{at}.mlp.c_fc", block.mlp_in),
            (f"{at}.mlp.c_proj", block.mlp_out),
        ):
            found |= {f"{name}.weight": dense.kernel, f"{name}.bias": dense.bias}
    return found | {"ln_f.weight": last.gamma, "ln_f.bias": last.beta}


def tokenizer_of(folder: Path) -> Tokenizer:
    """The byte-pair tokenizer in the folder, in either of the two formats in which GPT-2's is published.

    Raises:
        UserError: it is missing or damaged.
    """
    if (folder / TOKENIZER).exists() or not (folder / "vocab.json").exists():
        return read_tokenizer(folder / TOKENIZER)

    def make() -> Tokenizer:
        tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        if tokenizer.token_to_id(END) is not None:
            tokenizer.add_special_tokens([END])  # one token, and not its letters
        return tokenizer

    return checked_tokenizer(make, folder / "vocab.json with merges.txt")


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
