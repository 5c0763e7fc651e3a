"""The page on which trained networks are tried (extra `serve`)."""

import os

import zoo.backend  # first: it imports Keras without noise and configures it

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before it is imported: nothing leaves the machine
