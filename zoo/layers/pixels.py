"""The scaling of pixels, as part of the network, so that a saved network takes the same images as the trained one."""

from keras import layers, ops

# ImageNet's means of blue, green and red, which keras.applications subtracts for networks first trained in Caffe.
CAFFE_MEAN = (103.939, 116.779, 123.68)


def scaled(pixels, scaling: str):
    """Scales pixels in 0..255.

    Args:
        pixels: (B, H, W, C), the network's input.
        scaling: "unit": to 0..1. "symmetric": to -1..1, the "tf" mode of keras.applications. "caffe": to blue, green
            and red minus their means over ImageNet, the "caffe" mode of keras.applications.

    Returns:
        (B, H, W, C).

    Raises:
        ValueError: scaling is unknown, or is "caffe" and the images do not have 3 channels.
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
