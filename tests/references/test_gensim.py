"""Word vectors beside gensim: the same update of the same vectors, and the same figures for the same vectors."""

from bisect import bisect_left
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from zoo.models import word2vec
from zoo.tasks import similarity
from zoo.tasks.vectors import NegativeSampling, VectorsPanel

gensim = pytest.importorskip("gensim", reason="gensim is not installed (extra test-references): no word2vec reference")
from gensim.models import KeyedVectors, Word2Vec  # noqa: E402 - only where it is installed
from gensim.models.word2vec_inner import train_batch_cbow, train_batch_sg  # noqa: E402

VOCABULARY, WIDTH, RATE = 300, 12, 0.1
TABLE = (
    0.003  # gensim reads the sigmoid from a table with steps of 0.012, where it is off by a quarter of that, at most
)


def theirs_of(cbow: bool, seed: int) -> Word2Vec:
    """gensim's network with random vectors, small enough for its table, which ends at logits of 6."""
    model = Word2Vec(
        vector_size=WIDTH, window=1, min_count=1, negative=5, sg=int(not cbow), sample=0, seed=seed, workers=1
    )
    model.build_vocab([[str(number) for number in range(VOCABULARY)] * 2])
    random = np.random.default_rng(seed)
    model.wv.vectors[:], model.syn1neg[:] = random.normal(size=(2, VOCABULARY, WIDTH)) * 0.7
    return model


def drawn(model: Word2Vec, targets: int) -> np.ndarray:
    """The false neighbours that it will draw next for so many targets, (targets, 5)."""
    random, found, table = np.random.RandomState(), [], model.cum_table
    random.set_state(model.random.get_state())
    number = 2**24 * random.randint(0, 2**24) + random.randint(0, 2**24)
    for _ in range(targets * 5):
        found.append(bisect_left(table, (number >> 16) % int(table[-1])))
        number = (number * 25214903917 + 11) & (2**48 - 1)
    return np.array(found).reshape(targets, 5)


def undisturbed(cbow: bool, sentence: list[int]) -> tuple[Word2Vec, np.ndarray]:
    """A network whose next false neighbours are all different: it trains pair after pair, ours all at once."""
    for seed in range(100):
        model = theirs_of(cbow, seed)
        false = drawn(model, len(sentence))
        if len({*false.ravel().tolist(), *sentence}) == false.size + len(sentence):
            return model, false
    raise AssertionError


@pytest.mark.parametrize("cbow", [False, True])
def test_an_update(cbow):
    """Skip-gram of two words, each of which predicts the other; CBOW of three, each from those beside it."""
    sentence = [5, 17, 40][: 3 if cbow else 2]
    theirs, false = undisturbed(cbow, sentence)
    ours = word2vec(VOCABULARY, cbow, width=WIDTH)
    before = [theirs.wv.vectors.copy(), theirs.syn1neg.copy()]
    for name, weight in zip(("vectors", "contexts"), before, strict=True):
        ours.get_layer(name).set_weights([weight])
    ours.compile(optimizer=keras.optimizers.SGD(RATE), loss=NegativeSampling())
    others = np.concatenate([np.array(sentence)[:, None], false], 1)
    targets = np.tile(np.float32([1, -1, -1, -1, -1, -1]), (len(sentence), 1, 1))
    words, work = [theirs.wv.index_to_key[number] for number in sentence], np.zeros(WIDTH, np.float32)
    if cbow:
        # The word in the middle stands beside both others: gensim would train it twice, one after the other.
        theirs.wv.vectors_lockf = np.ones(VOCABULARY, np.float32)
        theirs.wv.vectors_lockf[sentence[1]] = 0
        train_batch_cbow(theirs, [words], RATE, work, work.copy(), False)
        around = np.tile(sentence, (3, 1))
        near = np.float32([[[0, 1, 0]], [[1, 0, 1]], [[0, 1, 0]]])
        ours.train_on_batch([around, others, near], targets)
    else:
        train_batch_sg(theirs, [words], RATE, work, False)
        ours.train_on_batch([np.array(sentence[::-1])[:, None], others], targets)
    after = [ours.get_layer(name).get_weights()[0] for name in ("vectors", "contexts")]
    free = np.arange(VOCABULARY) != (sentence[1] if cbow else -1)
    for was, mine, expected in zip(before, after, (theirs.wv.vectors, theirs.syn1neg), strict=True):
        moved = np.abs(expected - was).max()
        assert moved > 0.05
        assert np.abs(mine - expected)[free].max() < RATE * TABLE * 6 * np.abs(was).max()
        np.testing.assert_array_equal((mine != was).any(1)[free], (expected != was).any(1)[free])


@pytest.fixture(scope="module")
def keyed() -> KeyedVectors:
    """Vectors of words in several cases, random but for a shift in each section, so that some analogies are right."""
    (analogies,), pairs = similarity.files_of(None, [similarity.ANALOGIES]), similarity.files_of(None, similarity.PAIRS)
    found = {word for path in (analogies, *pairs) for word in path.read_text(encoding="utf-8").split()}
    words = sorted(word for word in found if word.isalpha())
    words = [*words[::2], *(word.upper() for word in words[::24]), *(word.lower() for word in words[::9])]
    words, random = list(dict.fromkeys(words)), np.random.default_rng(0)
    vectors, shift, used = {word: random.normal(size=20) for word in words}, 0, set()
    for line in analogies.read_text(encoding="utf-8").splitlines():
        first, second, *_ = line.split()
        shift = random.normal(size=20) if first == ":" else shift
        # Each first word once: two states of one city would lie in one place, and rounding would choose between them.
        if first in vectors and second in vectors and not {first, second} & used:
            vectors[second] = vectors[first] + shift
            used |= {first, second}
    keyed = KeyedVectors(20)
    keyed.add_vectors(words, np.float32([vectors[word] for word in words]))
    return keyed


def of(keyed: KeyedVectors) -> tuple[np.ndarray, list[str]]:
    return similarity.unit(np.vstack([np.zeros((1, 20), "float32"), keyed.vectors])), ["", *keyed.index_to_key]


def test_analogies(keyed, tmp_path):
    (path,) = similarity.files_of(None, [similarity.ANALOGIES])
    part = tmp_path / "analogies.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    part.write_text("\n".join(line for at, line in enumerate(lines) if line[0] == ":" or at % 3 == 0))
    score, sections = keyed.evaluate_word_analogies(str(part))
    ours = similarity.measure_analogies(part, *of(keyed))
    assert [one["section"] for one in ours] == [one["section"] for one in sections[:-1]]
    assert [one["right"] for one in ours] == [len(one["correct"]) for one in sections[:-1]]
    assert [one["asked"] - one["right"] for one in ours] == [len(one["incorrect"]) for one in sections[:-1]]
    assert sum(one["right"] for one in ours) / sum(one["asked"] for one in ours) == pytest.approx(score)
    assert score > 0


@pytest.mark.parametrize("name", similarity.PAIRS)
def test_pairs(name, keyed):
    (path,) = similarity.files_of(None, [name])
    _, spearman, unknown = keyed.evaluate_word_pairs(str(path))
    ours = similarity.measure_pairs(path, *of(keyed))
    assert ours["rho"] == pytest.approx(spearman.statistic, abs=1e-6)
    assert 100 * ours["unknown"] / (ours["unknown"] + ours["asked"]) == pytest.approx(unknown)


def test_nearest_words(keyed):
    units, words = of(keyed)
    theirs = keyed.most_similar(positive=words[7:9], negative=words[3:4], topn=5)
    ours = similarity.closest(units, [(1, 7), (-1, 3), (1, 8)], 5)
    assert [words[number] for number, _ in ours] == [word for word, _ in theirs]
    assert [cosine for _, cosine in ours] == pytest.approx([cosine for _, cosine in theirs], abs=1e-6)


def test_the_file_of_vectors(tmp_path: Path):
    words = ("", "the", "d\u00e9j\u00e0", "\u2019", "\u4e2d")
    model = word2vec(len(words), False, width=7)
    VectorsPanel(SimpleNamespace(words=words, counts=np.arange(5))).finish(model, tmp_path)
    keyed = KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"))
    assert keyed.index_to_key == list(words[1:])
    np.testing.assert_allclose(keyed.vectors, model.get_layer("vectors").get_weights()[0][1:], rtol=1e-5)
