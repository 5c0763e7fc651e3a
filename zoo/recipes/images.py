"""Recipes for pictures. `python -m zoo.fit NAME`.

What several recipes share has its reason here; a recipe says why it departs from that.
"""

from functools import partial

from zoo.data import Augment, Images
from zoo.models import alexnet, bigmodel, cnn, googlenet, inception_v3, resnet, vgg, vit, xception
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

# 0.06 of the side is the 1 to 2 of 28 pixels by which handwriting is off centre.
HANDWRITING = Augment(shift=0.06)
# Mirrored, and up to 4 of 32 pixels off: the standard of He 2015, section 4.2.
MIRROR_AND_SHIFT = Augment(flip=True, shift=0.125)
# The same, and a rectangle erased from every second picture (Zhong 2017), against memorising over many epochs.
MIRROR_SHIFT_AND_ERASE = Augment(flip=True, shift=0.125, erase=0.5)
# Adam's usual rate; the warm-up lets its moments settle at it.
USUAL = Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01)
# Twice that, since the epochs are few.
QUICK = Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01)
# Half of it, and no gradient longer than 1, for what is deep and not normalised.
CAREFUL = Optimizer("adamw", rate=5e-4, warmup=0.1, weight_decay=0.01, clip=1.0)
# Batches so small that an epoch of digits makes 78 steps: what is deep needs many.
SMALL = 16
SMOOTH = Classification(label_smoothing=0.1)  # Szegedy 2015, section 7

IMAGES = (
    # python -m zoo.fit cnn                      (digits, no network)
    # python -m zoo.fit cnn --data.name mnist
    Recipe(
        name="cnn",
        # A quarter, not the usual half: the shifts keep it from memorising too, and the epochs are few.
        model=partial(cnn, dropout=0.25),
        data=Images("digits", augment=HANDWRITING),
        task=Classification(),
        optimizer=QUICK,
        epochs=8,
    ),
    # python -m zoo.fit bigmodel
    Recipe(
        name="bigmodel",
        model=partial(bigmodel, dropout=0.5),  # Srivastava 2014, section 4: a half for hidden units
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
        monitor="val_accuracy",  # with smoothed labels the loss and the accuracy are not best together
        # Faster on a processor with bfloat16 instructions; --precision float32 for others.
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit alexnet
    Recipe(
        name="alexnet",
        # 512 of the paper's 4096 units: a tenth of the weights, for a thousandth of its pictures.
        model=partial(alexnet, units=512),
        data=Images("digits", size=(64, 64), augment=HANDWRITING),  # it needs 63 pixels a side
        task=Classification(),
        optimizer=CAREFUL,
        epochs=12,
    ),
    # python -m zoo.fit vgg11
    Recipe(
        name="vgg11",
        model=partial(vgg, batch_normalization=True, units=512),
        data=Images("digits", batch=SMALL, size=(32, 32), augment=HANDWRITING),  # it needs 32 pixels a side
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
        data=Images("digits", batch=SMALL, size=(75, 75), augment=HANDWRITING),  # it needs 75 pixels a side
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
        model=partial(vit, variant="micro", dropout=0.1),  # patches of 4 make 49 of 28x28
        data=Images("digits", augment=HANDWRITING),
        task=Classification(),
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.05),
        epochs=30,
        xla="on",  # joins the many small operations, which pays where there are no convolutions to slow down
    ),
    # python -m zoo.fit cnn-fashion
    Recipe(
        name="cnn-fashion",
        model=partial(cnn, units=48, dropout=0.15),  # the chapters' network with 48 units: below 100,000 weights
        # Clothes are shown from both sides. Moved by a pixel at most (0.036 of 28): if they stay where they are, the
        # validation loss rises from the middle of the training on.
        data=Images("fashion_mnist", batch=64, augment=Augment(flip=True, shift=0.036)),
        task=Classification(),
        # The weights that are kept are an average over about the last thousand steps.
        optimizer=Optimizer("muon", rate=3e-3, warmup=0.1, weight_decay=0.05, ema=0.999),
        epochs=30,
        monitor="last",  # the validation split chooses no epoch
    ),
    # python -m zoo.fit resnet20-fashion
    Recipe(
        name="resnet20-fashion",
        model=partial(resnet),
        # Clothes are shown from both sides; 2 of 28 pixels off; a rectangle erased from every second one.
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
        # muon needs fewer epochs here than sgd with momentum.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1),
        epochs=40,
        monitor="last",
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit vgg11-cifar10
    Recipe(
        name="vgg11-cifar10",
        # 512 units are enough for one place of 512 channels, which is what five halvings leave of 32x32.
        # Less dropout than the paper's half, since batch normalisation regularises too; rectangles are erased instead.
        model=partial(vgg, batch_normalization=True, units=512, dropout=0.2),
        data=Images("cifar10", batch=512, augment=MIRROR_SHIFT_AND_ERASE),
        task=SMOOTH,
        # Muon orthogonalises matrices of 4608x512: in batches of 512 it does so a quarter as often. Rate and decay are
        # twice those of the other recipes, so that as much decays in an epoch.
        optimizer=Optimizer("muon", rate=8e-3, warmup=0.1, weight_decay=0.2),
        epochs=30,
        monitor="last",
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit vit-cifar10
    Recipe(
        name="vit-cifar10",
        # The hybrid of section 3.1: two convolutions teach it what is near. They leave 64 tokens, like patches of 4.
        model=partial(vit, variant="micro", patch=1, stem=(32, 64), dropout=0.1),
        data=Images("cifar10", batch=128, augment=MIRROR_AND_SHIFT),
        task=SMOOTH,
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.1),
        epochs=20,
        monitor="last",
        precision="mixed_bfloat16",
    ),
)
