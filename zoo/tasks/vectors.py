"""Word vectors: words that stand in the same places get vectors that lie near each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from zoo.tasks import figures, similarity
from zoo.tasks.task import Baseline, Panel, Task, View, compared, show

NAMED = 10  # frequent words whose nearest words are shown
NEAR = 8  # nearest words that are shown of each
PROJECTED = 2000  # words in the projector, at most
VECTORS = "vectors.txt"  # file in a run's folder: all vectors in the text format of word2vec


@dataclass(frozen=True)
class Nearest:
    """What to ask of word vectors."""

    top: int = 10
    """Number of nearest words to print."""

    def __post_init__(self):
        if self.top < 1:
            raise ValueError(f"--top came as {self.top}, but must be at least 1")


@keras.saving.register_keras_serializable(package="zoo")
class NegativeSampling(keras.Loss):
    """Mean of what a true pair and its false ones cost, in nats (Mikolov 2013, arXiv:1310.4546, equation 4).

    The targets (B, T, C) are 1 for a true pair, minus a weight for a false one, and else 0; the logits are (B, T, C).
    The gradient is that of the sum, as if each pair were a step of its own: so a rate means what it means in word2vec
    and gensim, whatever the batch.
    """

    def __init__(self, name: str = "negative_sampling"):
        super().__init__(name=name, reduction=None)

    def call(self, y_true, y_pred):
        """The mean over the true pairs, a scalar."""
        total, pairs = costs(y_true, y_pred)
        return ops.stop_gradient(total / ops.maximum(pairs, 1)) + (total - ops.stop_gradient(total))

    def get_config(self) -> dict:
        """What Keras needs to make it again."""
        return {"name": self.name}


def costs(targets, logits) -> tuple:
    """The cost of all pairs in nats, and how many of them are true ones; see `NegativeSampling`."""
    right = ops.where(targets > 0, -logits, logits)
    return ops.sum(ops.abs(targets) * ops.softplus(right)), ops.sum(ops.maximum(targets, 0))


@dataclass(frozen=True)
class WordVectors(Task):
    """Whether two words stand together: logistic loss of float32 logits (B, T, C) beside false neighbours.

    Of the source it wants `words`, by their numbers, the most frequent first after one for none; `counts`, how often
    each occurs; `kept`, which share of it is not thinned out; and `negatives`, false neighbours for each true one.
    """

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min"}
    verb: ClassVar[str] = "predict"
    outputs: ClassVar[str] = (
        "logits, that the words of the first input stand near those of the second; the vectors are weights"
    )
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = ("words", "counts", "kept", "numbers", "negatives")
    Ask: ClassVar[type] = Nearest

    analogies: Path | None = field(default=None, metadata={"local": True})
    """A file of analogies to measure, like questions-words.txt; by default that one, if gensim is installed."""
    pairs: Path | None = field(default=None, metadata={"local": True})
    """A file of two words and their similarity on each line, separated by tabs; by default WordSim-353 and SimLex-999,
    if gensim is installed."""

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network has a vector for each word, in a layer called vectors."""
        names = [layer.name for layer in model.layers]
        if "vectors" not in names:
            raise ValueError(f"it has no layer called vectors, of which the words' vectors are: {', '.join(names)}")
        if len(model.get_layer("vectors").get_weights()[0]) != spec["vocabulary"]:
            raise ValueError(f"its vectors are not those of {spec['vocabulary']} words")

    def loss(self) -> keras.Loss:
        """Nats for a true pair and its false ones."""
        return NegativeSampling()

    def metrics(self) -> list[keras.Metric]:
        """None."""
        return []

    def weights(self, source) -> None:
        """None: frequent words are thinned out instead."""

    def look(self, source, sample: tuple) -> dict[str, View]:
        """The first words of a training batch, each with what it is paired with."""
        targets, (words, others, *near) = sample[1][0].numpy(), [part[0].numpy() for part in sample[0]]
        named, lines = np.array(source.words, object), []
        for row, weights in enumerate(targets):
            one, true = (words[row], others[weights > 0]) if not near else (others[row], words[near[0][row] > 0])
            lines.append(f"{named[one]}: {' '.join(named[true])}; not {' '.join(named[others[weights < 0]])}")
        return {"inputs": ["\n".join(lines)]}

    def baselines(self, source, split: str) -> list[Baseline]:
        """The frequencies of words in training, whatever stands beside them: the best that such an answer can reach."""
        false = source.counts**0.75 / (source.counts**0.75).sum()
        share = source.counts * source.kept
        with np.errstate(divide="ignore", invalid="ignore"):
            logits = np.log(share / share.sum() / (source.negatives * false))
        seen = np.bincount(source.numbers(split), minlength=len(logits)) * source.kept
        nats = seen[1:] / seen[1:].sum() @ np.logaddexp(0, -logits[1:])
        nats += source.negatives * (false[1:] @ np.logaddexp(0, logits[1:]))
        return [Baseline("word frequencies", "loss", nats)]

    def panel(self, source, validation) -> VectorsPanel:
        """What TensorBoard shows besides curves."""
        return VectorsPanel(source)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """How well the network tells true pairs of a split from false ones, and how well near words agree with people.

        Returns:
            loss (nats a true pair with its false ones), pairs, words (with a vector), width, baselines, nearest (of a
            few frequent words), and as far as there are files of them: analogies (the share that is right),
            analogies_asked (those whose words are all known), analogies_unknown (the others), analogies_by_section, and
            for each file of pairs its name with _rho, _pairs and _unknown.
        """
        nats = pairs = 0.0
        for inputs, targets in source.load(split):
            cost, true = costs(targets, model(inputs, training=False))
            nats, pairs = nats + float(cost), pairs + float(true)
        units = units_of(model)
        report = {
            "loss": nats / max(pairs, 1),
            "pairs": int(pairs),
            "words": len(units) - 1,
            "width": units.shape[1],
            "baselines": [vars(baseline) for baseline in self.baselines(source, split)],
            "nearest": dict(zip(*near_words(units, source), strict=True)),
        }
        for path in similarity.files_of(self.analogies, [similarity.ANALOGIES]):
            sections = similarity.measure_analogies(path, units, source.words)
            right, asked, unknown = (sum(one[what] for one in sections) for what in ("right", "asked", "unknown"))
            report |= {"analogies": right / asked if asked else None, "analogies_asked": asked}
            report |= {"analogies_unknown": unknown, "analogies_by_section": sections}
        for path in similarity.files_of(self.pairs, similarity.PAIRS):
            found = similarity.measure_pairs(path, units, source.words)
            name = found["file"]
            report |= {
                f"{name}_rho": found["rho"],
                f"{name}_pairs": found["asked"],
                f"{name}_unknown": found["unknown"],
            }
        return report

    def table(self, report: dict) -> str:
        """The report as readable text."""
        lines = [
            f"loss                {report['loss']:.4f} nats a true pair with its false ones, of {report['pairs']:,}",
            *compared(report["baselines"], report, self.monitors),
        ]
        rhos = [name.removesuffix("_rho") for name in report if name.endswith("_rho")]
        for name in rhos:
            rho, known, unknown = (report[f"{name}_{what}"] for what in ("rho", "pairs", "unknown"))
            if rho is not None:
                said = f"Spearman's rho {rho:.4f}, {known:,} known pairs"
            elif known > 2:
                said = f"not measured: the {known:,} known pairs are all alike"
            else:
                said = lacking(known, unknown, "pairs")
            lines.append(f"{name:18}  {said}")
        if "analogies" in report:
            known, unknown = report["analogies_asked"], report["analogies_unknown"]
            said = f"{report['analogies']:.2%} of {known:,} are right, by section:" if known else ""
            lines.append(f"{'analogies':18}  {said or lacking(known, unknown, 'analogies')}")
            lines += [
                f"  {section['section']:30} {section['right'] / section['asked']:8.2%} of {section['asked']:,}"
                for section in report["analogies_by_section"]
                if section["asked"]
            ]
        missing = ["analogies"] * ("analogies" not in report) + ["pairs of similar words"] * (not rhos)
        if missing:
            flags = " ".join(f"--task.{name.split()[0]} FILE" for name in missing)
            said = " and ".join(missing)
            lines.append(f"not measured, for want of a file: {said}; `pip install gensim` brings some, or give {flags}")
        lines += ["", "nearest words"] if report["nearest"] else []
        return "\n".join(lines + [f"  {word:16} {near}" for word, near in report["nearest"].items()])

    def draw(self, report: dict, path: Path) -> None:
        """Draws the analogies that are right, by section, to a PNG file; without analogies an empty picture."""
        sections = [one for one in report.get("analogies_by_section", ()) if one["asked"]]
        shares = [one["right"] / one["asked"] for one in sections]
        names = [one["section"] for one in sections]
        figures.bars(names, {"right": shares}, path, up="share of analogies that are right")

    def answers(self, model: keras.Model, source, ask: Nearest, inputs: list) -> Iterator[dict]:
        """For each sum of words the nearest other words, under `near`, each with `word` and `cosine`."""
        units = units_of(model)
        for signed in inputs:
            found = similarity.closest(units, signed, ask.top)
            yield {"near": [{"word": source.words[number], "cosine": cosine} for number, cosine in found]}

    def line(self, answer: dict) -> str:
        """An answer as readable text."""
        return "\t".join(f"{item['word']} {item['cosine']:.4f}" for item in answer["near"])


class VectorsPanel(Panel):
    """Shows the nearest words of a few frequent ones after each epoch, and at the end the vectors in the projector.

    Args:
        source: has `words`, `counts` and `kept`.
    """

    def __init__(self, source):
        self.source = source

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows the nearest words."""
        words, near = near_words(units_of(model), self.source)
        lines = (f"{word}: {line}" for word, line in zip(words, near, strict=True))
        show("nearest_words", ["\n".join(lines)], step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Writes the vectors of the most frequent words for the projector, and all in the text format of word2vec."""
        vectors = vectors_of(model)
        rows = list(zip(self.source.words, map(str, self.source.counts), strict=True))[1 : PROJECTED + 1]
        figures.projector(path, vectors[1 : PROJECTED + 1], ("word", "count"), rows, None)
        with open(path / VECTORS, "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{len(vectors) - 1} {vectors.shape[1]}\n")
            for word, row in zip(self.source.words[1:], vectors[1:].tolist(), strict=True):
                file.write(f"{word} {' '.join(f'{value:.6g}' for value in row)}\n")


def vectors_of(model: keras.Model) -> np.ndarray:
    """The words' vectors, (V, D) float32; the first is of none."""
    return model.get_layer("vectors").get_weights()[0]


def units_of(model: keras.Model) -> np.ndarray:
    """The words' vectors at length 1, (V, D) float32."""
    return similarity.unit(vectors_of(model))


def near_words(units: np.ndarray, source) -> tuple[list[str], list[str]]:
    """A few words, the most frequent of those that are not thinned out, and the nearest words of each in a line."""
    plain = (at for at, word in enumerate(source.words) if word.isalpha() and source.kept[at] >= 1)
    numbers = list(islice(plain, NAMED))
    near = [similarity.closest(units, [(1, number)], NEAR) for number in numbers]
    lines = [" ".join(source.words[other] for other, _ in found) for found in near]
    return [source.words[number] for number in numbers], lines


def lacking(known: int, unknown: int, what: str) -> str:
    """Says that too few of the analogies or pairs consist of words that have a vector, and what to do."""
    return (
        f"not measured: of {known + unknown:,} {what}, {known:,} are of words that all have a vector; train on more "
        f"text, or give --task.{what} FILE with words of yours"
    )
