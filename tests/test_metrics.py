"""Figures of merit against formulas that somebody else wrote."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from zoo import metrics


def test_perplexity():
    assert metrics.perplexity(2.0) == pytest.approx(np.e**2)
    assert metrics.perplexity(1e6) == np.inf
    assert np.isnan(metrics.perplexity(np.nan))


def test_interval_is_wilsons():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson without continuity correction).
    for hits, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert metrics.wilson(hits, count) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 45, 180, 360, 1000, 10000])
def test_interval_holds_the_rate(count):
    for hits in {0, 1, count - 1, count}:
        low, high = metrics.wilson(hits, count)
        assert 0 <= low <= hits / count <= high <= 1, hits
    assert metrics.wilson(0, count)[0] == 0
    assert metrics.wilson(count, count)[1] == 1


def test_report_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    truth, logits = random.integers(0, 3, 200), random.normal(size=(200, 3)).astype("float32")
    logits[np.arange(200), truth] += 1
    report = metrics.classification(truth, logits, ["a", "b", "c"])
    assert report["accuracy"] == accuracy_score(truth, logits.argmax(-1))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert report["loss"] == pytest.approx(log_loss(truth, probabilities), rel=1e-5)
    assert [row["f1"] for row in report["classes"]] == pytest.approx(f1_score(truth, logits.argmax(-1), average=None))
    assert np.sum(report["confusion"]) == 200
    assert report["confusion"][0][1] == ((truth == 0) & (logits.argmax(-1) == 1)).sum()


def test_calibration_error_by_hand():
    # Two answers at 0.9, one right; two at 0.6, both right: (0.5 - 0.9, 1 - 0.6), each half of the examples.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    report = metrics.classification(np.array([0, 1, 0, 0]), np.log(probabilities), ["a", "b"])
    assert report["calibration_error"] == pytest.approx(0.4)


def test_a_class_that_does_not_occur():
    report = metrics.classification(np.array([0, 1]), np.eye(3)[:2] * 5, ["a", "b", "c"])
    assert report["classes"][2] == {"name": "c", "precision": 0, "recall": 0, "f1": 0, "examples": 0}
    assert report["accuracy"] == 1


def test_softmax_of_large_logits():
    np.testing.assert_allclose(metrics.softmax(np.array([1000.0, 1000.0])), [0.5, 0.5])
