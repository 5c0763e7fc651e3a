"""Movie review sentences of Pang and Lee (2005, arXiv:cs/0506075): 5,331 that praise and 5,331 that pan.

One sentence a line, in lower case and cut into words; Kim (2014, arXiv:1408.5882) calls them MR. The set has no splits:
it is measured by ten-fold cross-validation.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

PLACE = "https://raw.githubusercontent.com/yoonkim/CNN_sentence/23e0e1f7355705bb083043fda05c031b15acb38c/"
FILES = {  # size in bytes, SHA-256
    "rt-polarity.neg": (612256, "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca"),
    "rt-polarity.pos": (626139, "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0"),
}


class RottenTomatoes(tfds.core.GeneratorBasedBuilder):
    """10,662 sentences in a single split, half of them positive."""

    VERSION = tfds.core.Version("1.0.0")
    # Used in place of TFDS's table of checksums to verify downloads.
    url_infos: ClassVar[dict] = {
        PLACE + name: UrlInfo(size=size, checksum=checksum, filename=name) for name, (size, checksum) in FILES.items()
    }

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["neg", "pos"])}
            ),
            supervised_keys=("text", "label"),
            homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(dl_manager.download({name: PLACE + name for name in FILES}))}

    def _generate_examples(self, paths):
        for name, path in paths.items():
            lines = Path(path).read_text(encoding="latin-1").split("\n")  # not splitlines: here 0x85 is a letter
            for number, line in enumerate(line for line in lines if line.strip()):
                yield f"{name}:{number}", {"text": line.strip(), "label": name.rpartition(".")[2]}
