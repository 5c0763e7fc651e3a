"""Teaches a trained network other classes: `python -m zoo.finetune logs/cnn-1f3a9c --data.folder pictures/`."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import tyro
from keras import layers, ops

from zoo.command import main, parse_for
from zoo.data import Images
from zoo.errors import UserError
from zoo.fit import Options as FitOptions
from zoo.fit import fit, summary, typed
from zoo.training import Classification, Optimizer, runs
from zoo.training.runs import Run
from zoo.training.thaw import FineTuning
from zoo.weights import PUBLISHED, check_is_no_network, pretrained

HELP = """usage: python -m zoo.finetune RUN [OPTIONS]
       python -m zoo.finetune NETWORK --weights imagenet [OPTIONS]

RUN is a folder that fit named last, such as logs/cnn-1f3a9c; NETWORK one of
  {networks}

`python -m zoo.finetune RUN --help` shows the options."""


@dataclass(frozen=True)
class Weights:
    """What the recipe depends on before any other flag."""

    weights: str | None = None
    """For a network instead of a run: imagenet, or a file in the format of published weights."""


@dataclass(frozen=True)
class Options(Weights, FitOptions):
    """The weights, and what `fit` asks for."""


def finetune(
    base: Run | Path | str,
    data: Images,
    *,
    weights: str | None = None,
    logs: Path | str = Path("logs"),
    fresh: bool = False,
) -> Run:
    """Fits a new head on a trained body, which thaws from the head down; a run like any other.

    For other settings: `fit(dataclasses.replace(recipe_for(base), data=data, epochs=20))`.

    Args:
        base: a run, or with `weights` the name of a network of zoo.weights.PUBLISHED.
        data: what to learn; its pictures must have the size of those on which the base was trained.
        weights: "imagenet" or a file in that format.
        logs: folder of the runs.
        fresh: start anew beside an earlier run of the same recipe.

    Raises:
        UserError: the base or the data cannot be used.
    """
    return fit(replace(recipe_for(base, weights), data=data), logs=Path(logs), fresh=fresh)


def recipe_for(base: Run | Path | str, weights: str | None = None) -> FineTuning:
    """The recipe that fine-tunes that base, as it is before any flag."""
    base = str(base.path if isinstance(base, Run) else base)
    if not weights:
        base = short(Path(base))
    elif weights != "imagenet":
        weights = short(Path(weights))
    model = load(base, weights)
    name = base if weights else runs.open_for_reading(Path(base)).record["recipe"]["name"]
    return FineTuning(
        name=f"finetuned-{name}",
        model=partial(transferred, base=base, weights=weights, digest=digest_of(model)),
        data=Images(size=model.input_shape[1:3], batch=32),
        task=Classification(),
        # Adam's usual rate, for a head that begins at random; the body below it gets a fraction of it.
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01),
        epochs=12,
    )


def short(path: Path) -> str:
    """The path as seen from here, so that one run or file has one name however it is typed."""
    try:
        return os.path.relpath(path)
    except ValueError:  # another drive of Windows
        return str(path)


def transferred(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    base: str,
    weights: str | None = None,
    digest: str = "",
) -> keras.Model:
    """The base with a new last layer, and with its pictures' channels made from those of the data.

    Args:
        input_shape: (height, width, channels) of the data's pictures in pixels.
        classes: number of classes.
        base: folder of a run, or with `weights` the name of a network.
        weights: "imagenet" or a file in that format.
        digest: of the base's weights below its head: other weights make another recipe.

    Returns:
        An uncompiled functional model: (batch, height, width, channels) pixels in 0..255
        to (batch, classes) float32 logits.

    Raises:
        ValueError: the pictures have another size than the base's.
        UserError: the base is no longer what it was.
    """
    trained = load(base, weights, tuple(input_shape[:2]))
    if digest and digest != digest_of(trained):
        raise UserError(f"{base} has changed since this began: type the same command when it has been trained")
    height, width, channels = trained.input_shape[1:]
    if tuple(input_shape[:2]) != (height, width):
        raise ValueError(
            f"pictures are {input_shape[0]}x{input_shape[1]} pixels, but {base} was trained on {height}x{width}: "
            f"give --data.size {height} {width}"
        )
    inputs = keras.Input(input_shape, name="pixels")

    def call(layer, *given, **named):
        return layer(*(with_channels(x, channels) if x is inputs else x for x in given), **named)

    body = keras.Model(trained.input, trained.get_layer("logits").input)
    copy = keras.models.clone_model(body, input_tensors=inputs, clone_function=as_now, call_function=call)
    copy.set_weights(body.get_weights())
    logits = layers.Dense(classes, dtype="float32", name="logits")(copy.output)
    return keras.Model(inputs, logits, name=trained.name)


def with_channels(pixels, channels: int):
    """Grey pictures in colour, or colour pictures in grey, if that many channels are wanted."""
    if (pixels.shape[-1], channels) == (1, 3):
        return layers.Concatenate(name="grey_to_colour")([pixels] * 3)
    if (pixels.shape[-1], channels) == (3, 1):
        return ops.image.rgb_to_grayscale(pixels)
    return pixels


def as_now(layer):
    """A copy of the layer in the precision that is set now, and free to learn: it may have been saved frozen."""
    if not isinstance(layer, keras.Layer):
        return layer
    now = {"dtype": keras.config.dtype_policy().name, "trainable": True}
    return type(layer).from_config(layer.get_config() | now)


def load(base: str, weights: str | None, size: tuple[int, int] | None = None) -> keras.Model:
    """The trained network; a published one, whose head is not kept, for pictures of that size.

    Raises:
        UserError: there is none, or it sees no pictures or does not end in a layer called "logits".
    """
    if weights:
        return pretrained(base, weights=weights, input_shape=size and (*size, 3), new_head=size is not None)
    check_is_no_network(base)
    model = runs.open_for_reading(Path(base)).model()
    if len(model.input_shape) != 4:
        raise UserError(f"{base} does not see pictures: only networks that do can be fine-tuned")
    if "logits" not in [layer.name for layer in model.layers]:
        raise UserError(f"{base} holds a network without a layer called logits: its head cannot be replaced")
    return model


def digest_of(model: keras.Model) -> str:
    """Twelve hexadecimal digits that change with any weight below the head."""
    whole = hashlib.sha256()
    for layer in model.layers:
        for weight in layer.weights if layer.name != "logits" else ():
            whole.update(ops.convert_to_numpy(weight).tobytes())
    return whole.hexdigest()[:12]


def run_command(argv: list[str]) -> int:
    """Fine-tunes what the command line names."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format(networks=" ".join(PUBLISHED)))
        return 0 if argv else 2
    if argv[0].startswith("-"):
        raise UserError(f"{argv[0]} came before a run: wanted `python -m zoo.finetune RUN [OPTIONS]`")
    # The weights decide what the other flags' defaults are.
    given, _ = tyro.cli(Weights, args=argv[1:], return_unknown_args=True, add_help=False)
    recipe, options = parse_for(recipe_for(argv[0], given.weights), "finetune", argv, Options)
    command = typed("finetune", argv)
    run = fit(recipe, logs=options.logs, fresh=options.fresh, profile=options.profile, command=command)
    print(summary(recipe, run))
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
