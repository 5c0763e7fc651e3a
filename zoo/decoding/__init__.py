"""From what a network predicts to tokens: writing on and on, and searching for the best sentence."""

import zoo.backend  # first: it loads Keras quietly and sets it
from zoo.decoding.beam import decode
from zoo.decoding.sampling import Sampling, written

__all__ = ["Sampling", "decode", "written"]
