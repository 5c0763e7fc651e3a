"""The Penn Treebank as Mikolov prepared it for language models (2010): lower-case news with 10,000 distinct words.

Text from the Wall Street Journal, with rare words replaced by <unk> and numbers by N, one sentence per line. The end of
a line counts as a word, which gives 929,589 tokens for training, 73,760 for validation and 82,430 for the test.
"""

from typing import ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

PLACE = "https://raw.githubusercontent.com/tomsercu/lstm/master/data/"
SPLITS = {"train": "train", "validation": "valid", "test": "test"}
FILES = {  # size in bytes, SHA-256
    "ptb.train.txt": (5101618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
    "ptb.valid.txt": (399782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
    "ptb.test.txt": (449945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
}


class Ptb(tfds.core.GeneratorBasedBuilder):
    """Each split is a single text, with one sentence per line."""

    VERSION = tfds.core.Version("1.0.0")
    # Used in place of TFDS's table of checksums to verify downloads.
    url_infos: ClassVar[dict] = {
        PLACE + name: UrlInfo(size=size, checksum=checksum, filename=name) for name, (size, checksum) in FILES.items()
    }

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            homepage="https://github.com/tomsercu/lstm",
        )

    def _split_generators(self, dl_manager):
        paths = dl_manager.download({name: PLACE + name for name in FILES})
        return {split: self._generate_examples(paths[f"ptb.{name}.txt"]) for split, name in SPLITS.items()}

    def _generate_examples(self, path):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield "text", {"text": "".join(f"{line.strip()}\n" for line in lines)}
