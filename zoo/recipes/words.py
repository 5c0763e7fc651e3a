"""Recipes for word vectors. `python -m zoo.fit NAME`."""

from zoo.data import Words
from zoo.models import word2vec
from zoo.tasks import WordVectors
from zoo.training import Optimizer, Recipe

# The rate of word2vec.c and gensim, which is that of a single pair: see `zoo.tasks.vectors.NegativeSampling`.
MIKOLOV = Optimizer("sgd", rate=0.025, schedule="linear")

WORDS = (
    # python -m zoo.fit word2vec                 (pydocs, no network)
    # python -m zoo.fit word2vec --data.file my.txt
    Recipe(
        name="word2vec",
        model=word2vec,
        data=Words("pydocs", batch=512),  # it is little text
        task=WordVectors(),
        optimizer=MIKOLOV,
        epochs=60,
        monitor="last",
        xla="on",
    ),
    # python -m zoo.fit word2vec-imdb
    Recipe(
        name="word2vec-imdb",
        model=word2vec,
        data=Words("imdb_reviews"),
        task=WordVectors(),
        optimizer=MIKOLOV,
        epochs=5,
        monitor="last",
        xla="on",  # fuses what lies between the matrix products
    ),
)
