"""Cross-validation: each example is in the test of one of ten folds."""

import hashlib

FOLDS = 10
Pairs = list[tuple[str, int]]  # texts with the numbers of their classes


def in_fold(pairs: Pairs, fold: int) -> dict[str, Pairs]:
    """Texts in splits: those of the fold for the test, a tenth of the rest for validation, the others for training.

    Every fold has the same share of each class, and copies of a text lie in one fold.

    Args:
        pairs: all texts, in whatever order.
        fold: from 0 to 9.
    """
    classes: dict[str, int] = {}
    for text, label in pairs:
        classes.setdefault(text, label)
    # Ranked by a hash, so that neither the order of the texts nor copies of one matter.
    ranked = sorted(classes, key=lambda text: (classes[text], hashlib.sha256(text.encode()).digest()))
    test = set(ranked[fold::FOLDS])
    validation = set([text for text in ranked if text not in test][::FOLDS])
    parts: dict[str, Pairs] = {"train": [], "validation": [], "test": []}
    for text, label in pairs:
        parts["test" if text in test else "validation" if text in validation else "train"].append((text, label))
    return parts
