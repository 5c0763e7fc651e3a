"""Handwritten digits that need no network: the 1,797 that scikit-learn includes, in the format of MNIST.

The pictures are the test split of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin &
Kaynak 1998), 8x8 pixels in 17 shades of grey. As in MNIST they are scaled to 20x20 and centred in 28x28.
"""

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits

# Who wrote a digit is not known, so one writer's digits may be in all three splits. That makes the
# set easier than MNIST, whose test digits are by writers that are not in its training split.
TEST, VALIDATION = 360, 180


class Digits(tfds.core.GeneratorBasedBuilder):
    """1,797 handwritten digits, 28x28x1: train 1,257, validation 180, test 360."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        # RandomState draws the same numbers in every NumPy version, so the splits never change.
        order = np.random.RandomState(0).permutation(1797)
        test, validation, train = np.split(order, [TEST, TEST + VALIDATION])
        return {
            "train": self._examples(train),
            "validation": self._examples(validation),
            "test": self._examples(test),
        }

    def _generate_examples(self, indices):
        return self._examples(indices)

    def _examples(self, indices):
        grays, labels = load_digits(return_X_y=True)
        for index in map(int, indices):
            small = np.uint8(np.round(grays[index].reshape(8, 8) * (255 / 16)))
            digit = Image.fromarray(small).resize((20, 20), Image.Resampling.BICUBIC)
            yield index, {"image": np.pad(np.asarray(digit), 4)[..., None], "label": int(labels[index])}
