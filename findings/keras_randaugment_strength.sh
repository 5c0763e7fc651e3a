#!/usr/bin/env bash
# Keras 3.15.1: RandAugment is harsher the weaker it is asked for, and looks at a whole batch instead of each picture.
#
# Most would expect: factor 0 leaves pictures as they are, and a small factor changes them little; as in the paper
# (Cubuk 2019), each picture draws its own operations, and no picture changes another.
# Seen: of the pixels, posterization keeps max(1, int(8 * factor)) bits: one at factor 0, seven at 0.9. Solarization
# inverts all pixels above a threshold between 0 and 255 * factor: nearly all of them at 0. All pictures of a batch get
# the same two operations, and equalization counts the brightnesses of the whole batch.
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

layer = keras.layers.RandAugment(factor=0.0, seed=0, **settings)
changes = [float(np.abs(np.asarray(layer(ramp, training=True)) - ramp).max()) for _ in range(200)]
share = np.mean(np.array(changes) > 30)
print(f"at factor 0 the whole layer changes {share:.0%} of the batches by more than 30 of 255")
assert share > 0.2

equalize, dark = keras.layers.Equalization(**settings), ramp / 4
alone, together = (np.asarray(equalize(batch))[0] for batch in (dark, np.concatenate([dark, ramp])))
print(f"a dark picture is equalized to a mean of {alone.mean():.0f}, beside a bright one to {together.mean():.0f}")
assert abs(alone.mean() - together.mean()) > 20

# A shift, a shear or a rotation blackens some border, so equal pictures that get different operations would differ in it.
layer = keras.layers.RandAugment(num_ops=1, factor=1.0, seed=0, **settings)
white = np.full((64, 16, 16, 3), 200, "float32")
same = 0
for _ in range(100):
    black = (np.asarray(layer(white, training=True)).min((1, 2, 3)) < 100).mean()
    same += black < 0.1 or black > 0.9
print(f"of 100 batches of 64 equal pictures, in {same} more than nine tenths of the pictures got the same operation")
assert same > 80
PYTHON
