#!/usr/bin/env bash
# TensorBoard 2.21.0 with TensorFlow 2.21.0: tf.summary.histogram takes 240 bytes or more of memory for each number
# that it counts.
#
# Most would expect: counting numbers into 30 buckets takes about the room of the numbers, as numpy.histogram does, so
# that the weights of a network that fits into memory can be logged.
# Seen: each number becomes a row of 30 float64, one for each bucket, before the rows are added up. A table of
# embeddings of 2 million numbers, 8 MB, takes some 480 MB for a moment; the weights of a network of 100 million numbers
# would take 24 GB. numpy.histogram of the same numbers takes a small part of it and gives the same counts.
# Source: tensorboard/plugins/histogram/summary_v2.py, _buckets: one_hot of the bucket of each number, in float64, and
# the comment there, which explains why it is float64 (TensorFlow's issue 51419).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tensorflow==2.21.0 tensorboard==2.21.0 setuptools==80.9.0
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import glob
import resource

import numpy as np
import tensorflow as tf

COUNT = 2_000_000


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


numbers = np.random.default_rng(0).normal(size=COUNT).astype("float32")
with tf.summary.create_file_writer("warm").as_default():
    tf.summary.histogram("w", numbers[:1000], step=0)
before = peak()
counts, _ = np.histogram(numbers, 30)
of_numpy = peak() - before
before = peak()
with tf.summary.create_file_writer("logs").as_default():
    tf.summary.histogram("w", numbers, step=0)
of_tensorboard = peak() - before
(path,) = glob.glob("logs/*")
events = tf.data.TFRecordDataset(path)
logged = [
    tf.make_ndarray(value.tensor)
    for event in events
    for value in tf.compat.v1.Event.FromString(event.numpy()).summary.value
]
apart = np.abs(logged[0][:, 2] - counts).sum() / COUNT
print(f"numpy.histogram      {of_numpy / COUNT:6.1f} bytes a number")
print(f"tf.summary.histogram {of_tensorboard / COUNT:6.1f} bytes a number; counts differ by {apart:.6f}")
assert of_tensorboard > 200 * COUNT, of_tensorboard
assert of_numpy < 40 * COUNT, of_numpy
assert apart < 1e-3, apart
PYTHON
