"""What the places of a network attend to, as maps and as rollout (Abnar & Zuidema 2020, arXiv:2005.00928).

Attention is no explanation by itself: it says from where values were mixed, not what they were worth to the answer, and
other weights may give the same answer (Jain & Wallace 2019, arXiv:1902.10186).
"""

from __future__ import annotations

import itertools

import keras
import numpy as np
import tensorflow as tf

from zoo.data.features import Pixels
from zoo.errors import UserError
from zoo.explained.question import Attribution, Question, Settings
from zoo.layers import EncoderBlock
from zoo.layers.attention import attention_weights

NO_EXPLANATION = "attention is no explanation by itself: it says where the network looked, not what that did"


def attending(model: keras.Model) -> list:
    """The parts of a network in which places attend to places of the same sequence, from its input on."""
    return [part for part in model.operations if isinstance(part, EncoderBlock) or is_plain(part)]


def is_plain(part) -> bool:
    """Whether a part of a network is `keras.ops.dot_product_attention`, as in vit.py."""
    return type(part).__name__ == "DotProductAttention"


def maps(question: Question) -> tuple[list[np.ndarray], np.ndarray]:
    """The attention of each block, the mean over its heads (T, S); and how much each place of the last block's output
    counts for the number: the same for all that do at all, (T,), 1 in sum.
    """
    model = question.model
    parts = attending(model)
    read = [part.input if isinstance(part.input, list | tuple) else [part.input] for part in parts]
    inside = keras.Model(model.inputs, [*itertools.chain(*read), parts[-1].output, model.output])
    given = tf.constant(question.input[None])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for weight in model.weights:
            if "float" in weight.dtype:
                tape.watch(weight.value)
        *inputs, last, outputs = inside(given, training=False)
        number = question.of(outputs)
    slope = tape.gradient(number, last)
    slope = np.zeros(last.shape[:2]) if slope is None else np.abs(slope.numpy()).reshape(*last.shape[:2], -1).sum(-1)
    counts, found, inputs = (slope[0] > 0).astype(float), [], iter(inputs)
    for part, tensors in zip(parts, read, strict=True):
        one, *others = itertools.islice(inputs, len(tensors))
        weights = attention_weights(one, others[0]) if is_plain(part) else part.attention_weights(one, *others)
        found.append(keras.ops.convert_to_numpy(weights)[0].mean(0, np.float64))
    return found, counts / max(counts.sum(), 1)


def attention(question: Question, settings: Settings) -> Attribution:
    """The attention of the last block, the mean over its heads and over the places that the answer is read from."""
    found, read = maps(question)
    return shown(question, read @ found[-1], f"the last of {len(found)} blocks")


def attention_rollout(question: Question, settings: Settings) -> Attribution:
    """The product of the attention of all blocks, in each of which half of a place stays as it is (section 3)."""
    found, read = maps(question)
    rolled = np.eye(found[0].shape[-1])
    for weights in found:
        stays = np.eye(*weights.shape)  # a last block may compute its first places only
        rolled = (weights + stays) / 2 @ rolled
    return shown(question, read @ rolled, f"all {len(found)} blocks")


def shown(question: Question, weights: np.ndarray, which: str) -> Attribution:
    """Weights of the places of the sequence (S,), for the things of the input.

    Raises:
        UserError: it is not known to what of the input the places belong.
    """
    groups, said = question.features.groups, (which, NO_EXPLANATION)
    if not isinstance(question.features, Pixels):
        if len(weights) < len(groups):
            raise UserError(f"{question.model.name} attends to {len(weights)} places, but reads {len(groups)}")
        there = groups >= 0
        return Attribution(np.bincount(groups[there], weights[: len(groups)][there]), "share of attention", said)
    height, width = groups.shape[:2]
    patches = len(weights) - 1  # without the class token
    rows = max(1, round(np.sqrt(patches * height / width)))
    if patches % rows:
        raise UserError(f"{question.model.name} attends to {len(weights)} places, which are no patches and a token")
    coarse = weights[1:].reshape(rows, -1, 1)
    fine = tf.image.resize(coarse, (height, width), "nearest").numpy()
    values = np.empty(question.count)
    values[groups] = np.broadcast_to(fine, groups.shape)
    return Attribution(values, "share of attention of a patch", said)
