#!/usr/bin/env bash
# lime 0.2.0.1: its default segmentation sees a single region in a picture of 8x8 pixels.
#
# Most would expect: regions that can be hidden one by one, whatever the size of a picture.
# Seen: quickshift with a kernel of 4 pixels finds one region in a digit of 8x8, so that the explanation is one number,
# without a word. A grey picture (H, W, 1), which Keras takes, is refused by scikit-image's conversion to Lab.
# Source: lime/lime_image.py, explain_instance.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q lime==0.2.0.1 scikit-image==0.26.0 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'PROGRAM'
import numpy as np
from lime.lime_image import LimeImageExplainer
from lime.wrappers.scikit_image import SegmentationAlgorithm
from sklearn.datasets import load_digits

digit = load_digits().images[0][..., None] / 16
segment = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=0)
regions = segment(np.repeat(digit, 3, -1)).max() + 1
print("regions in 8x8 pixels:", regions)
try:
    LimeImageExplainer().explain_instance(digit, lambda batch: batch.mean((1, 2)))
    refused = False
except ValueError as error:
    print("a picture of one channel:", error)
    refused = True
raise SystemExit(not (regions == 1 and refused))
PROGRAM
