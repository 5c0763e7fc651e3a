"""Keras' optimizers and learning-rate schedules, configured by one record."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf
from keras.optimizers import schedules

# No weight decay for variables with one of these in their names; embeddings of tokens and positions are decayed.
UNDECAYED = ["bias", "gamma", "beta", "scale"]
LARGE = 2**18  # weights of a variable, 1 MB: smaller ones stay in the cache of a core between operations
NO_MATRICES = ["logits", "auxiliary[0-9]+/", "tokens/", "positions/"]  # output layers and embeddings: Adam, not Muon


@dataclass(frozen=True)
class Optimizer:
    """How the weights are updated."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "lion", "muon"] = "adamw"
    """Name of the optimizer."""
    rate: float = 0.001
    """Learning rate; with a schedule, its highest value."""
    schedule: Literal["constant", "cosine", "linear", "step", "plateau"] = "cosine"
    """cosine: falls to 0 (Loshchilov 2016); linear: falls to 0 in a straight line; step: divided by 10 after half and
    again after three quarters of the steps (He 2015, section 4.2); plateau: halved when the monitored value has not
    improved for 3 epochs."""
    warmup: float = 0.0
    """Fraction of all steps, 0 to 1, during which the rate of a cosine schedule first rises from 0."""
    momentum: float = 0.0
    """Momentum of sgd and rmsprop."""
    nesterov: bool = False
    """Whether sgd uses Nesterov momentum."""
    weight_decay: float = 0.0
    """Decoupled weight decay, multiplied by the rate at each step; biases and normalisation are not decayed."""
    clip: float | None = None
    """Largest global norm of the gradients, to which larger ones are scaled down."""
    ema: float | None = None
    """Momentum, such as 0.99, of a moving average of the weights, which is then validated and saved in their place."""

    def __post_init__(self):
        if not 0 < self.rate < math.inf:
            raise ValueError(f"--optimizer.rate came as {self.rate}, but must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"--optimizer.weight-decay came as {self.weight_decay}, but must be 0 or more")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"--optimizer.momentum came as {self.momentum}, but must be from 0 to less than 1")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise ValueError(f"--optimizer.clip came as {self.clip}, but must be above 0")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"--optimizer.ema came as {self.ema}, but must lie between 0 and 1")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"--optimizer.warmup came as {self.warmup}, but must be from 0 to less than 1")
        if self.warmup and self.schedule != "cosine":
            raise ValueError(f"--optimizer.warmup is for the cosine schedule, not for {self.schedule}")
        if self.momentum and self.name not in ("sgd", "rmsprop"):
            raise ValueError(f"--optimizer.momentum is for sgd and rmsprop, not for {self.name}")
        if self.nesterov and self.name != "sgd":
            raise ValueError(f"--optimizer.nesterov is for sgd, not for {self.name}")

    def build(self, steps: int, adapt: Callable[[type], type] = lambda kind: kind) -> keras.Optimizer:
        """The Keras optimizer for a training of `steps` steps in all; `adapt` may return a subclass of its class."""
        options = {
            # None saves the other optimizers the work of decaying by 0; AdamW does not accept it.
            "weight_decay": self.weight_decay or (0.0 if self.name == "adamw" else None),
            "global_clipnorm": self.clip,
            "use_ema": self.ema is not None,
        }
        if self.ema is not None:
            options["ema_momentum"] = self.ema
        if self.name in ("sgd", "rmsprop"):
            options["momentum"] = self.momentum
        if self.name == "sgd":
            options["nesterov"] = self.nesterov
        if self.name == "muon":
            options["exclude_layers"] = NO_MATRICES
        kinds = {
            "sgd": keras.optimizers.SGD,
            "adam": keras.optimizers.Adam,
            "adamw": keras.optimizers.AdamW,
            "rmsprop": keras.optimizers.RMSprop,
            "lion": keras.optimizers.Lion,
        }
        kind = Muon if self.name == "muon" else in_one_pass(kinds[self.name])
        optimizer = adapt(kind)(self.learning_rate(steps), **options)
        if self.weight_decay:
            optimizer.exclude_from_weight_decay(var_names=UNDECAYED)
        return optimizer

    def learning_rate(self, steps: int) -> float | schedules.LearningRateSchedule:
        """The constant rate, or Keras' schedule for `steps` steps."""
        if self.schedule == "cosine":
            rising = min(round(self.warmup * steps), steps - 1)
            if rising:
                return schedules.CosineDecay(0.0, steps - rising, warmup_target=self.rate, warmup_steps=rising)
            return schedules.CosineDecay(self.rate, steps)
        if self.schedule == "linear":
            return schedules.PolynomialDecay(self.rate, steps, end_learning_rate=0.0)
        if self.schedule == "step":
            rates = [self.rate, self.rate / 10, self.rate / 100]
            return schedules.PiecewiseConstantDecay([steps // 2, steps * 3 // 4], rates)
        return self.rate


class Summed:
    """Adds up the gradients of a token that a batch has several times, before an optimizer sees them.

    Of an embedding TensorFlow keeps them apart, and Keras squares each of them instead of their sum: Adam and RMSprop
    then move frequent tokens too little, and the norm for clipping is another.
    """

    def apply(self, grads, trainable_variables=None):
        """Updates all variables."""
        grads = [tf.convert_to_tensor(x) if isinstance(x, tf.IndexedSlices) else x for x in grads]
        super().apply(grads, trainable_variables)


def in_one_pass(kind: type[keras.Optimizer]) -> type[keras.Optimizer]:
    """A subclass that adds up the gradients of a token, and compiles the updates of large variables.

    Keras' update is ten small operations, each of which takes a variable from memory and back, since a large one does
    not fit into the cache.
    """

    class InOnePass(Summed, kind):
        """The same updates, those of a large variable in one pass through memory."""

        def update_step(self, gradient, variable, learning_rate):
            """Updates one variable."""

            def update(gradient):
                kind.update_step(self, gradient, variable, learning_rate)

            if math.prod(variable.shape) < LARGE or tf.executing_eagerly():  # compiling takes longer than one update
                update(gradient)
            else:
                tf.function(update, jit_compile=True, autograph=False)(gradient)

    InOnePass.__name__, InOnePass.__module__ = kind.__name__, kind.__module__  # by which Keras finds it again
    return InOnePass


@keras.saving.register_keras_serializable(package="zoo")
class Muon(Summed, keras.optimizers.Muon):
    """Keras' Muon (Jordan 2024), which updates matrices and leaves all else to Adam, extended to convolution kernels.

    Such a kernel is treated as the matrix that maps a neighbourhood to channels. What Adam updates has the same weight
    decay. The updates are those of Keras 3.13 and later; those of 3.12, the last for Python 3.10, differ.
    """

    def __init__(self, learning_rate=0.001, **options):
        super().__init__(learning_rate, **{"adam_lr_ratio": 1, "ns_steps": 5} | options)
        self.adam_weight_decay = self.weight_decay

    def _should_use_adamw(self, variable):
        if len(variable.shape) == 4:
            # A depthwise kernel (height, width, channels, 1) is one filter per channel, not a matrix.
            return variable.shape[-1] == 1
        return len(variable.shape) != 2 or super()._should_use_adamw(variable)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable."""
        if hasattr(self, "adam_momentums"):  # Keras 3.12 keys them by path, which TensorFlow's variables lack
            variable = self._trainable_variables[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate)

    def _muon_update_step(self, gradient, variable, lr, m=None):
        m = self.adam_momentums[variable.path] if m is None else m
        self.assign_add(m, gradient + m * (self.momentum - 1))
        ahead = gradient + self.momentum * m if self.nesterov else m
        update = self.zeropower_via_newtonschulz5(ahead, self.ns_steps)
        self.assign_sub(variable, self.lr_adjust(lr * update))

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """Approximately the nearest orthogonal matrix, by Keras' Newton-Schulz iteration with fewer multiplications.

        Each iteration multiplies by a polynomial of the square matrix X X^T. These polynomials commute, so all
        iterations run on that small square; the matrix itself, nine times as long for a 3x3 convolution, is used only
        twice.
        """
        ops, matrix = keras.ops, keras.ops.reshape(x, (-1, x.shape[-1]))
        tall = matrix.shape[0] > matrix.shape[1]
        if tall:
            matrix = ops.transpose(matrix)
        matrix = matrix / (ops.norm(matrix) + 1e-7)
        square = ops.matmul(matrix, ops.transpose(matrix))
        product = one = ops.eye(matrix.shape[0], dtype=matrix.dtype)
        for _ in range(steps):
            factor = self.muon_a * one + self.muon_b * square + self.muon_c * ops.matmul(square, square)
            product = ops.matmul(factor, product)
            square = ops.matmul(factor, ops.matmul(square, factor))
        matrix = ops.matmul(product, matrix)
        return ops.reshape(ops.transpose(matrix) if tall else matrix, x.shape)

    def lr_adjust(self, x):
        """Scales an update to the size of Adam's (Liu 2025, arXiv:2502.16982, section 2.2)."""
        return x * math.sqrt(max(math.prod(x.shape[:-1]), x.shape[-1])) * 0.2
