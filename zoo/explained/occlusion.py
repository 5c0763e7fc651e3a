"""Occlusion: how much the explained number falls if something is hidden (Zeiler & Fergus 2013, arXiv:1311.2901,
section 4.2). It needs no gradient. What is hidden is replaced by the baseline, and with that in it an input may be one
that the network has never seen the like of.
"""

from __future__ import annotations

import numpy as np

from zoo.data.features import Pixels
from zoo.explained.question import Attribution, Question, Settings
from zoo.explained.segments import windows


def occlusion(question: Question, settings: Settings) -> Attribution:
    """The fall of the number if a thing is hidden; of a pixel, the mean over all squares that hide it."""
    hidden = windows(question.features)
    falls = question.number - question.numbers_of_kept(~hidden)
    values = (falls @ hidden) / hidden.sum(0)
    side = round(float(np.sqrt(hidden.sum(1).max())))
    said = (f"hidden in squares of {side}x{side} pixels",) if isinstance(question.features, Pixels) else ()
    return Attribution(values, question.aim.unit, said)
