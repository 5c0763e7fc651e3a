#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: a recurrent layer that is unrolled, reads backwards and zeroes what is masked, as
# half of a Bidirectional does, zeroes the wrong places.
#
# Most would expect: the same outputs as without unroll=True.
# Seen: the outputs are in the order of reading, last step first, but the mask that blanks them is in the order of the
# input. Of a text with padding after its end, the outputs of as many of its first words are zero.
# Source: keras/src/backend/tensorflow/rnn.py, rnn: `if zero_output_for_mask` in the branch `if unroll`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow-cpu==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PROGRAM'
import keras
import numpy as np

x, mask = np.ones((1, 4, 2), "float32"), np.array([[True, True, True, False]])
layer = keras.layers.Bidirectional(keras.layers.LSTM(1, return_sequences=True))
loop = np.array(layer(x, mask=mask))[0, :, 1]
for part in (layer.forward_layer, layer.backward_layer):
    part.unroll = True
unrolled = np.array(layer(x, mask=mask))[0, :, 1]
print("backward half, in a loop:", loop.round(3).tolist(), "unrolled:", unrolled.round(3).tolist())
wrong = loop[0] != 0 and unrolled[0] == 0
raise SystemExit(not wrong)
PROGRAM
