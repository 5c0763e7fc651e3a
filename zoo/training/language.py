"""Language modelling: which token comes next."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from zoo.decoding import Sampling, filled
from zoo.metrics import perplexity
from zoo.training import figures
from zoo.training.carry import forget

WIDE = 100  # letters of a line in TensorBoard
SAMPLE = 200  # tokens that the network writes after each epoch


@dataclass(frozen=True)
class LanguageModel:
    """The next token at each place: mean softmax cross entropy of float32 logits (B, T, vocabulary)."""

    USE: ClassVar[str] = "generate {run} --prompt TEXT"  # what a trained network is good for
    monitors: ClassVar[tuple[str, ...]] = ("val_loss",)

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats a token; over several batches each counts by its windows, whole or not."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    def metrics(self) -> list[keras.Metric]:
        """What is shown while training besides the loss: nothing, for the perplexity is its exponential."""
        return []

    def weights(self, source) -> None:
        """All tokens count the same."""

    def panel(self, source, validation) -> LanguagePanel:
        """What TensorBoard shows besides curves."""
        return LanguagePanel(source)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """How well the network predicts all tokens of a split of the source but the first, window by window.

        Where what it remembers is carried from window to window, each row of a batch begins without a memory.

        Returns:
            loss (nats a token), perplexity (its exponential), bits_per_character and characters (None where tokens
            lose some of the text, as words lose spaces), accuracy (of the likeliest token), tokens, context,
            rows (parts of the text that are read side by side, with a memory that is carried; None: without one), and
            loss_by_place (nats at each place of a window; without a memory, this is after that many tokens seen).
        """
        places = np.zeros((3, source.context))  # nats, hits, tokens
        forget(model)
        for inputs, targets, weights in source.load(split):
            logits = model.predict_on_batch(inputs)
            nats = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
            nats = keras.ops.convert_to_numpy(nats)
            hits = logits.argmax(-1) == targets.numpy()
            places += [(np.float64(what) * weights.numpy()).sum(0) for what in (nats, hits, np.ones_like(nats))]
        forget(model)
        nats, hits, tokens = places.sum(1)
        characters = source.characters(split)
        return {
            "loss": nats / tokens,
            "perplexity": perplexity(nats / tokens),
            "bits_per_character": nats / math.log(2) / characters if characters else None,
            "accuracy": hits / tokens,
            "tokens": int(tokens),
            "characters": characters,
            "context": source.context,
            "rows": source.spec.get("batch"),
            "loss_by_place": (places[0] / np.maximum(places[2], 1)).tolist(),
        }

    def table(self, report: dict) -> str:
        """The report for a person to read."""
        bits, rows = report["bits_per_character"], report["rows"]
        cut = f"in {rows} rows, each read on and on" if rows else f"in windows of {report['context']}"
        return "\n".join(
            (
                f"loss                {report['loss']:.4f} nats a token, over all {report['tokens']:,} tokens, {cut}",
                f"perplexity          {report['perplexity']:.2f}",
                f"bits per character  {'unknown: the tokens lose some of the text' if bits is None else f'{bits:.4f}'}",
                f"accuracy            {report['accuracy']:.2%} of the tokens were the likeliest",
            )
        )

    def draw(self, report: dict, path: Path) -> None:
        """The loss by how much of the text was seen, in a PNG file."""
        across = "place in the window" if report["rows"] else "tokens seen before"
        figures.curve(report["loss_by_place"], path, across=across, up="loss (nats a token)", mean=report["loss"])


class LanguagePanel:
    """A batch of the text, and after each epoch what the network writes.

    Args:
        source: has `decode`, `context` and `numbers`.
    """

    def __init__(self, source):
        self.source = source
        self.forward = None

    def begin(self, sample: tuple) -> None:
        """The first windows of a training batch."""
        tf.summary.text("inputs", [self.shown(row) for row in sample[0][:4].numpy()], step=0)

    def epoch(self, model: keras.Model, step: int) -> None:
        """What the network writes from the first token of the validation part.

        Each token follows from the last `context` tokens, which are read anew: simpler than what `generate` does, and
        of a network whose memory is carried not the same text.
        """
        context, random, sampling = self.source.context, np.random.default_rng(step), Sampling()
        if self.forward is None:
            self.forward = tf.function(lambda text: model(text[None], training=False)[0])
        text = [int(self.source.numbers("validation")[0])]
        while len(text) < SAMPLE:
            forget(model)  # what a training in batches of one carries: the window is read from the start
            logits = self.forward(tf.constant(filled(text[-context:], context)))[min(len(text), context) - 1]
            text.append(int(sampling.choose(logits, random.gumbel(size=logits.shape).astype("float32"))))
        forget(model)
        tf.summary.text("sample", self.shown(text), step=step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Nothing: tokens have no pictures."""

    def shown(self, tokens) -> str:
        """The text of these tokens as TensorBoard's Markdown shows it, line by line."""
        lines = self.source.decode(tokens).splitlines()
        return "\n".join("    " + part for line in lines for part in textwrap.wrap(line, WIDE) or [""])
