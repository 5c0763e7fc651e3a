"""Recipes for texts with one class each. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Texts
from zoo.models import textcnn, transformer_classifier
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

TEXTS = (
    # python -m zoo.fit textcnn                  (languages, no network)
    Recipe(
        name="textcnn",
        # Characters need smaller vectors than words: 64 numbers each. Names are short, so there is little dropout.
        model=partial(textcnn, width=64, windows=(2, 3, 4, 5), dropout=0.2),
        data=Texts("languages"),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01),
        epochs=8,
    ),
    # python -m zoo.fit encoder                  (languages, no network)
    Recipe(
        name="encoder",
        model=transformer_classifier,
        data=Texts("languages"),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01),
        epochs=8,
    ),
    # for fold in 0 1 2 3 4 5 6 7 8 9; do python -m zoo.fit textcnn-rotten --data.fold $fold; done
    Recipe(
        name="textcnn-rotten",
        # Sentences are few: words are left out at each look, and weights decay strongly.
        model=partial(textcnn, width=64, windows=(1, 2), pool="mean", word_dropout=0.3),
        data=Texts("rotten_tomatoes", tokens="uncased", length=60, fold=0),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=1.0),
        epochs=4,
    ),
    # python -m zoo.fit textcnn-imdb
    Recipe(
        name="textcnn-imdb",
        # A review says what it thinks several times: the mean of all phrases counts that, the maximum does not.
        model=partial(textcnn, width=64, windows=(1, 2, 3), filters=64, pool="mean", word_dropout=0.5),
        data=Texts("imdb_reviews", tokens="uncased", vocabulary=30_000, length=500),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=1.0),
        epochs=6,
    ),
)
