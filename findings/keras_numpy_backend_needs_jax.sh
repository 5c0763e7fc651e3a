#!/usr/bin/env bash
# Keras 3.15.1: KERAS_BACKEND=numpy cannot be imported where only NumPy is installed: it wants SciPy, then JAX.
#
# Most would expect: the NumPy backend, which is there for inference without a framework, needs NumPy, which Keras
# declares; neither SciPy nor JAX is declared by the package, nor asked for when it is installed.
# Seen: `import keras` ends in ModuleNotFoundError, first of scipy and, with that installed, of jax: the backend takes
# its Fourier transforms and its convolutions from JAX. So it is no way to run a network on a small machine.
# Source: keras/src/backend/numpy/linalg.py and math.py, their imports.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 numpy==2.2.6
lacks() { # the module without which Keras cannot be imported now
  { KERAS_BACKEND=numpy "$folder/venv/bin/python" -c "import keras" 2>&1 || true; } | tail -n 1
}
first=$(lacks)
echo "with NumPy alone:      $first"
[ "$first" = "ModuleNotFoundError: No module named 'scipy'" ]
"$folder/venv/bin/pip" install -q scipy==1.15.3
second=$(lacks)
echo "with NumPy and SciPy:  $second"
[ "$second" = "ModuleNotFoundError: No module named 'jax'" ]
