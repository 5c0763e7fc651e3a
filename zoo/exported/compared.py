"""How far the output of a written file is from the network's own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-4  # largest difference of outputs in float32, as a share of max(1, largest output)
NEVER = 1e6  # beyond are no outputs, but scores of what must not be; they are compared by their own size


class Difference(NamedTuple):
    """What comparing outputs showed.

    Args:
        largest: difference of two outputs.
        share: the same, as a share of the largest output of its batch, or of 1 if that is less.
        equal: share of the places, all axes but the last, whose largest output is the same.
        count: of examples.
    """

    largest: float
    share: float
    equal: float
    count: int

    @classmethod
    def of_all(cls, parts: list[Difference]) -> Difference:
        """The difference over several batches."""
        count = sum(part.count for part in parts)
        return cls(
            max(part.largest for part in parts),
            max(part.share for part in parts),
            sum(part.equal * part.count for part in parts) / count,
            count,
        )


def difference(wanted: np.ndarray, found: np.ndarray) -> Difference:
    """Compares the outputs for a batch.

    Args:
        wanted: the network's, (B, ..., K).
        found: the file's. Of another shape, or with what is no number, it is infinitely far away.
    """
    if wanted.shape != found.shape or not np.isfinite(found).all():
        return Difference(np.inf, np.inf, 0.0, len(wanted))
    wanted, found = wanted.astype(np.float64), found.astype(np.float64)
    never = np.abs(wanted) > NEVER
    apart = np.abs(wanted - found)
    scale = max(1.0, np.abs(wanted[~never]).max(initial=0.0))
    share = apart / np.where(never, np.abs(wanted), scale)
    equal = (wanted.argmax(-1) == found.argmax(-1)).mean()
    return Difference(float(apart[~never].max(initial=0.0)), float(share.max(initial=0.0)), float(equal), len(wanted))
