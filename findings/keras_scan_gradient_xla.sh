#!/usr/bin/env bash
# Keras 3.15.1 on TensorFlow 2.21.0: the gradient of keras.ops.scan cannot be compiled by XLA.
#
# Most would expect: `ops.scan` is there so that a recursion, such as that of a random field or of CTC, can be written
# once for all backends and be trained with `jit_compile=True`, as on JAX. The lengths are known here.
# Seen: forward it compiles. With a gradient: "XLA compilation requires a fixed tensor list size", since the loop under
# it is made without `maximum_iterations`. A layer of keras.layers.RNN with a cell of one's own has the same recursion,
# sets that number, and compiles.
# Source: keras/src/backend/tensorflow/core.py, scan, its tf.while_loop.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow-cpu==2.21.0
cat > "$folder/scan.py" <<'PROGRAM'
import keras
import tensorflow as tf

numbers = tf.constant([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])


def last(x):
    return keras.ops.scan(lambda carry, now: (carry * now, carry), tf.ones(2), x)[0]


@tf.function(jit_compile=True)
def slope(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(last(x))
    return tape.gradient(y, x)


print("forward:", tf.function(last, jit_compile=True)(numbers).numpy())
try:
    slope(numbers)
except tf.errors.InvalidArgumentError as error:
    print("gradient:", error.message.split(".")[0])
    raise SystemExit("fixed tensor list size" not in error.message)
raise SystemExit("the gradient compiles now")
PROGRAM
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/scan.py"
