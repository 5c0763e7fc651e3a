"""Weights from one network to another of the same graph with different names: one mapping for all of them.

It uses no names: both graphs are traversed from the output back, and the n-th layer with weights in one corresponds to
the n-th in the other. `tests/references` verifies it.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
from zoo.errors import UserError


def move_weights(source: keras.Model, target: keras.Model, *, skip_head: bool = False) -> None:
    """Copies the weights of `source` to `target`, which has the same graph with different names.

    Raises:
        UserError: the graphs differ; the message names the first difference.
    """
    pairs = zip_layers(source, target)
    for theirs, ours in pairs[: -1 if skip_head else None]:
        for new, old in zip(theirs.weights, ours.weights, strict=True):
            if new.shape != old.shape:
                raise UserError(
                    f"{ours.name} takes {in_words([old.shape])} weights, {theirs.name} has {in_words([new.shape])}: "
                    "the pictures must have the size on which the network was trained"
                )
            old.assign(new)


def zip_layers(source: keras.Model, target: keras.Model) -> list[tuple[keras.Layer, keras.Layer]]:
    """Pairs of layers with weights at the same position in the two graphs.

    Raises:
        UserError: one graph has more such layers, or a layer with more weights; the message names the first difference.
    """
    theirs, ours = (list(layers_with_weights(model.outputs[0])) for model in (source, target))
    for there, here in zip(theirs, ours, strict=False):
        if len(there.weights) != len(here.weights):
            raise UserError(
                f"{here.name} has {len(here.weights)} weights, but {there.name} has {len(there.weights)}: "
                "these are different networks"
            )
    if len(theirs) != len(ours):
        raise UserError(
            f"{target.name} has {len(ours)} layers with weights, {source.name} {len(theirs)}: "
            "these are different networks"
        )
    return list(zip(theirs, ours, strict=True))


def layers_with_weights(output) -> Iterator[keras.Layer]:
    """Yields the layers with weights on which an output depends: inputs first, branches in the order they join."""
    visited, waiting = set(), [(output, False)]
    while waiting:
        tensor, ready = waiting.pop()
        layer, node, _ = tensor._keras_history
        if ready:
            if getattr(layer, "weights", None):
                yield layer
        elif (layer, node) not in visited:
            visited.add((layer, node))
            waiting.append((tensor, True))
            waiting += [(before, False) for before in reversed(layer._inbound_nodes[node].input_tensors)]


def in_words(shapes: list[tuple[int, ...]]) -> str:
    """Shapes of weights as readable text."""
    return " + ".join("x".join(map(str, shape)) for shape in shapes)
