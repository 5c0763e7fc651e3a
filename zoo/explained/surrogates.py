"""LIME and SHAP: simple functions of which parts of the input are there, in the place of the network.

Both come from their authors' packages, which the extra `explain` installs. Parts that are not there are replaced by the
baseline. A picture's pixel gets the value of its whole region.
"""

from __future__ import annotations

import warnings

import keras
import numpy as np

from zoo.explained.question import Attribution, Question, Settings
from zoo.explained.segments import called, check_installed, segments, tree

LIME_SAMPLES, KERNEL = 1000, 0.25  # lime's own defaults for pictures, and in other words for texts
SHAP_SAMPLES = 500  # shap's own default for the partition explainer
GRADIENTS = 200  # shap's own default
EXACT = 10  # parts up to which all their subsets are tried


def lime(question: Question, settings: Settings) -> Attribution:
    """The weights of a linear function of the parts that are there, fitted near the input (Ribeiro 2016,
    arXiv:1602.04938, algorithm 1).

    Raises:
        UserError: the package is not installed.
    """
    check_installed("lime")
    from lime.lime_base import LimeBase

    parts, count = segments(question.features), settings.samples or LIME_SAMPLES
    there = np.random.default_rng(settings.seed).integers(0, 2, (count, parts.max() + 1))
    there[0] = 1  # the first is the input itself
    numbers = question.numbers_of_kept(there.astype(bool)[:, parts])
    # The cosine of the angle between which parts are there and all of them.
    distances = 1 - np.sqrt(there.mean(1))
    fitted = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / KERNEL**2)), random_state=settings.seed)
    _, weights, score, _ = fitted.explain_instance_with_data(
        there, numbers[:, None], distances, 0, there.shape[1], feature_selection="none"
    )
    values = np.zeros(there.shape[1])
    for part, weight in weights:
        values[part] = weight
    said = f"{called(question.features, parts)}, {count} samples; the linear function has an R2 of {score:.2f} on them"
    return Attribution(values[parts], question.aim.unit, (said,))


def shap(question: Question, settings: Settings) -> Attribution:
    """Shapley values of the parts (Lundberg 2017, arXiv:1705.07874): exact for few parts, and for more Owen values of a
    hierarchy in which neighbours come together first, by shap's partition explainer.

    Raises:
        UserError: the package is not installed.
    """
    check_installed("shap")
    parts = segments(question.features)
    values, how = shapley(
        lambda there: question.numbers_of_kept(there.astype(bool)[:, parts]),
        parts.max() + 1,
        lambda: tree(question.features, parts),
        settings.samples or SHAP_SAMPLES,
    )
    said = f"{called(question.features, parts)}; {how}"
    difference = question.number - question.nothing
    return Attribution(values[parts], question.aim.unit, (said,), float(values.sum()), difference)


def shapley(function, count: int, hierarchy, samples: int) -> tuple[np.ndarray, str]:
    """The Shapley values of `count` parts, (count,), and how they were found.

    Args:
        function: of which parts are there, (N, count) of 0 and 1, to (N,).
        count: of parts.
        hierarchy: gives the tree of the parts as scipy writes it, if it is needed.
        samples: evaluations of the function, about, if it is not evaluated for all subsets.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba and shap warn about what they themselves call
        import shap as package

        nothing, everything = np.zeros((1, count)), np.ones((1, count))
        if count <= EXACT:
            explainer = package.explainers.Exact(function, package.maskers.Independent(nothing, max_samples=1))
            return explainer(everything, silent=True).values[0], f"exact, from all {2**count} subsets"
        masker = package.maskers.Partition(nothing, max_samples=1, clustering=hierarchy())
        explainer = package.explainers.Partition(function, masker)
        found = explainer(everything, max_evals=samples, silent=True)
        return found.values[0], f"Owen values from about {samples} evaluations"


def gradient_shap(question: Question, settings: Settings) -> Attribution:
    """Expected gradients (Erion 2019, arXiv:1906.10670) by shap's gradient explainer: integrated gradients by points
    that are drawn on the way from the baseline.

    Raises:
        UserError: the package is not installed.
    """
    check_installed("shap")
    count, point = settings.samples or GRADIENTS, question.point
    inputs = keras.Input(point.shape)
    model = keras.Model(inputs, Number(question.at)(inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap as package

        explainer = package.GradientExplainer(model, question.origin[None])
        found = explainer.shap_values(point[None], nsamples=count, rseed=settings.seed)
    found = np.reshape(found, point.shape)
    difference = question.at_all(point[None])[0] - question.at_all(question.origin[None])[0]
    said = f"{count} random points on the way from {question.start}, so that the sum is right only about"
    return Attribution(question.summed(found), question.aim.unit, (said,), float(found.sum()), float(difference))


class Number(keras.Layer):
    """A function of points as a layer, since shap takes networks: (B, ...) to (B, 1)."""

    def __init__(self, function):
        super().__init__(name="number")
        self.function = function

    def call(self, points):
        """The number at each of the points."""
        if isinstance(points, list | tuple):  # shap gives a list of its single input
            (points,) = points
        return self.function(points)[:, None]

    def compute_output_shape(self, shape):
        """The shape (B, 1)."""
        return (shape[0], 1)
