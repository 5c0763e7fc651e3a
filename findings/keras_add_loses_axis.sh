#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: keras.ops.add of (K, K) and (1, 1, K) gives (K, K), not (1, K, K).
#
# Most would expect: NumPy's broadcasting, as with a first side of 2, and as on the other backends.
# Seen: what has one side above 1 is taken for a bias and added by tf.nn.bias_add, which loses the leading axes. The
# numbers are right, so a network whose batch is the first axis of the second operand works for every batch but one of a
# single example, where it fails, or goes on with another shape. In the other order it is right.
# Source: keras/src/backend/tensorflow/numpy.py, add.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow-cpu==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PROGRAM'
from keras import ops

square = ops.ones((3, 3))
for batch in (2, 1):
    one, other = ops.add(square, ops.ones((batch, 1, 3))), ops.add(ops.ones((batch, 1, 3)), square)
    print(f"a batch of {batch}: {tuple(one.shape)}, in the other order {tuple(other.shape)}")
raise SystemExit(tuple(one.shape) != (3, 3))
PROGRAM
