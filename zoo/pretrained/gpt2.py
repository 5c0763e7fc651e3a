"""Published weights of GPT-2 in our network: from a folder in the format of transformers, or from the hub.

`tests/references` verifies the mapping: the logits are those of transformers' own network.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import keras
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.data import checked_tokenizer, read_tokenizer
from zoo.errors import UserError
from zoo.models.gpt import VARIANTS, Block, gpt
from zoo.pretrained.folder import (
    CONFIG,
    GENERATION,
    MOST,
    TOKENIZER,
    Stored,
    differences,
    fill,
    folder_of,
    read_json,
    within,
)

END = "<|endoftext|>"  # what GPT-2 says between two texts
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
    wrong = differences(config, form)
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
    wanted = [Stored(weight, (stored,), tuple(weight.shape)) for stored, weight in names_of(model).items()]
    rows = Stored(wanted[0].weight, wanted[0].names, (vocabulary, size[0]), lambda arrays: arrays[0][:used])
    fill(folder, [rows, *wanted[1:]], ("transformer.",))
    return Published(model, tokenizer, ends_of(folder, config, tokenizer))


def ends_of(folder: Path, config: dict, tokenizer: Tokenizer) -> frozenset[int]:
    """The tokens that end a text: those which the folder's settings name, or else that of GPT-2."""
    settings = read_json(folder / GENERATION) if (folder / GENERATION).exists() else {}
    named = settings.get("eos_token_id", config.get("eos_token_id"))
    named = [named] if type(named) is int else named if isinstance(named, list) else []
    # A fine-tuned network often keeps GPT-2's number in its settings, though its tokenizer numbers otherwise.
    added = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    found = {number for number in named if type(number) is int and number in added}
    return frozenset(found or {tokenizer.token_to_id(END)} - {None})


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
