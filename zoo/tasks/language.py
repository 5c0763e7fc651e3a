"""Language modelling: predicting the next token."""

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
from zoo.tasks.task import Baseline, Panel, Task, View, compared, shapes, show

MUCH = 0.2  # share of unknown tokens above which the figures mean little
WIDE = 100  # characters per line in TensorBoard
SHOWN = 4  # windows in a view
SAMPLE = 200  # tokens to generate after each epoch
WARM = 1 + AHEAD  # first tokens, which are not timed because they include compilation


@dataclass(frozen=True)
class Writing(Sampling):
    """What to ask of a language model."""

    prompt: str | None = None
    """Text to continue, which is not printed again; by default a newline, or the tokenizer's first token if it has no
    newline."""
    tokens: int = 500
    """Number of tokens to generate, at most."""
    endless: bool = False
    """Go on after the end of a text; the token that ends it is shown between the texts."""

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.tokens <= sys.maxsize:
            raise ValueError(f"--tokens came as {self.tokens}, but must be at least 1, and at most {sys.maxsize}")


@dataclass(frozen=True)
class LanguageModel(Task):
    """The next token at each position: mean softmax cross entropy of float32 logits (B, T, vocabulary)."""

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min"}
    verb: ClassVar[str] = "generate"
    outputs: ClassVar[str] = "at each place a logit for each token, that it comes next"
    usage: ClassVar[str] = "{run} --prompt TEXT"
    wants: ClassVar[tuple[str, ...]] = ("context", "numbers", "characters", "prompt", "decode", "ends", "unknown")
    Ask: ClassVar[type] = Writing

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network gives one number per token at each position of a window."""
        if shapes(model.outputs) != [[spec["context"], spec["vocabulary"]]]:
            raise ValueError(f"its outputs are {shapes(model.outputs)}, but the data have {spec['vocabulary']} tokens")

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats per token; a mean over batches weights them by windows, including partial ones."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    def metrics(self) -> list[keras.Metric]:
        """None: the perplexity is just the exponential of the loss."""
        return []

    def weights(self, source) -> None:
        """None: all tokens have the same weight."""

    def look(self, source, sample: tuple) -> dict[str, View]:
        """The first windows of a training batch."""
        return {"inputs": [in_lines(source.decode(row)) for row in sample[0][:SHOWN].numpy()]}

    def baselines(self, source, split: str) -> list[Baseline]:
        """The unigram model: the frequency of each token in training, with add-one smoothing.

        For other data than the run was trained on, the frequency in these.
        """
        size = source.spec["vocabulary"]
        seen = np.bincount(source.numbers("train" if split in source.splits else split), minlength=size) + 1
        nats = -np.log(seen / seen.sum())[source.numbers(split)[1:]]
        return [Baseline("token frequencies (unigram)", "loss", nats.mean())]

    def panel(self, source, validation) -> LanguagePanel:
        """What TensorBoard shows besides curves."""
        return LanguagePanel(source)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """How well the network predicts all tokens of a split but the first, window by window.

        If the network's state is carried from window to window, each row of a batch starts with an empty state.

        Returns:
            loss (nats per token), perplexity (its exponential), bits_per_character and characters (None if tokenizing
            loses part of the text, as words lose spaces), accuracy (of the most likely token), unknown (share of the
            text that the tokenizer does not know; None if it knows all text), tokens, context,
            rows (number of parts of the text that are read side by side with a carried state; None: no carried state),
            baselines, and loss_by_place (nats at each position of a window; without a carried state, after that many
            tokens).
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
            "unknown": source.unknown(split),
            "tokens": int(tokens),
            "characters": characters,
            "context": source.context,
            "rows": source.spec.get("carried"),
            "baselines": [vars(baseline) for baseline in self.baselines(source, split)],
            "loss_by_place": (places[0] / np.maximum(places[2], 1)).tolist(),
        }

    def table(self, report: dict) -> str:
        """The report as readable text."""
        bits, rows, unknown = report["bits_per_character"], report["rows"], report["unknown"]
        cut = f"in {rows} rows, each read on and on" if rows else f"in windows of {report['context']}"
        lines = [
            f"loss                {report['loss']:.4f} nats a token, over all {report['tokens']:,} tokens, {cut}",
            f"perplexity          {report['perplexity']:.2f}",
            f"bits per character  {'unknown: the tokens lose some of the text' if bits is None else f'{bits:.4f}'}",
            f"accuracy            {report['accuracy']:.2%} of the tokens were the likeliest",
            *compared(report["baselines"], report, self.monitors),
        ]
        if unknown:
            means = ", so the figures above mean little" if unknown > MUCH else ""
            lines[2:2] = [
                f"unknown             {unknown:.2%} of the text without its line ends: never seen in training, all "
                f"read as one token{means}"
            ]
        return "\n".join(lines)

    def draw(self, report: dict, path: Path) -> None:
        """Draws the loss at each position of a window to a PNG file."""
        across = "place in the window" if report["rows"] else "tokens seen before"
        figures.curve(report["loss_by_place"], path, across=across, up="loss (nats a token)", mean=report["loss"])

    def answers(self, model: keras.Model, source, ask: Writing, inputs: list) -> Iterator[dict]:
        """Yields the text after the prompt, one `text` per token, which is empty if the token is part of a character.

        Unless it is asked to be endless, it ends before the first token that ends a text. The last item has an empty
        text, `tokens_per_second`, which is None for too few tokens, and whether it has `ended` the text.

        Raises:
            UserError: the network cannot write, the prompt cannot be used, or the predictions are not numbers.
        """
        try:
            writer = writer_of(model)
        except ValueError as error:
            raise UserError(f"{error}: only these can write token by token") from error
        prompt = source.prompt(ask.prompt)
        if writer.context is not None and len(prompt) > writer.context:
            limit = f"the network sees the last {writer.context} of them"
            print(f"the prompt has {len(prompt)} tokens; {limit}", file=sys.stderr)
        before, new, times, ended = prompt[-1:], [], [], False
        for token in islice(written(writer, model.output_shape[-1], prompt, ask), ask.tokens):
            if token < 0:
                raise UserError("the predictions of the network are not numbers: train it again, with a lower rate")
            ended = token in source.ends and not ask.endless
            if ended:
                count = f"after {len(times)} tokens" if times else "at once"
                print(f"the network ended the text {count}: --endless goes on", file=sys.stderr)
                break
            times.append(time.perf_counter())
            new.append(token)
            # The text of a token may depend on the token before, and a token may be part of a character.
            now = source.decode(before + new)
            if now.endswith("\ufffd"):
                yield {"text": ""}
                continue
            yield {"text": now[len(source.decode(before)) :]}
            before, new = new, []
        yield {"text": "", "tokens_per_second": rate(times), "ended": ended}

    def line(self, answer: dict) -> str:
        """A piece of the text."""
        return answer["text"]


def rate(times: list[float]) -> float | None:
    """Tokens per second, from the time in seconds at which each came: over complete bursts after the compilation.

    Bursts are shorter when a context is full: the number of tokens is the same then, but the rate is less exact.

    None if there are no such bursts.
    """
    timed = (len(times) - WARM) // AHEAD * AHEAD
    return timed / (times[WARM + timed - 1] - times[WARM - 1]) if timed > 0 else None


class LanguagePanel(Panel):
    """Shows after each epoch a text that the network generates.

    Args:
        source: has `decode`, `context` and `numbers`.
    """

    def __init__(self, source):
        self.source = source
        self.forward = None

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows a text that the network generates from the first token of the validation split.

        For each token the last `context` tokens are read again, which is simpler than what `generate` does; for a
        network that carries its state the text differs from that of `generate`.
        """
        context, random, sampling = self.source.context, np.random.default_rng(step), Sampling()
        if self.forward is None:
            self.forward = tf.function(lambda text: model(text[None], training=False)[0])
        text = [int(self.source.numbers("validation")[0])]
        while len(text) < SAMPLE:
            forget(model)  # the window is read from its start, so a carried state (with batches of one) is reset
            logits = self.forward(tf.constant(filled(text[-context:], context)))[min(len(text), context) - 1]
            text.append(int(sampling.choose(logits, random.gumbel(size=logits.shape).astype("float32"))))
        forget(model)
        show("sample", [in_lines(self.source.decode(text))], step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows nothing more."""


def in_lines(text: str) -> str:
    """The text in lines of at most WIDE characters."""
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(line, WIDE) or [""])
