#!/usr/bin/env bash
# TensorFlow 2.21.0 with Keras 3.15.1 and ai-edge-litert 2.3.0: a network that is converted to LiteRT as a concrete
# function, with the network itself as the object that owns its variables, is written without its weights.
#
# Most would expect: the same outputs, since from_concrete_functions(funcs, trackable_obj) asks for just that object, or
# an error.
# Seen: no error and no warning, and outputs that have nothing to do with the weights: a dense layer whose kernel is all
# ones answers [1, 1, 1, 1] with anything but 4. Without the second argument, by from_keras_model, or by way of a
# SavedModel, the answer is right.
# Source: tensorflow/lite/python/lite.py, TFLiteConverterV2.from_concrete_functions, whose docstring has the second
# argument; keras/src/export/saved_model.py, which hands TensorFlow its variables in another way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow-cpu==2.21.0 ai-edge-litert==2.3.0
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PROGRAM'
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

given = np.ones((1, 4), "float32")
inputs = keras.Input((4,))
network = keras.Model(inputs, keras.layers.Dense(3, kernel_initializer="ones")(inputs))
call = tf.function(lambda x: network(x, training=False), input_signature=[tf.TensorSpec((1, 4), tf.float32)])
function = call.get_concrete_function()


def answer(*owner):
    converted = tf.lite.TFLiteConverter.from_concrete_functions([function], *owner).convert()
    program = Interpreter(model_content=converted)
    program.allocate_tensors()
    program.set_tensor(program.get_input_details()[0]["index"], given)
    program.invoke()
    return program.get_tensor(program.get_output_details()[0]["index"])


without, owned = answer(), answer(network)
print("the network:", network(given).numpy(), "converted alone:", without, "with the network as owner:", owned)
right = np.allclose(without, 4) and not np.allclose(owned, 4)
raise SystemExit(not right)
PROGRAM
