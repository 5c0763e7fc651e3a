"""An input, explained by one or several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from zoo.data.features import Features, Pixels, by_number, of_picture
from zoo.explained.checks import Curves, curves, likeness, randomised, verdict
from zoo.explained.methods import METHODS
from zoo.explained.question import Attribution, Question, Settings
from zoo.tasks.task import Aim

TOP = 8  # things that a line names, at most


@dataclass(frozen=True)
class Found:
    """What one method found.

    Args:
        attribution: how much each thing counts.
        curves: while things are hidden and shown; None: not asked for.
        random: what the method finds for the network with random weights; None: not asked for.
    """

    attribution: Attribution
    curves: Curves | None = None
    random: Attribution | None = None


@dataclass(frozen=True)
class Explanation:
    """An input, explained.

    Args:
        aim: the number that is explained.
        features: what the input consists of.
        number: the explained number.
        nothing: that for the baseline.
        found: what each method found, by its name.
    """

    aim: Aim
    features: Features
    number: float
    nothing: float
    found: dict[str, Found]

    def as_json(self) -> dict:
        """All numbers, in types that JSON can store; maps of pictures in rows."""
        return {
            "explains": self.aim.name,
            "unit": self.aim.unit,
            "number": self.number,
            "baseline": self.nothing,
            **({"names": self.features.names} if self.features.names else {}),
            "methods": {name: self.numbers_of(found) for name, found in self.found.items()},
        }

    def numbers_of(self, found: Found) -> dict:
        """The numbers of a method."""
        one = found.attribution
        about = {"unit": one.unit, "said": list(one.said), "values": self.laid_out(one.values).tolist()}
        if one.total is not None:
            about |= {"sum": one.total, "difference": one.difference}
        if found.curves is not None:
            deletion, insertion = found.curves.areas
            about |= {"deletion": deletion, "insertion": insertion}
            alike = likeness(one, found.random)
            about |= {"random_weights": None if alike is None else alike._asdict()}
        return about

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Values (G,) as they are drawn: (H, W) for a picture."""
        return values[self.features.grid] if isinstance(self.features, Pixels) else values

    def lines(self) -> list[str]:
        """What was found, as lines of text."""
        lines = [f"{self.aim.name}: {self.number:.4g}; of the baseline: {self.nothing:.4g}"]
        for name, found in self.found.items():
            one, parts = found.attribution, []
            if one.total is not None:
                parts.append(f"sum {one.total:.4f}, difference of the outputs {one.difference:.4f}")
            if self.features.names:
                order = np.argsort(-np.abs(one.values), kind="stable")[:TOP]
                parts.append(" ".join(f"{self.features.names[at]!r} {one.values[at]:+.3g}" for at in order))
            parts += one.said
            lines.append(f"{name}: {'; '.join(parts) or one.unit}")
            if found.curves is not None:
                deletion, insertion = found.curves.areas
                said = f"deletion {deletion:.4g} (lower is better), insertion {insertion:.4g} (higher is better)"
                lines.append(f"  check: {said}; {verdict(likeness(one, found.random))}")
        return lines


def features_of(source, given: np.ndarray) -> Features:
    """What an input consists of, as its source says, or else as it is shown."""
    own = getattr(source, "features", None)  # no part of the contract
    if own:
        return own(given)
    views = getattr(source, "views", None)
    if views and given.ndim == 3 and given.shape[-1] in (1, 3):
        view = views(given[None])
        if isinstance(view, np.ndarray) and view.shape[1:] == given.shape:
            return of_picture(view[0])
    return by_number(given.shape)


def explained(
    model: keras.Model, source, aim: Aim, methods: Sequence[str], settings: Settings, *, check: bool = False
) -> Explanation:
    """The number of an answer, explained.

    Args:
        model: the network.
        source: of the data.
        aim: the input and the number.
        methods: names of `METHODS`, which the network has passed.
        settings: of the methods.
        check: whether to measure them by deletion and insertion, and by random weights.

    Raises:
        UserError: a method has no layer of that name, or cannot be applied.
    """
    features = features_of(source, np.asarray(aim.given))
    question = Question(model, aim, features, settings.baseline)
    found = {}
    for name in methods:
        attribution = METHODS[name].compute(question, settings)
        found[name] = Found(attribution)
        if check:
            with randomised(model, settings.seed):
                random = METHODS[name].compute(Question(model, aim, features, settings.baseline), settings)
            found[name] = Found(attribution, curves(question, attribution.values), random)
    return Explanation(aim, features, question.number + aim.offset, question.nothing + aim.offset, found)
