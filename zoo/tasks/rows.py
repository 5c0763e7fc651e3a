"""Classification of rows of a table."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.tasks.classification import Classification


@dataclass(frozen=True)
class RowClassification(Classification):
    """One class per row: as Classification, under the name that runs on rows have in their records."""
