#!/usr/bin/env bash
# Keras 3.15.1: RandAugment is harsher the weaker it is asked for, and looks at a whole batch instead of each picture.
#
# Most would expect: factor 0 leaves pictures as they are, and a small factor changes them little; as in the paper
# (Cubuk 2019), each picture draws its own operations, and no picture changes another.
# Seen: of the pixels, posterization keeps max(1, int(8 * factor)) bits: one at factor 0, seven at 0.9. Solarization
# inverts all pixels above a threshold between 0 and 255 * factor: nearly all of them at 0. All pictures of a batch get
# the same two operations (read in the source, not shown here), and equalization counts the brightnesses of all.
# Source: keras/src/layers/preprocessing/image_preprocessing/rand_augment.py (__init__, get_random_transformation),
# random_posterization.py, solarization.py, and equalization.py (_custom_histogram_fixed_width).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.6.2 jaxlib==0.6.2 numpy==2.2.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

ramp = np.tile(np.arange(256, dtype="float32").reshape(1, 16, 16, 1), (1, 1, 1, 3))  # every brightness once
settings = {"value_range": (0, 255)}


def changed(part: str, factor: float) -> float:
    layer = getattr(keras.layers.RandAugment(factor=factor, seed=0, **settings), part)
    batch = np.repeat(ramp, 50, 0)
    return float(np.abs(np.asarray(layer(batch, training=True)) - batch).mean())


for part in ("random_posterization", "solarization"):
    none, most = changed(part, 0.0), changed(part, 0.9)
    print(f"{part:20} changes pixels on average by {none:5.1f} of 255 at factor 0, by {most:5.1f} at 0.9")
    assert none > 50
    assert none > most

equalize, dark = keras.layers.Equalization(**settings), ramp / 4
alone, together = (np.asarray(equalize(batch))[0] for batch in (dark, np.concatenate([dark, ramp])))
print(f"a dark picture is equalized to a mean of {alone.mean():.0f}, beside a bright one to {together.mean():.0f}")
assert abs(alone.mean() - together.mean()) > 20
PYTHON
