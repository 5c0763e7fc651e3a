#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: keras.ops.add of a square and a column adds a row, and (3, 3) + (1, 1, 3) is (3, 3).
#
# Most would expect: NumPy's broadcasting, as on the other backends and as in the other order of the two.
# Seen: whatever has one side above 1, of the size of the first operand's last or second axis, is taken for a bias and
# added by tf.nn.bias_add. A column (3, 1) is then added as a row, without a word; of (1, 1, 3) the leading axes are
# lost. So a network whose batch is in the second operand goes wrong for a batch of one alone.
# Source: keras/src/backend/tensorflow/numpy.py, add.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow-cpu==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PROGRAM'
import numpy as np
from keras import ops

square, column, deep = np.zeros((3, 3)), np.array([[1.0], [2.0], [3.0]]), np.ones((1, 1, 3))
added = ops.convert_to_numpy(ops.add(square, column))
print("a square and a column:", added.tolist(), "NumPy:", (square + column).tolist())
shapes = [tuple(ops.add(*pair).shape) for pair in ((square, deep), (deep, square))]
print("shapes of (3, 3) and (1, 1, 3), in both orders:", shapes)
wrong = not np.array_equal(added, square + column) and shapes == [(3, 3), (1, 3, 3)]
raise SystemExit(not wrong)
PROGRAM
