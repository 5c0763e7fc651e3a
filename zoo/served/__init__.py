"""The page on which trained networks are tried (extra `serve`)."""

import zoo.backend  # noqa: F401 - first: it imports Keras without noise and configures it
