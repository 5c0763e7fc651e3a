"""NB-SVM: a linear classifier of the words of a text and of pairs of neighbours (Wang & Manning 2012, section 2).

Each word or pair that is in a text counts once, as much as naive Bayes says that it speaks for a class (its log-count
ratio), and a support vector machine weighs these. It takes seconds, and on texts networks do not always reach it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

ALPHA, BETA, C = 1.0, 0.25, 1.0  # smoothing of counts, share of the SVM's own weights, its penalty (section 4)
TOLERANCE = 0.1  # that of LIBLINEAR, with which the paper worked; scikit-learn's takes minutes
MOST = 8_000_000  # tokens of training times classes, beyond which only a part of the texts is used


def nbsvm(train: Sequence[Sequence[int]], labels: np.ndarray, given: Sequence[Sequence[int]], classes: int):
    """The answers of a classifier that is trained on texts; with more than two classes, each is told from the rest.

    Args:
        train: N texts, each as the numbers of its tokens.
        labels: (N,) of them.
        given: M texts to answer about.
        classes: how many there are.

    Returns:
        (M,) labels, and the number of texts that it was trained on: fewer than N if these are very long.
    """
    tokens, positives = sum(map(len, train)), 1 if classes == 2 else classes
    part = len(train) // max(1, -(-tokens * positives // MOST))
    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:part])
    train, labels = [train[at] for at in chosen], labels[chosen]
    size = 1 + max((max(text, default=0) for text in train), default=0)
    rows, found = grams(train, size)
    known, columns = np.unique(found, return_inverse=True)
    features = matrix(rows, columns, (len(train), len(known)))
    rows, found = grams(given, size)
    columns = np.minimum(np.searchsorted(known, found), len(known) - 1)
    seen = known[columns] == found
    inputs = matrix(rows[seen], columns[seen], (len(given), len(known)))
    there = range(classes - positives, classes)  # of two classes, whether it is the second
    scores = np.full((len(given), classes), -np.inf)
    scores[:, 0] = 0.0
    for label in there:
        positive = labels == label
        if positive.any() and not positive.all():
            weights, bias = linear(features, positive)
            scores[:, label] = inputs @ weights + bias
    return scores.argmax(-1), len(train)


def grams(texts: Sequence[Sequence[int]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens and the pairs of neighbours in texts, each once a text: numbers of texts and of what is in them.

    Args:
        texts: as the numbers of their tokens; those from `size` on are left out, since they were not in training.
        size: one more than the largest number of a token.
    """
    tokens = np.fromiter((token for text in texts for token in text), np.int64)
    rows = np.repeat(np.arange(len(texts)), list(map(len, texts)))
    pairs = size + tokens[:-1] * size + tokens[1:]
    inside = (rows[1:] == rows[:-1]) & (tokens[:-1] < size) & (tokens[1:] < size)
    small = tokens < size
    found = np.stack([np.append(rows[small], rows[1:][inside]), np.append(tokens[small], pairs[inside])])
    order = np.lexsort(found[::-1])
    found = found[:, order]
    anew = np.append(True, (found[:, 1:] != found[:, :-1]).any(0))[: found.shape[1]]
    return found[0, anew], found[1, anew]


def matrix(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    """1 at each of these places, 0 elsewhere."""
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)


def log_count_ratio(features: sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """How much each feature speaks for the class, r of section 2.1: (V,) from the features (N, V) and (N,) truths."""
    here, elsewhere = (ALPHA + np.asarray(features[which].sum(0))[0] for which in (positive, ~positive))
    return np.log(here / here.sum()) - np.log(elsewhere / elsewhere.sum())


def linear(features: sparse.csr_matrix, positive: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights (V,) of the features, and the bias, of the SVM interpolated with naive Bayes (section 2.3)."""
    ratio = log_count_ratio(features, positive)
    machine = LinearSVC(C=C, tol=TOLERANCE, dual=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after a thousand passes it is near enough
        machine.fit(features @ sparse.diags(ratio), positive)
    weights = machine.coef_[0]
    return ratio * ((1 - BETA) * np.abs(weights).mean() + BETA * weights), float(machine.intercept_[0])
