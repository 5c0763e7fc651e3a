"""English text that needs no network: what Python's `help()` tells of its language, which every Python carries."""

import hashlib
import platform
from pydoc_data.topics import topics
from typing import ClassVar

import tensorflow_datasets as tfds


class PyDocs(tfds.core.GeneratorBasedBuilder):
    """The topics of Python's language reference, about half a million characters; a tenth each validates and tests."""

    VERSION = tfds.core.Version("1.0.0")
    # Each Python has its own text.
    BUILDER_CONFIGS: ClassVar = [tfds.core.BuilderConfig(name=f"python-{platform.python_version()}")]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
        )

    def _split_generators(self, dl_manager):
        # Whole topics, by the hash of their names: what is tested was not half read in training.
        ranked = sorted(topics, key=lambda name: hashlib.sha256(name.encode()).digest())
        held = len(ranked) // 10
        parts = {"train": ranked[2 * held :], "validation": ranked[:held], "test": ranked[held : 2 * held]}
        return {name: self._generate_examples(chosen) for name, chosen in parts.items()}

    def _generate_examples(self, chosen):
        for name in chosen:
            yield name, {"text": topics[name]}
