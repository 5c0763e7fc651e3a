"""gensim on the text and with the settings of a recipe: `python tests/references/words.py word2vec-imdb`.

It trains gensim for the seeds 0, 1 and 2 and prints its words per second and what `python -m zoo.evaluate` says of
ours, a line of JSON each, then means and spreads. It is run by hand, with nothing else running. Settings are flags,
such as --data.directory DIR.
"""

import json
import logging
import sys
import time

import numpy as np
from gensim.models import Word2Vec

from zoo.command import parse
from zoo.data.words import BREAK, WORD, Words
from zoo.fit import Options
from zoo.tasks import similarity
from zoo.training import Recipe

SEEDS, WORKERS = (0, 1, 2), 2


def sentences(data: Words) -> list[list[str]]:
    """The paragraphs of the training split, as lists of the words that ours sees."""
    return [WORD.findall(paragraph) for paragraph in data.text("train").split(BREAK)]


def trained(recipe: Recipe, text: list[list[str]], width: int, seed: int, workers: int = WORKERS) -> tuple:
    """gensim's vectors with the recipe's settings, and the words that it read per second of training."""
    data = recipe.data
    model = Word2Vec(
        vector_size=width,
        window=data.window,
        min_count=data.minimum,
        max_final_vocab=None,
        sample=data.sample,
        negative=data.negatives,
        sg=int(not data.cbow),
        alpha=recipe.optimizer.rate,
        epochs=recipe.epochs,
        seed=seed,
        workers=workers,
    )
    model.build_vocab(text)
    begun = time.perf_counter()
    read, _ = model.train(text, total_examples=model.corpus_count, epochs=model.epochs)
    seconds = time.perf_counter() - begun
    return model.wv, {"words_per_second": model.corpus_total_words * model.epochs / seconds, "trained_words": read}


def measured(words: list[str], vectors: np.ndarray) -> dict:
    """What the task's report has of the files that gensim brings along."""
    words, units = ["", *words], similarity.unit(np.vstack([np.zeros_like(vectors[:1]), vectors]))
    report = {}
    for path in similarity.files_of(None, [similarity.ANALOGIES]):
        sections = similarity.measure_analogies(path, units, words)
        report["analogies"] = sum(one["right"] for one in sections) / max(1, sum(one["asked"] for one in sections))
    for path in similarity.files_of(None, similarity.PAIRS):
        report[f"{path.stem}_rho"] = similarity.measure_pairs(path, units, words)["rho"]
    return report


def main(argv: list[str]) -> None:
    recipe, _ = parse("fit", argv, Options)
    text, width = sentences(recipe.data), recipe.model.keywords.get("width", 100)
    found = []
    for seed in SEEDS:
        vectors, speed = trained(recipe, text, width, seed)
        found.append({"seed": seed} | speed | measured(vectors.index_to_key, vectors.vectors))
        print(json.dumps(found[-1]), flush=True)
    for name in found[0].keys() - {"seed"}:
        values = np.array([one[name] for one in found], float)
        print(f"{name}: mean {values.mean():.4f}, from {values.min():.4f} to {values.max():.4f}")


if __name__ == "__main__":
    logging.disable()
    main(sys.argv[1:])
