#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: Adam moves a token that a batch has three times less than one that it has once.
#
# Most would expect: the update of Kingma & Ba 2014 (section 2) for the gradient of the loss, which on JAX and PyTorch
# it is: for the same gradient of two tokens the same step, however many places of the batch it comes from.
# Seen: TensorFlow keeps the gradients of an embedding apart by place, as IndexedSlices, and Keras squares each of them
# before they are added, instead of their sum. So the second moment of frequent tokens is too large in Adam, AdamW,
# RMSprop and Adagrad, and their steps too small: here 0.58 of the rate instead of 1. With global_clipnorm they are
# added up first, so that this option changes the result even where nothing is clipped.
# Source: keras/src/optimizers/adam.py, update_step; keras/src/backend/tensorflow/sparse.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow-cpu==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PROGRAM'
import keras
import numpy as np


def moved(**options):
    """How far tokens 0 and 1 move, if both have a gradient of 1, that of token 0 as 1 + 1 - 1."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((4,), dtype="int32")
    table = keras.layers.Embedding(3, 1, embeddings_initializer="zeros")
    signs = np.array([[[1.0], [1.0], [-1.0], [1.0]]], np.float32)
    model = keras.Model(tokens, keras.ops.sum(table(tokens) * signs, axis=(1, 2)))
    model.compile(keras.optimizers.Adam(1.0, **options), loss=lambda target, output: keras.ops.mean(output))
    model.train_on_batch(np.array([[0, 0, 0, 1]]), np.zeros(1))
    return -table.get_weights()[0][:2].ravel()


plain, clipped = moved(), moved(global_clipnorm=100.0)
print("Adam:", plain, "with a clipping norm that is never reached:", clipped)
raise SystemExit(not (abs(plain[0] - 0.577) < 0.01 and abs(plain[1] - 1) < 0.01 and np.allclose(clipped, 1, atol=0.01)))
PROGRAM
