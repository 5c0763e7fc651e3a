"""Recipes for pictures. `python -m zoo.fit NAME`.

Settings that several recipes share are explained where they are defined; a recipe explains where it departs from them.
"""

from functools import partial

from zoo.data import Augment, Images
from zoo.models import alexnet, bigmodel, cnn, googlenet, inception_v3, resnet, vgg, vit, xception
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

# 0.06 of the side: handwriting is off centre by 1 to 2 of 28 pixels.
HANDWRITING = Augment(shift=0.06)
# Mirroring, and shifts by up to 4 of 32 pixels: the standard augmentation of He 2015, section 4.2.
MIRROR_AND_SHIFT = Augment(flip=True, shift=0.125)
# The same, with a rectangle erased from half of the pictures (Zhong 2017), against memorising over many epochs.
MIRROR_SHIFT_AND_ERASE = Augment(flip=True, shift=0.125, erase=0.5)
# Adam's usual rate; during the warm-up its moment estimates settle.
USUAL = Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01)
# Twice that rate, since there are few epochs.
QUICK = Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01)
# Half of it, with gradients clipped at 1, for deep networks without normalisation.
CAREFUL = Optimizer("adamw", rate=5e-4, warmup=0.1, weight_decay=0.01, clip=1.0)
# Batches small enough that an epoch of digits has 78 steps: deep networks need many.
SMALL = 16
SMOOTH = Classification(label_smoothing=0.1)  # Szegedy 2015, section 7

IMAGES = (
    # python -m zoo.fit cnn                      (digits, no network)
    # python -m zoo.fit cnn --data.name mnist
    Recipe(
        name="cnn",
        # A quarter instead of the usual half: the shifts regularise too, and there are few epochs.
        model=partial(cnn, dropout=0.25),
        data=Images("digits", augment=HANDWRITING),
        task=Classification(),
        optimizer=QUICK,
        epochs=8,
    ),
    # python -m zoo.fit bigmodel
    Recipe(
        name="bigmodel",
        model=partial(bigmodel, dropout=0.5),  # Srivastava 2014, section 4: 0.5 for hidden units
        data=Images("digits"),
        task=Classification(),
        optimizer=USUAL,
        epochs=10,
    ),
    # python -m zoo.fit bigmodel-cifar10
    Recipe(
        name="bigmodel-cifar10",
        model=partial(bigmodel, batch_normalization=True, dropout=0.5),
        data=Images("cifar10", batch=128, augment=MIRROR_AND_SHIFT),
        task=SMOOTH,
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.02),
        epochs=15,
        monitor="val_accuracy",  # with label smoothing, loss and accuracy are not best in the same epoch
        # Faster on a processor with bfloat16 instructions; for others, use --precision float32.
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit alexnet
    Recipe(
        name="alexnet",
        # 512 units instead of the paper's 4096: a tenth of the weights, for a thousandth of the pictures.
        model=partial(alexnet, units=512),
        data=Images("digits", size=(64, 64), augment=HANDWRITING),  # the network needs 63 pixels per side
        task=Classification(),
        optimizer=CAREFUL,
        epochs=12,
    ),
    # python -m zoo.fit vgg11
    Recipe(
        name="vgg11",
        model=partial(vgg, batch_normalization=True, units=512),
        data=Images("digits", batch=SMALL, size=(32, 32), augment=HANDWRITING),  # the network needs 32 pixels per side
        task=Classification(),
        optimizer=USUAL,
        epochs=8,
    ),
    # python -m zoo.fit googlenet
    Recipe(
        name="googlenet",
        model=partial(googlenet),
        data=Images("digits", size=(32, 32), augment=HANDWRITING),
        task=Classification(),
        optimizer=CAREFUL,
        epochs=15,
    ),
    # python -m zoo.fit inception_v3
    Recipe(
        name="inception_v3",
        model=partial(inception_v3),
        data=Images("digits", batch=SMALL, size=(75, 75), augment=HANDWRITING),  # the network needs 75 pixels per side
        task=SMOOTH,
        optimizer=USUAL,
        epochs=8,
    ),
    # python -m zoo.fit resnet20
    Recipe(
        name="resnet20",
        model=partial(resnet),
        data=Images("digits", augment=HANDWRITING),
        task=Classification(),
        optimizer=QUICK,
        epochs=15,
    ),
    # python -m zoo.fit resnet50
    Recipe(
        name="resnet50",
        model=partial(resnet, variant="resnet50"),
        data=Images("digits", batch=SMALL, size=(32, 32), augment=HANDWRITING),
        task=Classification(),
        optimizer=USUAL,
        epochs=8,
    ),
    # python -m zoo.fit xception
    Recipe(
        name="xception",
        model=partial(xception),
        data=Images("digits", batch=SMALL, size=(32, 32), augment=HANDWRITING),
        task=Classification(),
        optimizer=USUAL,
        epochs=8,
    ),
    # python -m zoo.fit vit
    Recipe(
        name="vit",
        model=partial(vit, variant="micro", dropout=0.1),  # 28x28 pixels give 49 patches of 4x4
        data=Images("digits", augment=HANDWRITING),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.05),
        epochs=30,
        xla="on",  # fuses the many small operations; it slows down convolutions, of which there are hardly any here
    ),
    # python -m zoo.fit cnn-fashion
    Recipe(
        name="cnn-fashion",
        model=partial(cnn, units=48, dropout=0.15),  # the chapters' network with 48 units: below 100,000 weights
        # Clothes may face either way. Shifted by at most one pixel (0.036 of 28): without shifts, the validation loss
        # rises in the second half of the training.
        data=Images("fashion_mnist", batch=64, augment=Augment(flip=True, shift=0.036)),
        task=Classification(),
        # The saved weights are an average over about the last thousand steps.
        optimizer=Optimizer("muon", rate=3e-3, warmup=0.1, weight_decay=0.05, ema=0.999),
        epochs=30,
        monitor="last",  # the validation split is not used to select an epoch
    ),
    # python -m zoo.fit resnet20-fashion
    Recipe(
        name="resnet20-fashion",
        model=partial(resnet),
        # Clothes may face either way; shifts by up to 2 of 28 pixels; a rectangle erased from half of the pictures.
        data=Images("fashion_mnist", batch=128, augment=Augment(flip=True, shift=0.08, erase=0.5)),
        task=SMOOTH,
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1),
        epochs=20,
        monitor="last",
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit resnet20-cifar10
    Recipe(
        name="resnet20-cifar10",
        model=partial(resnet),
        data=Images("cifar10", batch=128, augment=MIRROR_SHIFT_AND_ERASE),
        task=SMOOTH,
        # Muon needs fewer epochs here than SGD with momentum.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1),
        epochs=40,
        monitor="last",
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit vgg11-cifar10
    Recipe(
        name="vgg11-cifar10",
        # 512 units suffice, as five halvings reduce 32x32 pixels to one position of 512 channels.
        # Less dropout than the paper's 0.5, since batch normalisation and erased rectangles regularise too.
        model=partial(vgg, batch_normalization=True, units=512, dropout=0.2),
        data=Images("cifar10", batch=512, augment=MIRROR_SHIFT_AND_ERASE),
        task=SMOOTH,
        # Muon orthogonalises matrices of 4608x512; with batches of 512 instead of 128 it does so a quarter as often.
        # Rate and decay are twice those of the other recipes, so that the decay per epoch is the same.
        optimizer=Optimizer("muon", rate=8e-3, warmup=0.1, weight_decay=0.2),
        epochs=30,
        monitor="last",
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit vit-cifar10
    Recipe(
        name="vit-cifar10",
        # The hybrid of section 3.1: two convolutions give it locality. They leave 64 tokens, as patches of 4x4 would.
        model=partial(vit, variant="micro", patch=1, stem=(32, 64), dropout=0.1),
        data=Images("cifar10", batch=128, augment=MIRROR_AND_SHIFT),
        task=SMOOTH,
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1),
        epochs=20,
        monitor="last",
        precision="mixed_bfloat16",
    ),
)
