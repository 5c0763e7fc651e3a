"""Fine-tunes a trained network on other data: `python -m zoo.finetune logs/cnn-1f3a9c --data.folder pictures/`."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from zoo.command import Weights, apart, first_word, main, parse_for, typed
from zoo.errors import UserError
from zoo.fit import Options as FitOptions
from zoo.fit import fit, summary
from zoo.opened import check_is_run, opened
from zoo.pretrained import IMAGENET

if TYPE_CHECKING:
    import keras

    from zoo.data import Source
    from zoo.tasks import Task
    from zoo.training import Recipe, Run

USAGE = "RUN [OPTIONS]"
ABOUT = f"""RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c; or with --weights imagenet one of
  {" ".join(IMAGENET)}
`python -m zoo.finetune RUN --help` shows the options."""


@dataclass(frozen=True)
class Options(Weights, FitOptions):
    """The options of `fit`, and published weights."""


def finetune(
    base: Run | Path | str,
    data: Source,
    *,
    weights: str | None = None,
    logs: Path | str = Path("logs"),
    fresh: bool = False,
    source: Source | None = None,
    task: Task | None = None,
) -> Run:
    """Trains a new head on a trained body, which is gradually unfrozen from the top down; returns a run like any other.

    For other settings: `fit(dataclasses.replace(recipe_for(base), data=data, epochs=20))`.

    Args:
        base: a run, or with `weights` the name of a network of `zoo.pretrained.IMAGENET`.
        data: what to learn; its inputs must have the same form as those on which the base was trained.
        weights: "imagenet" or a file in that format.
        logs: folder in which runs are stored.
        fresh: start a new run beside earlier ones of the same recipe.

    Raises:
        UserError: the base or the data cannot be used.
    """
    recipe = recipe_for(base, weights, source=source, task=task)
    return fit(replace(recipe, data=data), logs=Path(logs), fresh=fresh)


def recipe_for(
    base: Run | Path | str,
    weights: str | None = None,
    *,
    source: Source | None = None,
    task: Task | None = None,
) -> Recipe:
    """The recipe that fine-tunes the base, with its default settings."""
    from zoo.data import Images
    from zoo.tasks import Classification
    from zoo.training import Optimizer, Recipe, Thaw

    base = Path(getattr(base, "path", base))  # a path, since runs are called by the way that leads to it
    if weights is not None:
        base, weights = str(base), weights if weights == "imagenet" else Path(weights)
        model = load(base, weights)
        name, task, data = base, Classification(), Images(size=model.input_shape[1:3], batch=32)
    else:
        found = opened(base, source=source, task=task)
        model = with_head(found.model, base)
        name, task = found.run.record["recipe"]["name"], found.task
        data = found.source.beside(found.run.path, found.spec)
    return Recipe(
        name=f"finetuned-{name}",
        model=partial(transferred, base=base, weights=weights, digest=digest_of(model)),
        data=data,
        task=task,
        method=Thaw(),
        # Adam's usual rate, for the randomly initialised head; the layers of the body get fractions of it.
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01),
        epochs=12,
    )


def transferred(
    input_shape: tuple[int, ...] | None = None,
    classes: int | None = None,
    vocabulary: int | None = None,
    context: int | None = None,
    carried: int | None = None,
    *,
    base: Annotated[Path | str, tyro.conf.Suppress],
    weights: Annotated[Path | str | None, tyro.conf.Suppress] = None,
    digest: Annotated[str, tyro.conf.Suppress] = "",
) -> keras.Model:
    """The base with a new last layer, and for pictures with the channels of the data converted to its own.

    Args:
        input_shape: of one input of the data; for pictures (height, width, channels) in pixels; None for text.
        classes: labels to tell apart, or numbers to predict.
        vocabulary: for text, the number of tokens, which the new layer predicts if there are no classes.
        context: for text, the number of tokens of a window.
        carried: for text whose state is carried from window to window, the number of texts that are read side by side.
        base: folder of a run, or with `weights` the name of a network.
        weights: "imagenet" or a file in that format.
        digest: of the base's weights below its head, so that other weights make another recipe.

    Returns:
        An uncompiled functional model from the data's inputs to float32 logits: (batch, classes), or (batch, positions,
        classes) if the base predicts at each position.

    Raises:
        ValueError: the data's inputs have another form than those of the base.
        UserError: the base has changed since the recipe was made.
    """
    import keras

    trained = load(base, weights, tuple(input_shape[:2]) if input_shape else None)
    if digest and digest != digest_of(trained):
        raise UserError(f"{base} has changed since this run was started: type the command again when it is trained")
    wanted, given = trained.input_shape[1:], input_shape or (context,)
    pictures = len(wanted) == 3
    if pictures and tuple(given[:2]) != wanted[:2]:
        raise ValueError(
            f"pictures are {given[0]}x{given[1]} pixels, but {base} was trained on {wanted[0]}x{wanted[1]}: "
            f"give --data.size {wanted[0]} {wanted[1]}"
        )
    if (not pictures and tuple(given) != wanted) or trained.input.shape[0] not in (None, carried):
        raise ValueError(f"inputs are {(carried, *given)}, but {base} was trained on {trained.input.shape}")
    inputs = keras.Input(batch_shape=(carried, *given), dtype=trained.input.dtype, name=trained.input.name)

    def call(layer, *given, **named):
        return layer(*(with_channels(x, wanted[-1]) if pictures and x is inputs else x for x in given), **named)

    body = keras.Model(trained.input, trained.get_layer("logits").input)
    copy = keras.models.clone_model(body, input_tensors=inputs, clone_function=as_now, call_function=call)
    copy.set_weights(body.get_weights())
    logits = keras.layers.Dense(classes or vocabulary, dtype="float32", name="logits")(copy.output)
    return keras.Model(inputs, logits, name=trained.name)


def with_channels(pixels, channels: int):
    """Pixels with the wanted number of channels: grey converted to RGB, or RGB to grey, if necessary."""
    from keras import layers, ops

    if (pixels.shape[-1], channels) == (1, 3):
        return layers.Concatenate(name="grey_to_colour")([pixels] * 3)
    if (pixels.shape[-1], channels) == (3, 1):
        return ops.image.rgb_to_grayscale(pixels)
    return pixels


def as_now(layer):
    """A trainable copy of the layer in the current precision; the layer may have been saved frozen."""
    import keras

    if not isinstance(layer, keras.Layer):
        return layer
    now = {"dtype": keras.config.dtype_policy().name, "trainable": True}
    return type(layer).from_config(layer.get_config() | now)


def load(base: Path | str, weights: Path | str | None, size: tuple[int, int] | None = None) -> keras.Model:
    """The trained network; a published one with a new head for pictures of `size`, if that is given.

    Raises:
        UserError: there is none, or it has no layer called "logits", or several inputs.
    """
    if weights is not None:
        from zoo.pretrained.applications import pretrained

        return pretrained(base, weights=weights, input_shape=size and (*size, 3), new_head=size is not None)
    from zoo.training import runs

    check_is_run(Path(base))
    return with_head(runs.open_for_reading(Path(base)).model(), base)


def with_head(model: keras.Model, base: Path | str) -> keras.Model:
    """The network of the run `base` itself.

    Raises:
        UserError: it has no layer called "logits", or several inputs.
    """
    if "logits" not in [layer.name for layer in model.layers]:
        raise UserError(f"{base} holds a network without a layer called logits: it has no head that can be replaced")
    if len(model.inputs) > 1:
        raise UserError(f"{base} holds a network of {len(model.inputs)} inputs: those of one can be fine-tuned")
    return model


def digest_of(model: keras.Model) -> str:
    """Twelve hexadecimal digits that change with any weight below the head."""
    from keras import ops

    digest = hashlib.sha256()
    for layer in model.layers:
        for weight in layer.weights if layer.name != "logits" else ():
            digest.update(ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()[:12]


def run_command(argv: list[str]) -> int:
    """Fine-tunes what the command line names."""
    name = first_word("finetune", argv, USAGE, ABOUT)
    weights, _ = apart(argv[1:])  # they determine the defaults of the other flags
    if weights is None:
        check_is_run(Path(name))
    recipe, options = parse_for(recipe_for(name, weights), "finetune", argv, Options)
    command = typed("finetune", argv)
    how = {"fresh": options.fresh, "quiet": options.quiet, "profile": options.profile}
    run = fit(recipe, logs=options.logs, command=command, **how)
    print(summary(recipe, run))
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
