"""WNUT 2017: rare and new names in noisy English text (Derczynski 2017, "Results of the WNUT2017 Shared Task on Novel
and Emerging Entity Recognition"); CC-BY 4.0.

Tweets for training, comments from YouTube for validation, and these and more from Reddit, Twitter and StackExchange for
the test, 3,394, 1,009 and 1,287 sentences, with persons, locations, groups, creative works, corporations and products.
Hardly a name of the test occurs in training.
"""

from typing import ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

from zoo.data.conll import read_conll

COMMIT = "e52a2d2a71ac1a051ca2d532eef28653c5c02603"
PLACE = f"https://raw.githubusercontent.com/leondz/emerging_entities_17/{COMMIT}/"
SPLITS = {"train": "wnut17train.conll", "validation": "emerging.dev.conll", "test": "emerging.test.annotated"}
FILES = {  # size in bytes, SHA-256
    "wnut17train.conll": (493781, "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
    "emerging.dev.conll": (114749, "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
    "emerging.test.annotated": (192425, "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0"),
}


class Wnut17(tfds.core.GeneratorBasedBuilder):
    """Sentences as words, each with its tag (BIO)."""

    name = "wnut17"
    VERSION = tfds.core.Version("1.0.0")
    # Used in place of TFDS's table of checksums to verify downloads.
    url_infos: ClassVar[dict] = {
        PLACE + name: UrlInfo(size=size, checksum=checksum, filename=name) for name, (size, checksum) in FILES.items()
    }

    def _info(self):
        text = tfds.features.Sequence(tfds.features.Text())
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict({"tokens": text, "tags": text}),
            homepage="https://github.com/leondz/emerging_entities_17",
        )

    def _split_generators(self, dl_manager):
        paths = dl_manager.download({name: PLACE + name for name in FILES})
        return {split: self._generate_examples(paths[name]) for split, name in SPLITS.items()}

    def _generate_examples(self, path):
        for number, (tokens, tags) in enumerate(read_conll(path).sentences):
            yield number, {"tokens": tokens, "tags": tags}
