"""Classification of rows of a table, beside gradient-boosted trees, which are often better on tables."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from zoo.tasks.classification import Classification
from zoo.tasks.task import Baseline

FEW = 10_000  # rows up to which one thread is quick enough


@dataclass(frozen=True)
class RowClassification(Classification):
    """One class per row: as Classification, and measured beside trees that were trained on the same rows."""

    def baselines(self, source, split: str) -> list[Baseline]:
        """See `Classification.baselines`, and scikit-learn's HistGradientBoostingClassifier with its default
        settings, trained on the training split.
        """
        rows, labels = source.arrays("train")
        # Threads that wait for each other take many times as long for a small table where other programs run.
        with threadpool_limits(1 if len(rows) < FEW else None, "openmp"):
            trees = HistGradientBoostingClassifier(random_state=0).fit(rows, labels)
            accuracy = trees.score(*source.arrays(split))
        return [*super().baselines(source, split), Baseline("boosted trees", "accuracy", accuracy)]
