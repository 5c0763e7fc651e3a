"""Classification of rows of a table, beside gradient-boosted trees, which are often better on tables."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from zoo import metrics
from zoo.tasks.classification import Classification


@dataclass(frozen=True)
class RowClassification(Classification):
    """One class per row: as Classification, and measured beside trees that were trained on the same rows."""

    def report(self, model: keras.Model, source, split: str) -> dict:
        """See `Classification.report`; `trees_accuracy` and `trees_loss` are those of scikit-learn's
        HistGradientBoostingClassifier with its own settings, trained on the training split.
        """
        trees = HistGradientBoostingClassifier(random_state=0).fit(*source.arrays("train"))
        rows, truth = source.arrays(split)
        probabilities = np.full((len(rows), len(source.labels)), 1e-15)
        probabilities[:, trees.classes_] = np.maximum(trees.predict_proba(rows), 1e-15)
        theirs = metrics.classification(truth, np.log(probabilities), source.labels)
        ours = super().report(model, source, split)
        return ours | {f"trees_{name}": theirs[name] for name in ("accuracy", "loss")}

    def table(self, report: dict) -> str:
        """The report as readable text."""
        first, rest = super().table(report).split("\n", 1)
        theirs, said = report["trees_accuracy"], ""
        if theirs > report["accuracy"]:
            clearly = theirs > report["accuracy_high"]
            said = f": better than the network, {'beyond' if clearly else 'but within'} its interval"
        return f"{first}\nboosted trees      {theirs:.2%}, loss {report['trees_loss']:.4f}{said}\n{rest}"
