"""What becomes of pixels in 0..255 before the first convolution: part of the network, so that a saved one knows it."""

from keras import layers, ops

# What keras.applications subtracts for the networks that were first trained in Caffe: blue, green, red.
CAFFE_MEAN = (103.939, 116.779, 123.68)


def scaled(pixels, scaling: str):
    """(B, H, W, C) pixels in 0..255 as the network wants them.

    Args:
        pixels: the network's input.
        scaling: "unit" to 0..1; "symmetric" to -1..1, the "tf" mode of keras.applications; "caffe" to blue,
            green and red less their means over ImageNet, its "caffe" mode.

    Raises:
        ValueError: another word, or "caffe" on pictures that are not in colour.
    """
    if scaling == "unit":
        return layers.Rescaling(1 / 255, name="rescale")(pixels)
    if scaling == "symmetric":
        return layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(pixels)
    if scaling != "caffe":
        raise ValueError(f"scaling came as {scaling!r}, but must be unit, symmetric or caffe")
    if pixels.shape[-1] != 3:
        raise ValueError(f"scaling came as 'caffe', which is for 3 channels, but the pictures have {pixels.shape[-1]}")
    return layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN], name="rescale")(ops.flip(pixels, axis=-1))
