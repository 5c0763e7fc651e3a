"""Published weights of GPT-2 in our network: from a folder in the format of transformers, or from the hub.

`tests/references` verifies the mapping: the logits are those of transformers' own network.
"""

from __future__ import annotations

import json
from pathlib import Path

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

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
MOST = 1_000_000  # largest plausible number of tokens, and of positions
LARGEST = 1e6  # largest plausible absolute value of a weight
SIZES = ("n_embd", "n_layer", "n_head", "vocab_size", "n_positions")
# The settings that our network implements, in terms of transformers' configuration; a missing one is accepted.
FORM = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
    "add_cross_attention": False,
}


def published_gpt2(name: str, weights: str | Path) -> tuple[keras.Model, Tokenizer]:
    """Our network with published weights, and its tokenizer.

    Args:
        name: for the hub, a key of HUB, such as gpt2, or OWNER/NAME; not used for a folder.
        weights: "hub", which is downloaded once to the cache of the hub; or a folder with config.json,
            model.safetensors and tokenizer.json (or vocab.json and merges.txt).

    Raises:
        UserError: a file cannot be downloaded, is missing or damaged, or is not that of a GPT-2.
    """
    folder = Path(weights)
    if str(weights) == "hub":
        return published_gpt2(name, fetch(HUB.get(name, name)))
    if not folder.is_dir():
        raise UserError(f"--weights came as {weights}, but there is no such folder: wanted hub, or a folder")
    config = read_json(folder / CONFIG)
    wrong = [
        f"{key} {config[key]!r} (wanted {value!r})" for key, value in FORM.items() if config.get(key, value) != value
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
    tokenizer = tokenizer_of(folder)
    if max(tokenizer.get_vocab().values(), default=-1) >= vocabulary:
        raise UserError(f"the tokenizer of {folder} knows more tokens than the {vocabulary} of {folder / CONFIG}")
    model = gpt(vocabulary, context, variant=known[size], bias=True, gelu="tanh")
    fill(model, folder / WEIGHTS)
    return model, tokenizer


def fetch(repository: str) -> Path:
    """The local folder of a repository on the hub, which is downloaded if necessary.

    Raises:
        UserError: it cannot be downloaded.
    """
    wanted = [CONFIG, WEIGHTS, TOKENIZER, "vocab.json", "merges.txt"]
    try:
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=wanted, etag_timeout=5))
    except Exception as error:  # no network, no such repository, a failing server: the library has many errors
        reason = str(error).strip().split("\n", maxsplit=1)[0][:200]
        raise UserError(
            f"{repository} could not be fetched from the hub ({reason}): run this once where there is a network, "
            f"or give --weights FOLDER, which holds {CONFIG}, {WEIGHTS} and {TOKENIZER}"
        ) from error


def fill(model: keras.Model, path: Path) -> None:
    """Sets the weights of our network to those of the file.

    Raises:
        UserError: the file is missing, damaged or of another network; the message names the first difference.
    """
    wanted = names_of(model)
    try:
        with safe_open(path, framework="numpy") as file:
            there = {name.removeprefix("transformer."): name for name in file.keys()}  # noqa: SIM118 - no mapping
            missing = [name for name in wanted if name not in there]
            if missing:
                raise UserError(f"{path} holds another network: it has no {', '.join(missing[:3])}")
            for name, weight in wanted.items():
                numbers = file.get_tensor(there[name])
                if numbers.shape != weight.shape:
                    raise UserError(
                        f"{path} holds another network: {name} is {numbers.shape}, wanted {tuple(weight.shape)}"
                    )
                if "float" not in numbers.dtype.name or not np.abs(numbers.astype("float64")).max() < LARGEST:
                    raise UserError(f"{path} is damaged: {name} holds what no training leaves")
                weight.assign(numbers.astype("float32"))
    except UserError:
        raise
    except Exception as error:  # the library raises many different errors for a corrupt file
        raise UserError(f"{path} is missing or damaged ({' '.join(str(error).split())[:200]})") from error


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
