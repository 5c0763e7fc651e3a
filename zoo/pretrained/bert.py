"""Published weights of BERT, RoBERTa and MiniLM in our networks: from a folder as transformers writes it, or the hub.

`tests/references` verifies the mapping: the outputs are those of transformers' own networks.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.data import Masked, read_tokenizer
from zoo.data.padding import padding_of
from zoo.errors import UserError
from zoo.layers import EncoderBlock
from zoo.models.bert import FIRST, Variant, body, classified, filled_in
from zoo.pretrained.folder import (
    CONFIG,
    MOST,
    TOKENIZER,
    VOCABULARY,
    Stored,
    differences,
    fill,
    folder_of,
    names_in,
    read_json,
)

READS = Masked
LENGTH = 128  # tokens to read of each text, if the network can
FEWER = 0.01  # share of the embedding's rows that no token needs to have: some are padded to a round number
# What is plausible of each size, from the least to the most.
SIZES = {
    "hidden_size": (1, 16_384),
    "num_hidden_layers": (1, 200),
    "num_attention_heads": (1, 1024),
    "vocab_size": (2, MOST),
    "max_position_embeddings": (FIRST + 1, MOST),
    "type_vocab_size": (1, 100),
}
# The settings that our networks implement, in terms of transformers' configuration; a missing one is accepted.
FORM = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}
EPSILONS = {"bert": 1e-12, "roberta": 1e-5}
PREFIXES = ("bert.", "roberta.")


class Published(NamedTuple):
    """A published network, the file of its tokenizer, and the most tokens that a text may have."""

    model: keras.Model
    tokenizer: Path
    context: int


def published_bert(name: str, weights: str | Path, *, head: str = "texts") -> Published:
    """Our network with published weights.

    Args:
        name: for the hub, a key of ENCODERS, such as minilm, or OWNER/NAME; not used for a folder.
        weights: "hub", from which it is downloaded once to its cache; or a folder with config.json, model.safetensors
            (or its parts and their index) and tokenizer.json (or vocab.txt).
        head: texts: the mean over a text's tokens and a new last layer of one class; pooler: the published layer on
            the first token, and such a last layer; words: the published head that fills in hidden words.

    Raises:
        UserError: a file cannot be downloaded, is missing or damaged, or is not that of such a network.
    """
    folder = folder_of(name, weights)
    config = read_json(folder / CONFIG)
    kind = checked(config, folder)
    *size, vocabulary, places, segments = (config[key] for key in SIZES)
    roberta = kind == "roberta"
    file = folder / (TOKENIZER if (folder / TOKENIZER).exists() or not (folder / VOCABULARY).exists() else VOCABULARY)
    padding, used = check_belongs(file, vocabulary, config)
    context = places - FIRST * roberta
    drawn = body(used, context, Variant(*size), roberta=roberta, segments=segments)
    if head == "words":
        if not names_in(folder, PREFIXES) & {"cls.predictions.bias", "lm_head.bias"}:
            raise UserError(f"{folder} holds no head that fills in words: fine-tune it, `python -m zoo.finetune`")
        model = filled_in(drawn, roberta=roberta, name=f"bert_masked_{kind}")
    else:
        pooling = {"texts": "mean", "pooler": "first"}[head]
        model = classified(drawn, 1, pooling=pooling, dropout=0.1, name=f"bert_{kind}")
    beyond = f"encoder.layer.{config['num_hidden_layers']}."
    if any(name.startswith(beyond) for name in names_in(folder, PREFIXES)):
        raise UserError(
            f"{folder} holds another network: its weights go on with {beyond[:-1]}, but {CONFIG} gives "
            f"{config['num_hidden_layers']} layers"
        )
    fill(folder, stored_in(model, vocabulary, roberta=roberta, padding=padding), PREFIXES)
    return Published(model, file, context)


def base(name: str, weights: str | Path, size: None = None) -> tuple[keras.Model, Masked]:
    """A network for `finetune`, and text with its tokenizer; arguments and errors as of `published_bert`."""
    model, tokenizer, context = published_bert(name, weights)
    return model, Masked(tokenizer=tokenizer, context=min(LENGTH, context), batch=32)


def checked(config: dict, folder: Path) -> str:
    """Whether the settings are those of a bert or of a roberta.

    Raises:
        UserError: they are of neither; the message names the differences.
    """
    kind = str(config.get("model_type"))
    if kind not in EPSILONS:
        raise UserError(f"{folder / CONFIG} is of a {kind!r}, and not of one of {', '.join(EPSILONS)}")
    form = FORM | {"layer_norm_eps": EPSILONS[kind]}
    wrong = differences(config, form)
    for key, (low, high) in SIZES.items():
        if type(config.get(key)) is not int or not low <= config[key] <= high:  # nor a bool
            wrong.append(f"{key} {config.get(key)!r} (wanted {low} to {high})")
    width = config.get("hidden_size")
    if not wrong and config.get("intermediate_size", 4 * width) != 4 * width:
        wrong.append(f"intermediate_size {config['intermediate_size']} (wanted {4 * width}, four times hidden_size)")
    if not wrong and width % config["num_attention_heads"]:
        wrong.append(f"hidden_size {width}, which is no multiple of num_attention_heads")
    if wrong:
        raise UserError(f"{folder / CONFIG} is not that of a {kind} of the published form: {', '.join(wrong)}")
    return kind


def check_belongs(file: Path, vocabulary: int, config: dict) -> tuple[int, int]:
    """The number that a tokenizer gave to padding before that became token 0, and one more than its largest number.

    Raises:
        UserError: the tokenizer does not belong to the weights: it has another number of tokens, or another padding.
    """
    tokens = max(read_tokenizer(file, padded=True).get_vocab().values(), default=-1) + 1
    if not vocabulary * (1 - FEWER) <= tokens <= vocabulary:
        raise UserError(
            f"{file} does not belong to the weights beside it: it knows {tokens} tokens, but {CONFIG} gives "
            f"{vocabulary}"
        )
    padding = padding_of(file.read_text(encoding="utf-8")) if file.name == TOKENIZER else 0
    if config.get("pad_token_id", padding) != padding:
        raise UserError(
            f"{file} does not belong to the weights beside it: its padding is token {padding}, but {CONFIG} gives "
            f"{config['pad_token_id']}"
        )
    return padding, tokens


def stored_in(model: keras.Model, vocabulary: int, *, roberta: bool, padding: int = 0) -> list[Stored]:
    """Our weights, and where they are in transformers' networks, whose dense kernels are (out, in).

    Args:
        model: of any head; of the last layer of a classifier nothing is stored. Its vocabulary may be smaller.
        vocabulary: number of rows of the stored embedding, of which the first are used.
        roberta: whether it has the form of RoBERTa.
        padding: the token that is 0 here, which has changed places with the one that is 0 there.
    """

    def rows(arrays: list[np.ndarray]) -> np.ndarray:
        found = arrays[0][: tokens.embeddings.shape[0]].copy()
        found[[0, padding]] = arrays[0][[padding, 0]]
        return found

    def of_norm(layer, at: str) -> list[Stored]:
        return [Stored(w, (f"{at}.{n}",), tuple(w.shape)) for w, n in ((layer.gamma, "weight"), (layer.beta, "bias"))]

    def of_dense(layer, *at: str) -> list[Stored]:
        """One of ours may be several of theirs side by side."""
        inner, outer = layer.kernel.shape
        outer //= len(at)
        kernels, biases = (tuple(f"{name}.{what}" for name in at) for what in ("weight", "bias"))
        return [
            Stored(layer.kernel, kernels, (outer, inner), lambda arrays: np.concatenate(arrays).T),
            Stored(layer.bias, biases, (outer,), np.concatenate),
        ]

    tokens, positions, segment = (model.get_layer(name) for name in ("tokens", "positions", "segment"))
    found = [
        Stored(
            tokens.embeddings,
            ("embeddings.word_embeddings.weight",),
            (vocabulary, tokens.embeddings.shape[1]),
            rows,
        ),
        Stored(positions.positions, ("embeddings.position_embeddings.weight",), tuple(positions.positions.shape)),
        Stored(segment.segments, ("embeddings.token_type_embeddings.weight",), tuple(segment.segments.shape)),
        *of_norm(model.get_layer("norm"), "embeddings.LayerNorm"),
    ]
    for number, block in enumerate(layer for layer in model.layers if isinstance(layer, EncoderBlock)):
        at = f"encoder.layer.{number}"
        found += of_dense(block.attention.qkv, *(f"{at}.attention.self.{name}" for name in ("query", "key", "value")))
        found += of_dense(block.attention.out, f"{at}.attention.output.dense")
        found += of_norm(block.norms[0], f"{at}.attention.output.LayerNorm")
        found += of_dense(block.mlp_in, f"{at}.intermediate.dense")
        found += of_dense(block.mlp_out, f"{at}.output.dense")
        found += of_norm(block.norms[1], f"{at}.output.LayerNorm")
    named = {layer.name: layer for layer in model.layers}
    if "pooler" in named:
        found += of_dense(named["pooler"], "pooler.dense")
    if "transform" in named:
        head = ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")
        head = (
            head
            if roberta
            else ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
        )
        bias = named["logits"].bias
        found += of_dense(named["transform"], head[0]) + of_norm(named["transform_norm"], head[1])
        found.append(Stored(bias, (head[2],), (vocabulary,), rows))
    return found
