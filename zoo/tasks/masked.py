"""Masked words: predicting hidden tokens from what stands on both sides of them (Devlin 2018, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from zoo.metrics import perplexity, softmax
from zoo.tasks import figures
from zoo.tasks.classification import Classification
from zoo.tasks.language import SHOWN, in_lines
from zoo.tasks.task import Baseline, Panel, Task, View, compared, shapes, show
from zoo.tasks.translation import TokenAccuracy


@dataclass(frozen=True)
class Missing:
    """What to ask of a network that fills in words."""

    top: int = 5
    """Number of most likely tokens to print for each [MASK]."""

    def __post_init__(self):
        if self.top < 1:
            raise ValueError(f"--top came as {self.top}, but must be at least 1")


@dataclass(frozen=True)
class MaskedLanguageModel(Task):
    """The tokens at some places of a text: mean cross entropy of float32 logits (B, M, vocabulary)."""

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min", "val_accuracy": "max"}
    verb: ClassVar[str] = "predict"
    outputs: ClassVar[str] = "for each place a logit for each token, that it stands there"
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = ("context", "numbers", "hiding", "pieces", "decode", "unknown")
    Ask: ClassVar[type] = Missing

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network takes a text and places, and gives one number per token at each."""
        if len(model.inputs) != 2 or shapes(model.outputs) != [[None, spec["vocabulary"]]]:
            raise ValueError(
                f"it has {len(model.inputs)} inputs and outputs of {shapes(model.outputs)}, but to fill in words takes "
                f"a text and places, and the data have {spec['vocabulary']} tokens"
            )

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats per hidden token, whichever windows they stand in."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")

    def metrics(self) -> list[keras.Metric]:
        """The accuracy over all hidden tokens."""
        return [TokenAccuracy(name="accuracy")]

    def weights(self, source) -> None:
        """None: all hidden tokens have the same weight; batches include weights, which are 0 where none is hidden."""

    def tuned(self) -> Classification:
        """What such a network is fine-tuned to do: to tell texts apart."""
        return Classification()

    def look(self, source, sample: tuple) -> dict[str, View]:
        """The first windows of a training batch, with what was hidden below them."""
        (texts, _), labels, _ = (sample[0], *(part[:SHOWN].numpy() for part in sample[1:]))
        rows = zip(texts[:SHOWN].numpy(), labels, strict=True)
        hidden = (
            f"{in_lines(source.decode(text))}\n\nhidden: {' '.join(source.pieces(row[row > 0]))}" for text, row in rows
        )
        return {"inputs": list(hidden)}

    def baselines(self, source, split: str) -> list[Baseline]:
        """The most frequent token as the answer to everything, and the frequency of each, with add-one smoothing.

        Both are of training; for other data than the run was trained on, of these.
        """
        size = source.spec["vocabulary"]
        seen = np.bincount(source.numbers("train" if split in source.splits else split), minlength=size)
        ordinary = np.array(source.hiding.ordinary)
        seen = np.bincount(ordinary, seen[ordinary] + 1, size)  # marks are never hidden
        labels = np.concatenate([labels.numpy()[weights.numpy() > 0] for _, labels, weights in source.load(split)])
        nats, most = -np.log(seen[labels] / seen.sum()), int(seen.argmax())
        always = f"always {source.pieces([most])[0]} (the most frequent token)"
        return [
            Baseline("token frequencies (unigram)", "loss", nats.mean()),
            Baseline(always, "accuracy", np.mean(labels == most)),
        ]

    def panel(self, source, validation) -> MaskedPanel:
        """What TensorBoard shows besides curves."""
        return MaskedPanel(source, validation)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """How well the network predicts the hidden tokens of a split, which are always the same.

        Returns:
            loss (nats per hidden token), perplexity (its exponential), accuracy (of the most likely token), hidden
            (number of hidden tokens), share (of the tokens that are hidden), unknown (share of the text that the
            tokenizer does not know), context, baselines, and loss_by_place (nats at each place of a window).
        """
        places = np.zeros((3, source.context))  # nats, hits, tokens
        for (texts, at), labels, weights in source.load(split):
            logits, real = model.predict_on_batch([texts, at]), weights.numpy() > 0
            nats = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            nats, where = np.float64(keras.ops.convert_to_numpy(nats))[real], at.numpy()[real]
            hits = (logits.argmax(-1) == labels.numpy())[real]
            places += [np.bincount(where, what, source.context) for what in (nats, hits, np.ones_like(nats))]
        nats, hits, tokens = places.sum(1)
        return {
            "loss": float(nats / tokens),
            "perplexity": perplexity(nats / tokens),
            "accuracy": float(hits / tokens),
            "hidden": int(tokens),
            "share": source.hiding.share,
            "unknown": source.unknown(split),
            "context": source.context,
            "baselines": [vars(baseline) for baseline in self.baselines(source, split)],
            "loss_by_place": (places[0] / np.maximum(places[2], 1)).tolist(),
        }

    def table(self, report: dict) -> str:
        """The report as readable text."""
        share, unknown = f"{report['share']:.0%} of the text", report["unknown"]
        lines = [
            f"loss        {report['loss']:.4f} nats a hidden token, over {report['hidden']:,} of them, {share}, in "
            f"windows of {report['context']}",
            f"perplexity  {report['perplexity']:.2f} of a hidden token (a part of a word: compare it only with "
            "that of the same tokenizer)",
            f"accuracy    {report['accuracy']:.2%} of them were the likeliest",
            *compared(report["baselines"], report, self.monitors),
        ]
        if unknown:
            lines[3:3] = [f"unknown     {unknown:.2%} of the tokens: words with characters too rare in training"]
        return "\n".join(lines)

    def draw(self, report: dict, path: Path) -> None:
        """Draws the loss at each place of a window to a PNG file."""
        figures.curve(
            report["loss_by_place"], path, across="place in the window", up="loss (nats)", mean=report["loss"]
        )

    def answers(self, model: keras.Model, source, ask: Missing, inputs: list) -> Iterator[dict]:
        """For each text, under `masks`, for each of its [MASK]s the `ask.top` likeliest tokens with `probability`."""
        count = max(len(places) for _, places in inputs)
        texts = np.stack([text for text, _ in inputs])
        at = np.array([[*places, *[0] * (count - len(places))] for _, places in inputs], np.int32)
        for logits, (_, places) in zip(model.predict_on_batch([texts, at]), inputs, strict=True):
            masks = []
            for row in softmax(logits[: len(places)]):
                order = np.argsort(-row, kind="stable")[: ask.top]
                pairs = zip(source.pieces(order), row[order], strict=True)
                masks.append([{"token": token, "probability": float(chance)} for token, chance in pairs])
            yield {"masks": masks}

    def line(self, answer: dict) -> str:
        """An answer as readable text; several [MASK]s are divided by |."""
        return "\t|\t".join(
            "\t".join(f"{item['token']} {item['probability']:.4f}" for item in mask) for mask in answer["masks"]
        )


class MaskedPanel(Panel):
    """Shows after each epoch what the network fills in for some validation windows.

    Args:
        source: has `decode` and `pieces`.
        validation: batches of the validation split.
    """

    def __init__(self, source, validation: tf.data.Dataset):
        self.source = source
        (texts, places), labels, weights = next(iter(validation))
        self.shown = tuple(part[:SHOWN] for part in (texts, places, labels, weights))

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows windows in which the network's guess stands for each hidden token, and what stood there if it erred."""
        texts, places, labels, weights = (part.numpy() for part in self.shown)
        guesses = model.predict_on_batch([texts, places]).argmax(-1)
        views = []
        for row in zip(texts, places, labels, weights, guesses, strict=True):
            text, *rest = row
            words = self.source.pieces(text[text > 0])
            for place, label, weight, guess in zip(*rest, strict=True):
                if weight:
                    said, stood = self.source.pieces([guess, label])
                    words[place] = f"[{said}]" if guess == label else f"[{said}, was {stood}]"
            views.append(in_lines(" ".join(words).replace(" ##", "")))
        show("filled_in", views, step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows nothing more."""
