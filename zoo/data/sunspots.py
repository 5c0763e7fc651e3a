"""Yearly sunspot numbers that need no network: statsmodels ships them.

The International Sunspot Number of 1700 to 2008 in its first version, as NOAA's National Geophysical Data Center
published it; public domain. It rises and falls about every 11 years (Schwabe 1844), never twice alike.
"""

import numpy as np
import tensorflow_datasets as tfds
from statsmodels.datasets import sunspots


class Sunspots(tfds.core.GeneratorBasedBuilder):
    """309 years, an example each, in the order of time; the parts are cut where the windows are."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        # As bytes: TFDS stores plain numbers in half of these digits.
        exact = tfds.features.Tensor(shape=(), dtype=np.float64, encoding="bytes")
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict({"year": np.int64, "sunspots": exact}),
            disable_shuffling=True,  # else TFDS stores examples in the order of their keys' hashes
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for year, number in sunspots.load_pandas().data.itertuples(index=False):
            yield int(year), {"year": int(year), "sunspots": number}
