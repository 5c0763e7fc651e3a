"""What recurrent layers carry from batch to batch, which must end with each pass over the data."""

import keras


def forget(model: keras.Model) -> None:
    """Empties what layers with a method `reset_state`, as Keras' recurrent ones have it, remember of batches before."""
    for layer in model._flatten_layers():
        # One of Keras that carries nothing may refuse.
        if getattr(layer, "stateful", True) and hasattr(layer, "reset_state"):
            layer.reset_state()


class Forget(keras.callbacks.Callback):
    """Lets each epoch and each validation begin without a memory.

    Validation comes when the epoch's steps are done, so it needs to keep nothing for the training. An epoch empties the
    memory where it ends, and not where it begins: the rest of one that a stop had cut short goes on with it.
    """

    def on_test_begin(self, logs=None):
        forget(self.model)

    def on_epoch_end(self, epoch, logs=None):
        forget(self.model)
