"""The methods by name, and which networks each can explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from zoo.errors import UserError
from zoo.explained import attention, cam, gradients, occlusion, surrogates
from zoo.explained.question import Attribution, Question, Settings, takes_tokens
from zoo.explained.segments import check_installed


@dataclass(frozen=True)
class Method:
    """A method.

    Args:
        compute: the attribution for a question.
        lacking: what a network lacks for it; None if nothing.
        package: that it needs besides what zoo itself needs.
        signed: whether values below zero speak against the explained number.
    """

    compute: Callable[[Question, Settings], Attribution]
    lacking: Callable[[keras.Model], str | None] = lambda model: None
    package: str | None = None
    signed: bool = True


def no_vectors(model: keras.Model) -> str | None:
    """What a network of tokens lacks for gradients."""
    found = any(isinstance(layer, keras.layers.Embedding) for layer in model.layers)
    return None if found or not takes_tokens(model) else "a layer that turns tokens into vectors"


def no_maps(model: keras.Model) -> str | None:
    """What a network lacks for Grad-CAM."""
    return None if cam.with_maps(model) else "convolutions over pictures"


def no_guide(model: keras.Model) -> str | None:
    """What a network lacks for guided Grad-CAM."""
    return no_maps(model) or (None if cam.rectified(model) else "ReLU")


def no_attention(model: keras.Model) -> str | None:
    """What a network lacks for maps of its attention."""
    return None if attention.attending(model) else "attention that zoo can read"


METHODS = {
    "gradient": Method(gradients.gradient, no_vectors),
    "gradient_x_input": Method(gradients.gradient_x_input, no_vectors),
    "smoothgrad": Method(gradients.smoothgrad, no_vectors),
    "integrated_gradients": Method(gradients.integrated_gradients, no_vectors),
    "grad_cam": Method(cam.grad_cam, no_maps, signed=False),
    "guided_grad_cam": Method(cam.guided_grad_cam, no_guide),
    "occlusion": Method(occlusion.occlusion),
    "lime": Method(surrogates.lime, package="lime"),
    "shap": Method(surrogates.shap, package="shap"),
    "gradient_shap": Method(surrogates.gradient_shap, no_vectors, package="shap"),
    "attention": Method(attention.attention, no_attention, signed=False),
    "attention_rollout": Method(attention.attention_rollout, no_attention, signed=False),
}


def check(names: Sequence[str], model: keras.Model) -> None:
    """Checks that these methods can explain the network.

    Raises:
        UserError: one cannot, or needs a package that is not installed.
    """
    for name in names:
        lacking = METHODS[name].lacking(model)
        if lacking:
            able = [other for other, method in METHODS.items() if method.lacking(model) is None]
            raise UserError(
                f"--method came as {name}, but {model.name} has no {lacking.removeprefix('a ')}: "
                f"these can explain it: {', '.join(able)}"
            )
        if METHODS[name].package:
            check_installed(METHODS[name].package)
