"""Decoding, from a network's predictions to tokens: sampling an endless text, and beam search for a sentence."""

import zoo.backend  # first: it imports Keras without noise and configures it
from zoo.decoding.beam import decode
from zoo.decoding.sampling import Sampling, written

__all__ = ["Sampling", "decode", "written"]
