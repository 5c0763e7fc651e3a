"""Training of networks with auxiliary heads (Szegedy 2014, arXiv:1409.4842, section 5)."""

import keras

WEIGHT = 0.3  # weight of each auxiliary loss (section 5)


class Auxiliary(keras.Model):
    """A functional network whose first output is the result, and whose others add to the loss during training.

    Metrics, validation and prediction use only the first output.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of the first output and, while training, 0.3 times that of each other output."""
        first, *others = y_pred
        loss = super().compute_loss(x, y, first, sample_weight, training)
        if training:
            loss += WEIGHT * sum(self.loss(y, other, sample_weight) for other in others)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The metrics of the first output."""
        return super().compute_metrics(x, y, y_pred[0], sample_weight)

    def predict_step(self, data):
        """The first output."""
        return super().predict_step(data)[0]


def trainable(model: keras.Model) -> keras.Model:
    """The network itself; if it has several outputs, the same graph as an `Auxiliary`, unless it is one."""
    done = len(model.outputs) == 1 or isinstance(model, Auxiliary)
    return model if done else Auxiliary(model.inputs, model.outputs, name=model.name)


def without_heads(model: keras.Model) -> keras.Model:
    """The network with only its first output: auxiliary heads serve training only."""
    return keras.Model(model.input, model.outputs[0], name=model.name)
