"""English text that needs no network: the topics of Python's `help()`, which every Python installation includes."""

import hashlib
import platform
from pydoc_data.topics import topics
from typing import ClassVar

import tensorflow_datasets as tfds

LONG = 60  # characters above which a paragraph that two topics share is no coincidence


class PyDocs(tfds.core.GeneratorBasedBuilder):
    """The topics of Python's language reference; about a tenth of its characters each for validation and the test."""

    VERSION = tfds.core.Version("1.0.0")
    # Each version of Python has its own text.
    BUILDER_CONFIGS: ClassVar[list] = [tfds.core.BuilderConfig(name=f"python-{platform.python_version()}")]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
        )

    def _split_generators(self, dl_manager):
        tenth = sum(map(len, topics.values())) // 10
        rest, parts = groups(), {}
        for part in ("validation", "test"):
            parts[part] = []
            for group in list(rest):
                if sum(len(topics[name]) for name in parts[part] + group) <= tenth:
                    parts[part] += group
                    rest.remove(group)
        parts["train"] = [name for group in rest for name in group]
        return {split: self._generate_examples(names) for split, names in parts.items()}

    def _generate_examples(self, names):
        for name in names:
            yield name, {"text": topics[name]}


def groups() -> list[list[str]]:
    """The names of the topics in groups that share paragraphs, in pseudo-random order, by a hash of the first name.

    Many topics repeat parts of others word for word: if they were in different splits, the test would contain text from
    training.
    """
    found: list[tuple[set[str], list[str]]] = []
    for name in sorted(topics):
        paragraphs, names = {text.strip() for text in topics[name].split("\n\n") if len(text) > LONG}, [name]
        for group in [group for group in found if group[0] & paragraphs]:
            found.remove(group)
            paragraphs, names = paragraphs | group[0], group[1] + names
        found.append((paragraphs, names))
    return sorted((names for _, names in found), key=lambda names: hashlib.sha256(names[0].encode()).digest())
