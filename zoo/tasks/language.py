"""Language modelling: which token comes next."""

from __future__ import annotations

import math
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from zoo.decoding.sampling import AHEAD, Sampling, filled, written
from zoo.errors import UserError
from zoo.layers.carry import forget
from zoo.metrics import perplexity
from zoo.models import writer_of
from zoo.tasks import figures
from zoo.tasks.task import Panel, Task, check_tokenizer, shapes

WIDE = 100  # letters of a line in TensorBoard
SAMPLE = 200  # tokens that the network writes after each epoch
WARM = 1 + AHEAD  # tokens that are not timed: they wait for the network to be compiled


@dataclass(frozen=True)
class Writing(Sampling):
    """What can be asked of a language model."""

    prompt: str | None = None
    """The beginning, which is not printed again; if none is given a new line, or the first token where the tokenizer
    has none."""
    tokens: int = 500
    """How many tokens to write."""

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.tokens <= sys.maxsize:
            raise ValueError(f"--tokens came as {self.tokens}, but must be at least 1, and at most {sys.maxsize}")


@dataclass(frozen=True)
class LanguageModel(Task):
    """The next token at each place: mean softmax cross entropy of float32 logits (B, T, vocabulary)."""

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min"}
    verb: ClassVar[str] = "generate"
    usage: ClassVar[str] = "{run} --prompt TEXT"
    wants: ClassVar[tuple[str, ...]] = ("context", "numbers", "characters", "prompt", "decode", "vocabulary_size")
    Ask: ClassVar[type] = Writing

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network gives a number a token at each place of a window."""
        if shapes(model.outputs) != [[spec["context"], spec["vocabulary"]]]:
            raise ValueError(f"its outputs are {shapes(model.outputs)}, but the data have {spec['vocabulary']} tokens")

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats a token; over several batches each counts by its windows, whole or not."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    def metrics(self) -> list[keras.Metric]:
        """What is shown while training besides the loss: nothing, for the perplexity is its exponential."""
        return []

    def weights(self, source) -> None:
        """None: all tokens count the same."""

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
            "rows": source.spec.get("carried"),
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

    def answers(self, model: keras.Model, source, ask: Writing, inputs: list) -> Iterator[dict]:
        """The text after the prompt, piece by piece: a `text` a token, empty where it is only a part of a letter.

        The last piece is empty and has `tokens_per_second`, None where there were too few to tell.

        Raises:
            UserError: the network cannot write, the prompt cannot be read, or the predictions are not numbers.
        """
        try:
            writer = writer_of(model)
        except ValueError as error:
            raise UserError(f"{error}: only these can write token by token") from error
        check_tokenizer(model, source)
        prompt = source.prompt(ask.prompt)
        if writer.context is not None and len(prompt) > writer.context:
            seen = f"the network sees the last {writer.context} of them"
            print(f"the prompt has {len(prompt)} tokens; {seen}", file=sys.stderr)
        before, new, times = prompt[-1:], [], []
        for token in islice(written(writer, model.output_shape[-1], prompt, ask), ask.tokens):
            if token < 0:
                raise UserError("the predictions of the network are not numbers: train it again, with a lower rate")
            times.append(time.perf_counter())
            new.append(token)
            # How a token is written may depend on the one before, and some are a part of a letter.
            now = source.decode(before + new)
            if now.endswith("\ufffd"):
                yield {"text": ""}
                continue
            yield {"text": now[len(source.decode(before)) :]}
            before, new = new, []
        yield {"text": "", "tokens_per_second": rate(times)}

    def line(self, answer: dict) -> str:
        """The piece of text."""
        return answer["text"]


def rate(times: list[float]) -> float | None:
    """Tokens a second by when each came, in seconds: of whole bursts, after those that waited for the compilation.

    Where a context was full, bursts are shorter: then this is of as many tokens, but a little less exact.

    None if there were no such bursts.
    """
    whole = (len(times) - WARM) // AHEAD * AHEAD
    return whole / (times[WARM + whole - 1] - times[WARM - 1]) if whole > 0 else None


class LanguagePanel(Panel):
    """A batch of the text, and after each epoch what the network writes.

    Args:
        source: has `decode`, `context` and `numbers`.
    """

    def __init__(self, source):
        self.source = source
        self.forward = None

    def inputs(self, sample: tuple) -> None:
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
        """Shows nothing: tokens have no pictures."""

    def shown(self, tokens) -> str:
        """The text of these tokens as TensorBoard's Markdown shows it, line by line."""
        lines = self.source.decode(tokens).splitlines()
        return "\n".join("    " + part for line in lines for part in textwrap.wrap(line, WIDE) or [""])
