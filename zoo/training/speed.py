"""The time of a training step and of inference on random inputs, compared with what the machine can do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import psutil
import tensorflow as tf

from zoo.errors import UserError
from zoo.training import devices
from zoo.training.auxiliary import without_heads
from zoo.training.loop import build, compile_model, epoch_steps
from zoo.training.recipe import Recipe

EXAMPLES = 20_000  # size of a pretended epoch, so that TensorFlow runs as many steps at once as in a fit
MATRIX = 2048  # side of the matrices whose product measures the machine's speed


def measure(recipe: Recipe, seconds: float) -> dict:
    """See `zoo.bench.bench`."""
    batch = recipe.data.batch
    if batch > EXAMPLES:  # four batches are held in memory
        raise UserError(f"--data.batch came as {batch}, but bench times at most {EXAMPLES}: take a smaller one")
    precision = devices.configure(recipe.seed, recipe.precision)
    model = build(recipe)
    steps, per_execution = epoch_steps(EXAMPLES, batch)
    compile_model(model, recipe, steps, per_execution)
    stopwatch = tf.Variable(0.0, dtype=tf.float64)
    data = recipe.data.synthetic(max(4 * batch, 2048), stopwatch)
    model.fit(data, steps_per_epoch=per_execution, epochs=1, shuffle=False, verbose=0)
    first = time.time() - psutil.Process().create_time()
    iterator, waited = iter(data), []

    def execute() -> float:
        before, start = float(stopwatch), time.perf_counter()
        float(model.train_function(iterator)["loss"])  # `float` waits until the steps have been computed
        took = time.perf_counter() - start
        waited.append((float(stopwatch) - before) / took)
        return took / per_execution

    times = repeat(execute, seconds, per_execution)
    flop, step = training_flop(model, next(iterator)), median(times)
    inputs = next(iterator)[0]
    kept = recipe.method.finish(without_heads(model))
    forward = tf.function(lambda x: kept(x, training=False), jit_compile=devices.compiled(recipe.xla))
    first_of_all = tf.nest.map_structure(lambda x: x[:1], inputs)
    at_once, alone = (
        median(repeat(lambda x=x: timed(lambda: forward(x).numpy()), seconds / 4)) for x in (inputs, first_of_all)
    )
    speed = matmul_gflops()
    return {
        "name": recipe.name,
        "batch": batch,
        "precision": precision,
        "parameters": sum(int(np.prod(v.shape)) for v in kept.trainable_variables),
        "step_ms_median": round(1e3 * step, 3),
        "step_ms_min": round(1e3 * min(times), 3),
        "examples_per_second": round(batch / step, 2),
        "first_step_seconds": round(first, 2),
        "share_waiting_for_data": round(median(waited), 4),
        "flop_per_step": flop,
        "gflops": flop and round(1e-9 * flop / step, 1),
        "matmul_gflops": round(speed, 1),
        "share_of_matmul_speed": flop and round(1e-9 * flop / step / speed, 3),
        "inference_examples_per_second": round(batch / at_once, 2),
        "batch_1_ms_median": round(1e3 * alone, 3),
        "peak_rss_mb": round(peak_memory() / 2**20),
        "threads": len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else psutil.cpu_count(),
    }


def timed(call: Callable[[], object]) -> float:
    """Seconds that the call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def repeat(call: Callable[[], float], seconds: float, steps: int = 1) -> list[float]:
    """The times that repeated calls return, each per step of `steps`: after a warm-up, for `seconds`, at least five."""
    warm = time.perf_counter()
    while time.perf_counter() - warm < min(1.0, seconds):
        call()
    times: list[float] = []
    while len(times) < 5 or steps * sum(times) < seconds:
        times.append(call())
    return times


def training_flop(model, batch: tuple) -> int | None:
    """Multiplications and additions in the matrix products and convolutions of one step, forward and backward.

    None if the graph has loops, as most recurrent layers do: it does not say how many iterations they run.
    """

    @tf.function
    def step(inputs, targets, weights=None):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(inputs, targets, model(inputs, training=True), weights)
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    shapes = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), batch)
    # Count only what the gradients depend on: TensorFlow prunes the rest, such as the gradient of the inputs.
    waiting = [tensor.op for tensor in step.get_concrete_function(*shapes).outputs]
    needed = {}
    while waiting:
        op = waiting.pop()
        if op.name not in needed:
            needed[op.name] = op
            waiting += [tensor.op for tensor in op.inputs]
    if any(op.type in ("While", "StatelessWhile") for op in needed.values()):
        return None
    return sum(flop_of(op) for op in needed.values())


def flop_of(op: tf.Operation) -> int:
    """The same for one operation of a graph with fixed shapes; 0 if it is neither a product nor a convolution."""
    kind = op.type.removeprefix("DepthwiseConv2dNative").removeprefix("Conv2D")
    if op.type in ("Conv2D", "DepthwiseConv2dNative"):
        kernel, result = op.inputs[1], op.outputs[0]
    elif kind == "BackpropInput":
        kernel, result = op.inputs[1], op.inputs[2]
    elif kind == "BackpropFilter":
        kernel, result = op.outputs[0], op.inputs[2]
    elif op.type == "Einsum":
        terms = op.get_attr("equation").decode().split("->")[0].split(",")
        sizes = {
            letter: size
            for term, x in zip(terms, op.inputs, strict=True)
            for letter, size in zip(term, x.shape, strict=True)
        }
        return 2 * int(np.prod(list(sizes.values()))) if len(terms) > 1 else 0
    elif op.type in ("MatMul", "BatchMatMulV2"):
        across = "transpose_a" if op.type == "MatMul" else "adj_x"
        inner = op.inputs[0].shape[-2 if op.get_attr(across) else -1]
        return 2 * inner * int(np.prod(op.outputs[0].shape))
    else:
        return 0
    # A depthwise kernel is (height, width, channels, multiplier): each output is computed from one channel.
    field = kernel.shape[:2] if op.type.startswith("Depthwise") else kernel.shape[:-1]
    return 2 * int(np.prod(result.shape)) * int(np.prod(field))


def matmul_gflops() -> float:
    """Billions of multiplications and additions per second in a float32 matrix product in TensorFlow."""
    square = tf.random.stateless_uniform((MATRIX, MATRIX), seed=(0, 0))

    def product():
        return tf.matmul(square, square)[0, 0].numpy()

    times = repeat(lambda: timed(product), 1.0)
    return 2e-9 * MATRIX**3 / min(times)


def peak_memory() -> int:
    """The peak memory of this process, in bytes."""
    try:
        import resource
    except ImportError:
        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
