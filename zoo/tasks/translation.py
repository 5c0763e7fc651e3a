"""Translation of sentences into another language, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import sacrebleu
import tensorflow as tf
from keras import ops

from zoo.decoding import decode
from zoo.metrics import by_prefix, perplexity
from zoo.models import writer_of
from zoo.tasks import figures
from zoo.tasks.task import Baseline, Panel, Task, View, check_smoothing, compared, shapes, show

GROUPS = 8  # groups of sentences of similar length in the picture
EXAMPLES = 20  # translations in the report
BEAM = 100  # largest beam
SHOWN = 4  # translations in TensorBoard
MAPPED = 2  # translations in TensorBoard that have a picture of the attention


@dataclass(frozen=True)
class Beam:
    """What to ask of a translator."""

    beam: int = 1
    """Size of the beam; 1: greedy, always the most likely token."""

    def __post_init__(self):
        if not 1 <= self.beam <= BEAM:
            raise ValueError(f"--beam came as {self.beam}, but must be from 1 to {BEAM}")


@dataclass(frozen=True)
class Translation(Task):
    """The next token of the target from the source and the target so far: cross entropy of float32 logits (B, T, V)."""

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min", "val_accuracy": "max"}
    verb: ClassVar[str] = "predict"
    outputs: ClassVar[str] = (
        "at each place of the target a logit for each token, that it comes next: a decoder repeats the call"
    )
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = ("pairs", "numbers", "decode", "bos", "eos", "limit")
    Ask: ClassVar[type] = Beam

    label_smoothing: float = 0.1
    """Fraction of each label that is spread over all tokens (Vaswani 2017, section 5.4), 0 to 1."""
    beam: int = 1
    """Size of the beam in evaluation; 1: greedy, always the most likely token."""

    def __post_init__(self):
        check_smoothing(self.label_smoothing)
        if not 1 <= self.beam <= BEAM:
            raise ValueError(f"--task.beam came as {self.beam}, but must be from 1 to {BEAM}")

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network reads two texts and gives one number per token at each position."""
        if len(model.inputs) != 2 or shapes(model.outputs) != [[None, spec["vocabulary"]]]:
            raise ValueError(
                f"it has {len(model.inputs)} inputs and outputs of {shapes(model.outputs)}, but translation takes a "
                f"source and a target, and the data have {spec['vocabulary']} tokens"
            )

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats per token with smoothed labels; a mean over batches weights them equally."""
        return SmoothedCrossEntropy(self.label_smoothing)

    def metrics(self) -> list[keras.Metric]:
        """The accuracy over all tokens but padding."""
        return [TokenAccuracy(name="accuracy")]

    def weights(self, source) -> None:
        """None: all tokens have the same weight; batches include weights, which are 0 for padding."""

    def look(self, source, sample: tuple) -> dict[str, View]:
        """The first pairs of a training batch."""
        (sources, _), labels, _ = sample
        pairs = zip(sources[:SHOWN].numpy(), labels[:SHOWN].numpy(), strict=True)
        return {"inputs": [in_rows(*map(source.decode, pair)) for pair in pairs]}

    def baselines(self, source, split: str) -> list[Baseline]:
        """The most frequent token of the split, whatever the source and the tokens before."""
        counts = np.zeros(source.spec["vocabulary"], np.int64)
        for _, labels, weights in source.load(split):
            counts += np.bincount(labels.numpy()[weights.numpy() > 0], minlength=len(counts))
        return [Baseline("always the most frequent token", "accuracy", counts.max() / counts.sum())]

    def panel(self, source, validation) -> TranslationPanel:
        """What TensorBoard shows besides curves."""
        return TranslationPanel(source)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """How well the network predicts the tokens of a split, and how good its own translations are.

        Returns:
            loss (nats per token, without smoothing), perplexity (its exponential), accuracy (of the most likely token),
            tokens (including eos); bleu and chrf (0 to 100) by sacrebleu with their signatures bleu_signature and
            chrf_signature, exact (fraction of translations equal to the reference), sentences, beam; lengths (for
            groups of sentences of similar source length: tokens, bleu, exact, sentences), kinds (if all sources begin
            with one of a few prefixes: prefix, exact, sentences of each, of which exact_lowest is the lowest) and
            examples (source, reference, translation), baselines. The tables have all translations.
        """
        nats, hits, count = 0.0, 0, 0
        for inputs, labels, weights in source.load(split):
            logits, real = model.predict_on_batch(inputs), weights.numpy() > 0
            losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            nats += float(np.float64(ops.convert_to_numpy(losses))[real].sum())
            hits += int((logits.argmax(-1) == labels.numpy())[real].sum())
            count += int(real.sum())
        sources, references = zip(*source.pairs(split), strict=True)
        numbers = [tokens for tokens, _ in source.numbers(split)]
        hypotheses = translations(model, source, numbers, self.beam)
        bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
        scores = bleu.corpus_score(hypotheses, [references]), chrf.corpus_score(hypotheses, [references])
        exact = np.array([ours == theirs for ours, theirs in zip(hypotheses, references, strict=True)])
        lengths = np.array([len(tokens) for tokens in numbers])
        kinds = [
            {"prefix": prefix, "exact": float(exact[places].mean()), "sentences": len(places)}
            for prefix, places in by_prefix(sources).items()
        ]
        groups = np.array_split(np.argsort(lengths, kind="stable"), min(GROUPS, len(hypotheses)))
        return {
            "loss": nats / count,
            "perplexity": perplexity(nats / count),
            "accuracy": hits / count,
            "tokens": count,
            "bleu": scores[0].score,
            "bleu_signature": str(bleu.get_signature()),
            "chrf": scores[1].score,
            "chrf_signature": str(chrf.get_signature()),
            "exact": float(exact.mean()),
            "sentences": len(hypotheses),
            "beam": self.beam,
            "baselines": [vars(baseline) for baseline in self.baselines(source, split)],
            "lengths": [
                {
                    "tokens": float(lengths[group].mean()),
                    "bleu": bleu.corpus_score([hypotheses[i] for i in group], [[references[i] for i in group]]).score,
                    "exact": float(exact[group].mean()),
                    "sentences": len(group),
                }
                for group in groups
            ],
            "kinds": kinds,
            **({"exact_lowest": min(kind["exact"] for kind in kinds)} if kinds else {}),
            "tables": {
                "predictions": [
                    ("source", "reference", "translation"),
                    *zip(sources, references, hypotheses, strict=True),
                ]
            },
            "examples": [
                {"source": source, "reference": reference, "translation": translation}
                for source, reference, translation in zip(
                    sources[:EXAMPLES], references[:EXAMPLES], hypotheses[:EXAMPLES], strict=True
                )
            ],
        }

    def table(self, report: dict) -> str:
        """The report as readable text."""
        how = f"beam {report['beam']}" if report["beam"] > 1 else "greedy"
        lines = [
            f"BLEU         {report['bleu']:.2f} ({report['bleu_signature']})",
            f"chrF         {report['chrf']:.2f} ({report['chrf_signature']})",
            f"exact match  {report['exact']:.2%} of {report['sentences']} translations, {how}",
            *(f"  {kind['prefix']}:  {kind['exact']:.2%} of {kind['sentences']}" for kind in report["kinds"]),
            f"loss         {report['loss']:.4f} nats a token, over all {report['tokens']:,} tokens of the references",
            f"perplexity   {report['perplexity']:.2f}",
            f"accuracy     {report['accuracy']:.2%} of the tokens were the likeliest after those of the reference",
            *compared(report["baselines"], report, self.monitors),
        ]
        for example in report["examples"][:SHOWN]:
            lines += ["", *(f"{name:11}  {text}" for name, text in example.items())]
        return "\n".join(lines)

    def draw(self, report: dict, path: Path) -> None:
        """Draws BLEU and exact matches by the length of the source to a PNG file."""
        groups = report["lengths"]
        figures.lines(
            [group["tokens"] for group in groups],
            {
                f"BLEU, {report['bleu']:.2f} in all": [group["bleu"] for group in groups],
                f"exact match, {report['exact']:.2%} in all": [100 * group["exact"] for group in groups],
            },
            path,
            across=f"tokens of the source (means of {len(groups)} groups of sentences)",
            up="BLEU; exact match in %",
        )

    def answers(self, model: keras.Model, source, ask: Beam, inputs: list) -> Iterator[dict]:
        """For each sentence, a list of tokens, its `translation`; that of an empty one is empty."""
        numbers = [tokens for tokens in inputs if tokens]
        texts = iter(translations(model, source, numbers, ask.beam) if numbers else ())
        for tokens in inputs:
            yield {"translation": next(texts) if tokens else ""}

    def line(self, answer: dict) -> str:
        """The translation."""
        return answer["translation"]


class TranslationPanel(Panel):
    """Shows after each epoch translations of the first sentences of validation.

    Args:
        source: has `pairs` and `numbers`, and what `translations` needs.
    """

    def __init__(self, source):
        self.source = source

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows sources, references and translations, and the attention of the decoder's last block to the source."""
        source, pairs = self.source, self.source.pairs("validation")[:SHOWN]
        numbers = [tokens for tokens, _ in source.numbers("validation")[:SHOWN]]
        outputs = translated(model, source, numbers)
        rows = [in_rows(*pair, source.decode(written)) for pair, written in zip(pairs, outputs, strict=True)]
        show("translations", rows, step)
        for number, (tokens, written) in enumerate(zip(numbers[:MAPPED], outputs[:MAPPED], strict=True), 1):
            weights = attention_map(model, tokens, written, bos=source.bos)
            if weights is None:  # the network does not choose where it looks
                break
            across, down = ([source.decode([token]) for token in side] for side in (tokens, written))
            picture = figures.attention(weights, across, [*down, "(end)"])
            tf.summary.image(f"attention/{number}", picture[None], step=step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows nothing more."""


def translations(model: keras.Model, source, numbers: list[list[int]], beam: int = 1) -> list[str]:
    """The network's translations of sentences, as texts.

    Args:
        model: as built by `zoo.models.transformer`.
        source: has `bos`, `eos`, `limit` (the largest number of tokens of a sentence) and `decode`.
        numbers: the tokens of each sentence.
        beam: size of the beam; 1: greedy, always the most likely token.
    """
    return [source.decode(tokens) for tokens in translated(model, source, numbers, beam)]


def translated(model: keras.Model, source, numbers: list[list[int]], beam: int = 1) -> list[list[int]]:
    """The tokens of these translations, without bos and eos; the arguments are those of `translations`."""
    table = np.zeros((len(numbers), max(map(len, numbers))), np.int32)
    for row, tokens in zip(table, numbers, strict=True):
        row[: len(tokens)] = tokens
    # One more than the longest sentence in training, for eos.
    return decode(model, table, bos=source.bos, eos=source.eos, limit=source.limit + 1, beam=beam)


def attention_map(model: keras.Model, source: list[int], translation: list[int], *, bos: int) -> np.ndarray | None:
    """The decoder's attention to the source: the mean over the heads of its last block; None if it has none.

    Args:
        model: as for `translations`.
        source: tokens of one sentence.
        translation: tokens without bos and eos.
        bos: the token that starts a translation.

    Returns:
        (len(translation) + 1, len(source)) float32: a row for each token of the translation and for eos; each row sums
        to 1.
    """
    weights = writer_of(model).attention_weights(tf.constant([source]), tf.constant([[bos, *translation]]))
    return ops.convert_to_numpy(weights[-1][0]).mean(0) if weights else None


def in_rows(*texts: str) -> str:
    """Source, reference and, if given, translation, each in a line with its name."""
    return "\n".join(
        f"{name:11}  {text}" for name, text in zip(("source", "reference", "translation"), texts, strict=False)
    )


class SmoothedCrossEntropy(keras.Loss):
    """Softmax cross entropy of logits (B, T, V) against tokens (B, T), with label smoothing.

    Keras' own loss with smoothing requires one-hot labels, which are as large as the logits.

    Args:
        smoothing: fraction of each label that is spread over all V tokens.
    """

    def __init__(self, smoothing: float):
        super().__init__(name="smoothed_cross_entropy", reduction="mean_with_sample_weight")
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        """The loss (B, T) in nats."""
        of_target = ops.take_along_axis(y_pred, ops.cast(y_true, "int32")[..., None], axis=-1)[..., 0]
        kept = (1 - self.smoothing) * of_target + self.smoothing * ops.mean(y_pred, axis=-1)
        return ops.logsumexp(y_pred, axis=-1) - kept


class TokenAccuracy(keras.metrics.Mean):
    """The fraction of tokens, without padding, that were predicted as the most likely."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds the tokens (B, T) that are not 0, with their logits (B, T, V)."""
        targets = ops.cast(y_true, "int32")
        hits = ops.equal(targets, ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
        # Flattened, because Keras would average over each row first, including its padding.
        super().update_state(ops.ravel(hits), sample_weight=ops.ravel(ops.not_equal(targets, 0)))
