"""Published weights of T5, T5 1.1 and Flan-T5 in our network: from a folder in transformers' format, or from the hub.

`tests/references` verifies the mapping: logits and answers are those of transformers' own network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from tokenizers import Tokenizer

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.data import Pairs, encode, read_tokenizer
from zoo.errors import UserError
from zoo.models.t5 import BUCKETS, FARTHEST, Variant, network
from zoo.pretrained.folder import CONFIG, MOST, TOKENIZER, Stored, differences, folder_of, names_in, read_json, within
from zoo.pretrained.folder import fill as fill_from

SIZES = ("d_model", "num_heads", "d_kv", "d_ff", "num_layers", "vocab_size")
PADDING, EOS = 0, 1  # an answer starts with padding
READ = 512  # tokens of the texts on which T5 was trained (section 3.1.2)
# The settings that our network implements, in terms of transformers' configuration; a missing one is accepted.
FORM = {
    "model_type": "t5",
    "layer_norm_epsilon": 1e-6,
    "relative_attention_num_buckets": BUCKETS,
    "relative_attention_max_distance": FARTHEST,
    "pad_token_id": PADDING,
    "decoder_start_token_id": PADDING,
    "eos_token_id": EOS,
}


class Published(NamedTuple):
    """A published network and its tokenizer."""

    model: keras.Model
    tokenizer: Tokenizer


@dataclass(frozen=True)
class T5Texts(Pairs):
    """Texts and answers in the tokens of a published T5: an answer starts with padding, and a source ends with eos."""

    limit: int = READ
    """Tokens of the texts on which it was trained."""

    bos, eos = PADDING, EOS

    def encode(self, text: str, what: str = "the text") -> list[int]:
        """The tokens of a text, and eos.

        Raises:
            UserError: the tokenizer cannot read it; the message starts with `what`.
        """
        return [*(number for number in encode(self.codec, text, what) if number not in (PADDING, EOS)), EOS]

    def decode(self, numbers) -> str:
        """The text of these tokens up to eos, without padding; what stands for left-out spans remains in it."""
        kept = [number for number in takewhile(lambda number: number != EOS, map(int, numbers)) if number != PADDING]
        return self.codec.decode(kept, skip_special_tokens=False)


def published_t5(name: str, weights: str | Path) -> Published:
    """Our network with published weights; what of them is left out is printed.

    Args:
        name: for the hub, a key of HUB, such as t5-small, or OWNER/NAME; not used for a folder.
        weights: "hub", which is downloaded once to the cache of the hub; or a folder with config.json,
            model.safetensors (or its parts and their index) and tokenizer.json.

    Raises:
        UserError: a file cannot be downloaded, is missing or damaged, or is not that of a T5.
    """
    folder = folder_of(name, weights)
    config = read_json(folder / CONFIG)
    lacking = [key for key in SIZES if type(config.get(key)) is not int]  # nor a bool
    if lacking:
        raise UserError(f"{folder / CONFIG} is not that of a T5: it gives no {', '.join(lacking)}")
    dense = config.get("feed_forward_proj", "relu")
    form = FORM | {"num_decoder_layers": config["num_layers"]}
    form |= {"feed_forward_proj": dense if dense in ("relu", "gated-gelu") else "relu"}
    wrong = differences(config, form)
    if wrong:
        raise UserError(f"{folder / CONFIG} is not that of a T5 of the published form: {', '.join(wrong)}")
    *size, vocabulary = (config[key] for key in SIZES)
    if not (1 < vocabulary <= MOST and all(0 < number <= MOST for number in size)):
        raise UserError(f"{folder / CONFIG} gives the sizes {size} and {vocabulary} tokens, which no T5 has")
    tokenizer = within(read_tokenizer(folder / TOKENIZER), vocabulary, folder)
    # transformers 5 ties all heads and says so; whether their input is scaled then tells T5 from T5 1.1.
    scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
    if config.get("tie_word_embeddings") is False:
        scaled = False
    sizes = Variant(*size, gated=dense == "gated-gelu", tied=bool(scaled))
    used = max(tokenizer.get_vocab().values()) + 1  # further rows of the embedding fill it up to a round number
    model = network(used, sizes)
    fill(model, folder, vocabulary)
    return Published(model, tokenizer)


def fill(model: keras.Model, folder: Path, vocabulary: int) -> None:
    """Sets the weights of our network to those in the folder.

    Args:
        model: the network, whose vocabulary may be smaller.
        folder: with the weights in one file, or in parts.
        vocabulary: number of rows of the stored embedding, of which the first are used.

    Raises:
        UserError: a file is missing, damaged or of another network; the message names the first difference.
    """
    wanted, weights = names_of(model), {weight.path: weight for weight in model.weights}
    if "lm_head.weight" not in names_in(folder):  # tied, but not scaled: see `published_t5`
        wanted = {ours: [name.replace("lm_head", "shared") for name in names] for ours, names in wanted.items()}
    stored = []
    for path, names in wanted.items():
        weight, shape = weights[path], tuple(weights[path].shape)
        if names[0] in ("shared.weight", "lm_head.weight"):
            kernel = path.endswith("kernel")
            shape = (vocabulary, shape[0] if kernel else shape[1])
            stored.append(Stored(weight, tuple(names), shape, rows_of(weight.shape[kernel], turned=kernel)))
        elif path.endswith("kernel"):  # theirs are (out, in), one or several side by side
            stored.append(Stored(weight, tuple(names), (shape[1] // len(names), shape[0]), beside))
        else:
            stored.append(Stored(weight, tuple(names), shape))
    fill_from(folder, stored)


def beside(arrays: list[np.ndarray]) -> np.ndarray:
    """Kernels (out, in) side by side as one (in, out of all)."""
    return np.concatenate([array.T for array in arrays], -1)


def rows_of(count: int, *, turned: bool) -> Callable[[list[np.ndarray]], np.ndarray]:
    """A function that takes the first rows of a table; turned, as columns."""
    return lambda arrays: arrays[0][:count].T if turned else arrays[0][:count]


def names_of(model: keras.Model) -> dict[str, list[str]]:
    """The path of each of our weights with their names in transformers' T5: of a kernel one or several side by side."""
    found = {"tokens/embeddings": ["shared.weight"]}
    for layer in model.layers:
        stack, number = layer.name[:7], layer.name[7:]
        if layer.name == "logits":
            found["logits/kernel"] = ["lm_head.weight"]
        elif number == "_positions":
            at = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
            found[f"{layer.name}/embeddings"] = [at]
        elif number == "_norm":
            found[f"{layer.name}/scale"] = [f"{stack}.final_layer_norm.weight"]
        elif number.isdigit():
            at, reads = f"{stack}.block.{int(number) - 1}.layer", stack == "decoder"
            of_self, of_memory = f"{at}.0.SelfAttention", f"{at}.1.EncDecAttention"
            dense = f"{at}.{1 + reads}.DenseReluDense"
            names = {
                "attention/qkv/kernel": [f"{of_self}.{part}.weight" for part in "qkv"],
                "attention/out/kernel": [f"{of_self}.o.weight"],
                "attention_norm/scale": [f"{at}.0.layer_norm.weight"],
                "mlp_norm/scale": [f"{at}.{1 + reads}.layer_norm.weight"],
                "mlp_in/kernel": [f"{dense}.{'wi_1' if layer.gated else 'wi'}.weight"],
                "mlp_out/kernel": [f"{dense}.wo.weight"],
            }
            if layer.gated:
                names["mlp_gate/kernel"] = [f"{dense}.wi_0.weight"]
            if reads:
                names |= {
                    "cross/query/kernel": [f"{of_memory}.q.weight"],
                    "cross/memory/kernel": [f"{of_memory}.{part}.weight" for part in "kv"],
                    "cross/out/kernel": [f"{of_memory}.o.weight"],
                    "cross_norm/scale": [f"{at}.1.layer_norm.weight"],
                }
            found |= {f"{layer.name}/{part}": theirs for part, theirs in names.items()}
    return found
