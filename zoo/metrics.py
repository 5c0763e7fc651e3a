"""Metrics, computed in numpy from labels and logits."""

import math
import re
import sys
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

Z95 = 1.959963984540054  # 95 % of a normal distribution is within this many standard deviations
PREFIX = re.compile(r"[^:\t\n]{1,60}(?=:)")  # what stands before the first colon of a text, such as "date"
KINDS = 50  # different prefixes, above which they say nothing about the kind of a text
BINS = 15  # bins of confidence for the calibration error (Guo 2017, section 2)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis, in float64."""
    shifted = np.exp(np.float64(logits) - np.max(logits, axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def perplexity(nats: float) -> float:
    """The exponential of the mean loss; infinite if it is too large for a float."""
    return math.inf if nats >= math.log(sys.float_info.max) else math.exp(nats)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of the rate `hits` / `count` (Wilson 1927), which is also valid near 0 and 1."""
    rate, spread = hits / count, Z95**2 / count
    middle = (rate + spread / 2) / (1 + spread)
    half = Z95 * np.sqrt(rate * (1 - rate) / count + spread / (4 * count)) / (1 + spread)
    # the interval contains the rate itself, which rounding could leave outside at 0 and 1
    return min(max(0.0, float(middle - half)), rate), max(min(1.0, float(middle + half)), rate)


def calibration(hits: np.ndarray, confidence: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, examples) of each non-empty bin; there are BINS bins of equal width."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (float(confidence[bins == b].mean()), float(hits[bins == b].mean()), int((bins == b).sum()))
        for b in range(BINS)
        if (bins == b).any()
    ]


def classification(truth: np.ndarray, logits: np.ndarray, names: list[str]) -> dict:
    """Accuracy with its confidence interval, loss, calibration error, and figures for each class.

    Args:
        truth: (N,) labels.
        logits: (N, classes).
        names: of the classes.

    Returns:
        accuracy, accuracy_low, accuracy_high (95 %, Wilson), macro_f1 and weighted_f1 (the mean over the classes, and
        over the examples), loss (nats), calibration_error (expected,
        15 bins: Guo 2017), examples, classes (name, precision, recall, f1, examples),
        confusion (rows are true classes), calibration (see `calibration`).
    """
    probabilities = softmax(logits)
    predicted, confidence = probabilities.argmax(-1), probabilities.max(-1)
    hits, labels = predicted == truth, range(len(names))
    low, high = wilson(int(hits.sum()), len(truth))
    bins = calibration(hits, confidence)
    table = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    return {
        "accuracy": float(hits.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(truth, predicted, average="weighted", zero_division=0)),
        "loss": float(log_loss(truth, probabilities, labels=labels)),
        "calibration_error": sum(n * abs(a - c) for c, a, n in bins) / len(truth),
        "examples": len(truth),
        "classes": [
            {"name": name, "precision": float(p), "recall": float(r), "f1": float(f), "examples": int(n)}
            for name, p, r, f, n in zip(names, *table, strict=True)
        ],
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
        "calibration": bins,
    }


def by_prefix(texts: Sequence[str]) -> dict[str, list[int]]:
    """The places of the texts of each kind, told apart by what stands before their first colon, such as "date".

    The most frequent kind comes first. Empty unless all texts have such a beginning, and these are of 2 to 50 kinds.
    """
    found: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        begins = PREFIX.match(text)
        if begins is None or (begins[0] not in found and len(found) == KINDS):
            return {}
        found.setdefault(begins[0], []).append(place)
    return dict(sorted(found.items(), key=lambda kind: -len(kind[1]))) if len(found) > 1 else {}
