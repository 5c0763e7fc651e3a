"""Methods that follow the gradient of the explained number with respect to the input.

A gradient says how a small change of the input would change the number; it does not say how much of the number the
input has brought about, for which there are integrated gradients.
"""

from __future__ import annotations

import numpy as np

from zoo.explained.question import Attribution, Question, Settings, parts_of

NOISE = 0.15  # of smoothgrad, as a share of the input's range (Smilkov 2017, section 4.1)
SAMPLES = 50  # of smoothgrad (section 4.1)
GAP = 1e-3  # how far integrated gradients may be from complete: of the difference, or of one unit of the output
ROUNDING = 2e-6  # of outputs in float32
MOST = 2048  # gradients along the way, at most


def per_unit(question: Question) -> str:
    """The unit of a gradient, summed over what belongs to a thing."""
    of = "a token's vector" if question.is_of_tokens else "the input"
    return f"{question.aim.unit} per unit of {of}"


def gradient(question: Question, settings: Settings) -> Attribution:
    """The gradient at the input (Simonyan 2013, arXiv:1312.6034, section 3), with its sign."""
    (found,) = next(question.gradients(question.point[None]))
    return Attribution(question.summed(found), per_unit(question))


def gradient_x_input(question: Question, settings: Settings) -> Attribution:
    """The gradient at the input times its distance from the baseline (Shrikumar 2016, arXiv:1605.01713)."""
    (found,) = next(question.gradients(question.point[None]))
    return Attribution(question.summed(found * (question.point - question.origin)), question.aim.unit)


def smoothgrad(question: Question, settings: Settings) -> Attribution:
    """The mean gradient at inputs with normal noise (Smilkov 2017, arXiv:1706.03825)."""
    random, count, point = np.random.default_rng(settings.seed), settings.samples or SAMPLES, question.point
    deviation = NOISE * float(np.ptp(point))
    noise = random.normal(0, 1, (count, *point.shape)).astype(np.float32)
    total = sum(found.sum(0, np.float64) for found in question.gradients(point + np.float32(deviation) * noise))
    said = f"the mean of {count} gradients, with noise of a deviation of {deviation:.3g}"
    return Attribution(question.summed(total / count), per_unit(question), (said,))


def integrated_gradients(question: Question, settings: Settings) -> Attribution:
    """The integral of the gradient on the straight way from the baseline to the input, times their distance
    (Sundararajan 2017, arXiv:1703.01365). All together is the difference of the outputs: completeness, proposition 1.

    The midpoint rule is exact where the network is linear. On each part of the way the integral is known in sum, as
    the difference of the outputs at its ends: a part whose sum is off is halved, so that evaluations go to where a ReLU
    or a maximum switches.
    """
    start, way = question.origin, question.point - question.origin
    ends = question.at_all(on_way(start, way, np.arange(2.0)))
    difference, largest = ends[1] - ends[0], np.abs(ends).max()
    budget = GAP * max(abs(question.aim.scale), abs(difference)) / 3
    rounding = ROUNDING * max(abs(question.aim.scale), largest)
    low, width = np.linspace(0, 1, settings.steps, endpoint=False), 1 / settings.steps
    total, evaluated = np.zeros(way.shape), 0
    while len(low):
        last, unsure = evaluated + 3 * len(low) > MOST, []
        for some in parts_of(low, 2 * way.size):
            exact = np.diff(question.at_all(on_way(start, way, np.stack([some, some + width], 1))).reshape(-1, 2))[:, 0]
            found = np.concatenate(list(question.gradients(on_way(start, way, some + width / 2)))) * way * width
            off = np.abs(found.reshape(len(found), -1).sum(1, np.float64) - exact) > max(budget / len(low), rounding)
            total += found[~off | last].sum(0, np.float64)
            unsure += [] if last else some[off].tolist()
        # Halving a part halves the error that a switch makes; the budgets of all rounds add up to less than GAP.
        evaluated, budget, width = evaluated + len(low), budget * 0.7, width / 2
        low = np.array([place for edge in unsure for place in (edge, edge + width)])
    said = f"{evaluated} gradients on the way from {question.start}"
    return Attribution(question.summed(total), question.aim.unit, (said,), float(total.sum()), float(difference))


def on_way(start: np.ndarray, way: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The points at these shares (N,) of the way: (N, ...) float32."""
    return (start + way * shares.reshape(-1, *[1] * way.ndim)).astype(np.float32)
