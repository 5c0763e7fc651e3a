"""The page on which trained networks are tried (extra `serve`)."""

import zoo.backend  # first: it imports Keras without noise and configures it
