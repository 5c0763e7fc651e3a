#!/usr/bin/env bash
# Keras 3.15.1: weights that are built in StatelessScope(initialize_variables=False) are given values later, by the next
# such scope that ends, although nobody asked for that network again.
#
# Most would expect: in the scope weights have shapes and no values, so that a network of any size is counted without
# taking room, and it stays so until somebody initialises them.
# Seen: the names of these weights wait in a global list. Whatever next closes a StatelessScope with the default
# settings, which Keras itself does when a symbolic output is computed, draws values for all of them. A count of a
# network of 4 GB that had long been forgotten takes 4 GB in the middle of something else.
# keras.utils.clear_session(free_memory=False) right after the scope empties the list.
# Source: keras/src/backend/common/stateless_scope.py, StatelessScope.__exit__, and
# keras/src/backend/common/variables.py, initialize_all_variables.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.6.2 jaxlib==0.6.2 numpy==2.2.6
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras


def built():
    with keras.StatelessScope(initialize_variables=False):
        inputs = keras.Input((8,))
        model = keras.Model(inputs, keras.layers.Dense(4)(inputs))
        assert model.count_params() == 36
    return model


def has_values(model):
    return [variable._value is not None for variable in model.weights]


forgotten = built()
assert has_values(forgotten) == [False, False], has_values(forgotten)
with keras.StatelessScope():
    pass
print("after another scope, weights with values:", has_values(forgotten))
assert has_values(forgotten) == [True, True]

cleared = built()
keras.utils.clear_session(free_memory=False)
with keras.StatelessScope():
    pass
print("with clear_session in between:          ", has_values(cleared))
assert has_values(cleared) == [False, False]
PYTHON
