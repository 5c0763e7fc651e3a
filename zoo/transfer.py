"""A trained network, with a new last layer where the data have classes, which is what `finetune` trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from zoo.errors import UserError
from zoo.opened import check_is_run
from zoo.pretrained import module_of

if TYPE_CHECKING:
    import keras


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
    each: Annotated[bool, tyro.conf.Suppress] = False,
) -> keras.Model:
    """The base with a new last layer, and for pictures with the channels of the data converted to its own.

    A base that predicts the data's own tokens keeps its last layer, and has any number of inputs.

    Args:
        input_shape: of one input of the data; for pictures (height, width, channels) in pixels; None for text.
        classes: labels to tell apart, or numbers to predict.
        vocabulary: for text, the number of tokens, which must be that of the base.
        context: for text, the number of tokens of a window.
        carried: for text whose state is carried from window to window, the number of texts that are read side by side.
        base: folder of a run, or with `weights` the name of a network.
        weights: "imagenet", "hub", or a file or a folder of such weights.
        digest: of the base's weights below its head, so that other weights make another recipe.
        each: whether each token of a text has a class.

    Returns:
        An uncompiled functional model from the data's inputs to float32 logits: (batch, classes), or (batch, positions,
        classes or vocabulary) if the base predicts at each position.

    Raises:
        ValueError: the data's inputs have another form than those of the base.
        UserError: the base has changed since the recipe was made.
    """
    import keras

    from zoo.training.body import digest_of

    trained = load(base, weights, tuple(input_shape[:2]) if input_shape else None)
    if digest and digest != digest_of(trained):
        raise UserError(f"{base} has changed since this run was started: type the command again when it is trained")
    goes_on, known = classes is None, vocabulary
    if vocabulary is not None and "tokens" in [layer.name for layer in trained.layers]:
        known = trained.get_layer("tokens").input_dim
    elif goes_on and len(trained.output_shape) == 3:  # it has several tables of tokens, and predicts one at each place
        known = trained.output_shape[-1]
    if known != vocabulary:
        raise ValueError(
            f"the tokenizer knows {vocabulary} tokens, but {base} was trained on {known}: give its own, or leave out "
            "--data.tokenizer"
        )
    if goes_on and trained.output_shape[-1] != vocabulary:
        raise ValueError(f"{base} tells classes apart, and predicts no tokens: give --like a recipe for classes")
    trained = trained if goes_on else with_head(trained, base, each)
    given, form = input_shape or (context,), trained.inputs[0].shape
    pictures = len(form) == 4
    if pictures and tuple(given[:2]) != form[1:3]:
        raise ValueError(
            f"pictures are {given[0]}x{given[1]} pixels, but {base} was trained on {form[1]}x{form[2]}: "
            f"give --data.size {form[1]} {form[2]}"
        )
    fits = len(given) == len(form[1:]) and all(form[at] in (None, side) for at, side in enumerate(given, 1))
    if (not pictures and not fits) or form[0] not in (None, carried):
        raise ValueError(f"inputs are {(carried, *given)}, but {base} was trained on {form}")
    if goes_on:
        return copied(trained)
    inputs = keras.Input(batch_shape=(carried, *given), dtype=trained.input.dtype, name=trained.input.name)

    def call(layer, *given, **named):
        return layer(*(with_channels(x, form[-1]) if pictures and x is inputs else x for x in given), **named)

    body = keras.Model(trained.input, trained.get_layer("logits").input)
    copy = copied(body, input_tensors=inputs, call_function=call)
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(copy.output)
    return keras.Model(inputs, logits, name=trained.name)


def continued(
    *,
    base: Annotated[Path | str, tyro.conf.Suppress],
    digest: Annotated[str, tyro.conf.Suppress] = "",
    **spec,
) -> keras.Model:
    """The network of a run as it is, head and all, which `prune` goes on with.

    Args:
        base: folder of the run.
        digest: of its weights, so that others make another recipe.
        spec: what the data give, which must be what they gave to the base.

    Returns:
        An uncompiled functional model, a copy.

    Raises:
        ValueError: the data are of another form than those of the base.
        UserError: the base has changed since the recipe was made.
    """
    from zoo.training.body import digest_of

    trained = load(base, None)
    if digest and digest != digest_of(trained, whole=True):
        raise UserError(f"{base} has changed since this run was started: type the command again when it is trained")
    then, now = spec_of(base), json.loads(json.dumps(spec))
    if then != now:
        what = next(name for name in then | now if then.get(name) != now.get(name))
        raise ValueError(f"the data have {what} {now.get(what)}, but {base} was trained with {then.get(what)}")
    return copied(trained)


BUILDERS = (transferred, continued)  # of networks that begin as another one


def spec_of(base: Path | str) -> dict:
    """What the data of a run gave to its builder."""
    from zoo.training import runs

    return runs.open_for_reading(Path(base)).record["spec"]


def copied(model: keras.Model, **how) -> keras.Model:
    """A trainable copy in the current precision, made with `keras.models.clone_model`."""
    import keras

    copy = keras.models.clone_model(model, clone_function=as_now, **how)
    copy.set_weights(model.get_weights())
    return copy


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
    now = {"dtype": keras.config.dtype_policy().name} if layer.name != "logits" else {}
    return type(layer).from_config(layer.get_config() | now | {"trainable": True})


def load(base: Path | str, weights: Path | str | None, size: tuple[int, int] | None = None) -> keras.Model:
    """The trained network; a published one with a new head for pictures of `size`, if that is given.

    Raises:
        UserError: there is none.
    """
    if weights is not None:
        return module_of(str(base), str(weights)).base(str(base), str(weights), size)[0]
    from zoo.training import runs

    check_is_run(Path(base))
    return runs.open_for_reading(Path(base)).model()


def with_head(model: keras.Model, base: Path | str, each: bool = False) -> keras.Model:
    """The network of `base` in the form in which it has a head that can be replaced; see `transferred`.

    Raises:
        UserError: it has no layer called "logits", or this is not its last, or it has several inputs.
    """
    from zoo.models import tuning_of

    model = tuning_of(model).head(model, each=each)
    if "logits" not in [layer.name for layer in model.layers]:
        raise UserError(f"{base} holds a network without a layer called logits: it has no head that can be replaced")
    if len(model.inputs) > 1:
        raise UserError(f"{base} holds a network of {len(model.inputs)} inputs: those of one can be fine-tuned")
    if model.layers[-1].name != "logits":
        raise UserError(
            f"{base} holds a network with the layer {model.layers[-1].name} after its head, which a new head would "
            "lose: train one that ends with its layer logits, such as a tagger with --model.no-crf"
        )
    return model
