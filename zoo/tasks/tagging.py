"""Tagging: a tag for each token of a text, so that spans of tokens are found, such as names, with their kinds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from zoo.tasks import figures
from zoo.tasks.tag_scores import TagScores, decoded, scored, spans_of
from zoo.tasks.task import Baseline, Panel, Task, View, check_inputs, compared, shapes, show

BATCH = 64  # windows per batch in `answers`
SHOWN = 8  # sentences in a view


@dataclass(frozen=True)
class Nothing:
    """There is nothing more to ask of a tagger."""


@dataclass(frozen=True)
class Tagging(Task):
    """A tag for each token: cross entropy of float32 outputs, (B, T, K) logits or (B, T, K, K) of a random field.

    Targets are (B, T) int32, -1 where there is nothing to tag. The source's labels are O, B-a, I-a, B-b, I-b, ... for
    its kinds a, b, ... Of the source it wants `sentences(split)`, tokens and tags; `windows(tokens)`, a sentence in
    parts that the network can read; `inputs(windows)`, these as the network's inputs, and which of their places have a
    tag; and `joined(tokens)`, a text. What `read` returns has a `text`, its `tokens` and their `places` in it.
    """

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min", "val_accuracy": "max", "val_f1": "max"}
    verb: ClassVar[str] = "predict"
    outputs: ClassVar[str] = (
        "at each token logits of the labels, or with one axis more of each label (last axis) after each label"
    )
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = ("sentences", "windows", "inputs", "joined")
    Ask: ClassVar[type] = Nothing
    each_token: ClassVar[bool] = True

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network gives one number per tag, or per pair of tags, at each token."""
        check_inputs(model, spec)
        classes = spec["classes"]
        if len(labels) != classes or shapes(model.outputs) not in ([[None, classes]], [[None, classes, classes]]):
            raise ValueError(
                f"its outputs are {shapes(model.outputs)}, but each token of the data has one of {len(labels)} tags"
            )

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats per token, whatever the padding; a mean over batches weights these equally."""
        return TagCrossEntropy()

    def metrics(self) -> list[keras.Metric]:
        """The accuracy over all tokens, and F1 of the spans; those of a sentence that is cut are cut too."""
        return [TagScores()]

    def weights(self, source) -> None:
        """None: all tags have the same weight; batches include weights, which are 0 where there is nothing to tag."""

    def look(self, source, sample: tuple) -> dict[str, View]:
        """The first sentences of training, with their spans."""
        rows = source.sentences("train")[:SHOWN]
        return {"inputs": [marked(source, tokens, numbered(source, [tags])) for tokens, tags in rows]}

    def baselines(self, source, split: str) -> list[Baseline]:
        """O for everything, and for each token the most frequent tag that it has in training.

        For other data than the run was trained on, the most frequent tag in these.
        """
        sentences = source.sentences(split)
        counts: dict[str, Counter] = defaultdict(Counter)
        for tokens, tags in source.sentences("train" if split in source.splits else split):
            for token, tag in zip(tokens, tags, strict=True):
                counts[token][tag] += 1
        usual = {token: max(sorted(seen), key=seen.get) for token, seen in counts.items()}
        truth = numbered(source, [tags for _, tags in sentences])
        said = numbered(source, [[usual.get(token, "O") for token in tokens] for tokens, _ in sentences])
        lengths = [len(tokens) for tokens, _ in sentences]
        often = "the most frequent tag of each token in training"
        return [
            Baseline("always O", "accuracy", np.mean(truth == 0)),
            Baseline(often, "accuracy", np.mean(truth == said)),
            Baseline(often, "f1", compared_spans(spans_of(truth, lengths), spans_of(said, lengths))["f1"]),
        ]

    def panel(self, source, validation) -> TaggingPanel:
        """What TensorBoard shows besides curves."""
        return TaggingPanel(source)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """How well the network tags the tokens of a split, and finds its spans.

        A sentence that is read in several windows is one sentence again before its spans are counted.

        Returns:
            loss (nats per token), accuracy, tokens; precision, recall and f1 of exact spans with their kinds, as CoNLL
            counts them, spans (that there are), found; sentences; broken (spans that the network began with a tag that
            goes on, which counts as a beginning); kinds (for each: name, precision, recall, f1, spans), baselines. The
            tables have all spans, and those that are wrong.
        """
        nats, said = 0.0, []
        loss = TagCrossEntropy(reduction=None)
        for inputs, targets, weights in source.load(split):
            outputs = model.predict_on_batch(inputs)
            nats += float(np.float64(ops.convert_to_numpy(loss(targets, outputs, weights))).sum())
            said.append(ops.convert_to_numpy(decoded(outputs))[targets.numpy() >= 0])
        sentences = source.sentences(split)
        said, truth = np.concatenate(said), numbered(source, [tags for _, tags in sentences])
        lengths = [len(tokens) for tokens, _ in sentences]
        true, found = spans_of(truth, lengths), spans_of(said, lengths)
        kinds = [label[2:] for label in source.labels[1::2]]
        per_kind = []
        for number, name in enumerate(kinds):
            of_kind = ([span for span in spans if span[2] == number] for spans in (true, found))
            per_kind.append({"name": name} | compared_spans(*of_kind))
        return {
            "loss": nats / len(truth),
            "accuracy": float((said == truth).mean()),
            "tokens": len(truth),
            **compared_spans(true, found),
            "sentences": len(sentences),
            "broken": sum(int(said[first]) % 2 == 0 for first, _, _ in found),
            "kinds": per_kind,
            "baselines": [vars(baseline) for baseline in self.baselines(source, split)],
            "tables": tables(source, sentences, true, found, kinds),
        }

    def table(self, report: dict) -> str:
        """The report as readable text."""
        lines = [
            f"F1         {report['f1']:.2%} of the spans, precision {report['precision']:.2%}, "
            f"recall {report['recall']:.2%}: found {report['found']:,}, there are {report['spans']:,}",
            f"accuracy   {report['accuracy']:.2%} of {report['tokens']:,} tokens in {report['sentences']:,} sentences",
            f"loss       {report['loss']:.4f} nats a token",
            *compared(report["baselines"], report, self.monitors),
        ]
        if report["broken"]:
            lines.append(f"spans without a beginning, read as CoNLL does, as if they had one: {report['broken']:,}")
        width = max(5, *(len(row["name"]) for row in report["kinds"]))
        lines += ["", f"{'kind':{width}}  precision  recall     f1     spans"]
        lines += [
            f"{row['name']:{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:.3f}  {row['spans']:8,}"
            for row in report["kinds"]
        ]
        return "\n".join(lines)

    def draw(self, report: dict, path: Path) -> None:
        """Draws precision, recall and F1 of each kind to a PNG file."""
        figures.bars(
            [row["name"] for row in report["kinds"]],
            {what: [row[what] for row in report["kinds"]] for what in ("precision", "recall", "f1")},
            path,
            up=f"spans; F1 of all {report['f1']:.3f}",
        )

    def answers(self, model: keras.Model, source, ask: Nothing, inputs: list) -> Iterator[dict]:
        """For each text its `spans`: `kind`, `text`, and where it begins and ends in the text, `start` and `end`."""
        texts = [source.windows(words.tokens) for words in inputs]
        tags = np.concatenate(list(tagged(model, source, [window for windows in texts for window in windows])))
        at = 0
        for words in inputs:
            size = len(words.tokens)
            spans = spans_of(tags[at : at + size], [size])
            at += size
            places = [(words.places[first][0], words.places[end - 1][1]) for first, end, _ in spans]
            kinds = [source.labels[1 + 2 * kind][2:] for _, _, kind in spans]
            yield {
                "spans": [
                    {"kind": kind, "text": words.text[start:end], "start": start, "end": end}
                    for kind, (start, end) in zip(kinds, places, strict=True)
                ]
            }

    def line(self, answer: dict) -> str:
        """The text, in which each span stands in brackets with its kind."""
        text, parts, at = answer["source"], [], 0
        for span in answer["spans"]:
            parts += [text[at : span["start"]], f"[{text[span['start'] : span['end']]} {span['kind']}]"]
            at = span["end"]
        return "".join([*parts, text[at:]])


class TaggingPanel(Panel):
    """Shows after each epoch how the first sentences of validation are tagged.

    Args:
        source: has what `Tagging` wants.
    """

    def __init__(self, source):
        self.source = source
        rows = source.sentences("validation")
        # Sentences with spans are worth more than those without.
        self.rows = sorted(rows, key=lambda row: set(row[1]) == {"O"})[:SHOWN]

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows each sentence as it is, and as the network tags it."""
        texts = [self.source.windows(tokens) for tokens, _ in self.rows]
        tags = np.concatenate(list(tagged(model, self.source, [window for windows in texts for window in windows])))
        at, views = 0, []
        for tokens, truth in self.rows:
            said = tags[at : at + len(tokens)]
            at += len(tokens)
            pair = (numbered(self.source, [truth]), said)
            views.append("\n".join(marked(self.source, tokens, tags) for tags in pair))
        show("truth_and_answer", views, step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows nothing more."""


def tagged(model: keras.Model, source, windows: list) -> Iterator[np.ndarray]:
    """Yields the tags of all tokens of these windows, in order, some windows at once."""
    for start in range(0, len(windows), BATCH):
        inputs, places = source.inputs(windows[start : start + BATCH])
        yield ops.convert_to_numpy(decoded(model.predict_on_batch(inputs)))[places]


def numbered(source, tags: Sequence[Sequence[str]]) -> np.ndarray:
    """The numbers (N,) of the tags of sentences, one after the other."""
    number = {label: place for place, label in enumerate(source.labels)}
    return np.array([number[tag] for row in tags for tag in row], np.int64)


def marked(source, tokens: Sequence[str], tags: np.ndarray) -> str:
    """A sentence as text, in which each span stands in brackets with its kind."""
    parts, at = [], 0
    for first, end, kind in spans_of(tags, [len(tokens)]):
        parts += [*tokens[at:first], f"[{source.joined(tokens[first:end])} {source.labels[1 + 2 * kind][2:]}]"]
        at = end
    return source.joined([*parts, *tokens[at:]])


def compared_spans(true: list[tuple], found: list[tuple]) -> dict:
    """Precision, recall and F1 of spans that were found, and how many there are of both."""
    return scored(len(set(true) & set(found)), len(found), len(true)) | {"spans": len(true), "found": len(found)}


def tables(source, sentences: list, true: list[tuple], found: list[tuple], kinds: list[str]) -> dict[str, list[tuple]]:
    """All spans, and the wrong ones, as rows of which the first names the columns.

    A span that was found with the wrong kind is one row; one that was missed has no answer, and one that is none has no
    truth.
    """
    tokens = [token for row, _ in sentences for token in row]
    of = np.repeat(np.arange(len(sentences)), [len(row) for row, _ in sentences])
    both: dict[tuple[int, int], list[str]] = {}
    for place, spans in enumerate((true, found)):
        for first, end, kind in spans:
            both.setdefault((first, end), ["", ""])[place] = kinds[kind]
    rows = [
        (source.joined(tokens[first:end]), truth, answer, int(of[first]) + 1, source.joined(sentences[of[first]][0]))
        for (first, end), (truth, answer) in sorted(both.items())
    ]
    columns = ("span", "truth", "answer", "number", "sentence")
    return {"predictions": [columns, *rows], "mistakes": [columns, *(row for row in rows if row[1] != row[2])]}


class TagCrossEntropy(keras.Loss):
    """Cross entropy of tags (B, T): after logits (B, T, K) each by itself, or in a random field (B, T, K, K) each after
    the one before it, which over a text adds up to the logarithm of the field's probability of the whole.

    Targets below 0 are without effect if their weights are 0.
    """

    def __init__(self, reduction: str | None = "mean_with_sample_weight", name: str = "tag_cross_entropy"):
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true, y_pred):
        """The loss (B, T) in nats."""
        tags = ops.maximum(ops.cast(y_true, "int32"), 0)
        if len(y_pred.shape) == 4:
            before = ops.pad(tags[:, :-1], ((0, 0), (1, 0)))  # before the first stands tag 0
            y_pred = ops.take_along_axis(y_pred, before[..., None, None], axis=2)[:, :, 0]  # (B, T, K)
        return ops.logsumexp(y_pred, axis=-1) - ops.take_along_axis(y_pred, tags[..., None], axis=-1)[..., 0]
