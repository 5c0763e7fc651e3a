"""English text that needs no network: what Python's `help()` says about its language, which every Python carries."""

import hashlib
import platform
from pydoc_data.topics import topics
from typing import ClassVar

import tensorflow_datasets as tfds

LONG = 60  # characters from which on a paragraph that two topics share is no accident


class PyDocs(tfds.core.GeneratorBasedBuilder):
    """The topics of Python's language reference; about a tenth of the characters each to validate and test."""

    VERSION = tfds.core.Version("1.0.0")
    # Each Python has its own text.
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
        return {name: self._generate_examples(chosen) for name, chosen in parts.items()}

    def _generate_examples(self, chosen):
        for name in chosen:
            yield name, {"text": topics[name]}


def groups() -> list[list[str]]:
    """The names of the topics, those together that share a paragraph, mixed by the hash of their first name.

    Many topics are parts of others, word for word: apart, one would be tested on what another was trained on.
    """
    found: list[tuple[set[str], list[str]]] = []
    for name in sorted(topics):
        paragraphs, names = {text.strip() for text in topics[name].split("\n\n") if len(text) > LONG}, [name]
        for group in [group for group in found if group[0] & paragraphs]:
            found.remove(group)
            paragraphs, names = paragraphs | group[0], group[1] + names
        found.append((paragraphs, names))
    return sorted((names for _, names in found), key=lambda names: hashlib.sha256(names[0].encode()).digest())
