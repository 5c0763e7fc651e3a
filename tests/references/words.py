"""gensim on the text and with the settings of a recipe: `python tests/references/words.py word2vec-imdb`.

It trains gensim for the seeds 0, 1 and 2 and prints its words per second and what `python -m zoo.evaluate` says of
ours, a line of JSON each, then means and spreads. `python tests/references/words.py speed word2vec-imdb` trains both
for an epoch in turn, five times, and prints words per second. It is run by hand, with nothing else running. Settings
are flags, such as --data.directory DIR.
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
from zoo.training import Recipe, loop

SEEDS, WORKERS, ROUNDS = (0, 1, 2), 2, 5


def sentences(data: Words) -> list[list[str]]:
    """The paragraphs of the training split, as lists of the words that ours sees."""
    return [WORD.findall(paragraph) for paragraph in data.text("train").split(BREAK)]


def theirs(recipe: Recipe, text: list[list[str]], seed: int) -> Word2Vec:
    """gensim's network with the recipe's settings, untrained."""
    data = recipe.data
    model = Word2Vec(
        vector_size=recipe.model.keywords.get("width", 100),
        window=data.window,
        min_count=data.minimum,
        max_final_vocab=data.vocabulary,
        sample=data.sample,
        negative=data.negatives,
        sg=int(not data.cbow),
        alpha=recipe.optimizer.rate,
        epochs=recipe.epochs,
        seed=seed,
        workers=WORKERS,
    )
    model.build_vocab(text)
    return model


def speed(model: Word2Vec, text: list[list[str]], epochs: int) -> float:
    """Words of the text, with those that it leaves out or thins out, per second of training."""
    begun = time.perf_counter()
    model.train(text, total_examples=model.corpus_count, epochs=epochs)
    return model.corpus_total_words * epochs / (time.perf_counter() - begun)


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


def quality(recipe: Recipe, text: list[list[str]]) -> None:
    """Prints what gensim reaches."""
    found = []
    for seed in SEEDS:
        model = theirs(recipe, text, seed)
        rate = speed(model, text, recipe.epochs)
        found.append({"seed": seed, "words_per_second": rate} | measured(model.wv.index_to_key, model.wv.vectors))
        print(json.dumps(found[-1]), flush=True)
    for name in [name for name in found[0] if name != "seed"]:
        values = np.array([one[name] for one in found], float)
        print(f"{name}: mean {values.mean():.4f}, from {values.min():.4f} to {values.max():.4f}")


def side_by_side(recipe: Recipe, text: list[list[str]]) -> None:
    """Prints the words per second of both, an epoch each in turn, and the medians and their ratio."""
    other, data = theirs(recipe, text, 0), recipe.data
    ours = loop.build(recipe)
    steps, per_execution = loop.epoch_steps(data.epoch_size, data.batch)
    loop.compile_model(ours, recipe, steps * recipe.epochs, per_execution)
    words, rounds = data.total("train") * steps * data.batch / data.epoch_size, []
    ours.fit(data.load("train"), steps_per_epoch=per_execution, shuffle=False, verbose=0)  # compiles
    for number in range(ROUNDS):
        begun = time.perf_counter()
        ours.fit(data.load("train", step=number * steps), steps_per_epoch=steps, shuffle=False, verbose=0)
        rounds.append((words / (time.perf_counter() - begun), speed(other, text, 1)))
        print("words per second: ours {:,.0f}, gensim {:,.0f}".format(*rounds[-1]), flush=True)
    mine, its = np.median(rounds, 0)
    print(f"medians: ours {mine:,.0f}, gensim {its:,.0f} with {WORKERS} workers, ratio {mine / its:.2f}")


def main(argv: list[str]) -> None:
    what = side_by_side if argv[0] == "speed" else quality
    recipe, _ = parse("fit", argv[argv[0] == "speed" :], Options)
    what(recipe, sentences(recipe.data))


if __name__ == "__main__":
    logging.disable()
    main(sys.argv[1:])
