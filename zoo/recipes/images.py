"""Recipes for pictures. `python -m zoo.fit NAME`; each number has its reason beside it."""

from functools import partial

from zoo.data import Augment, Images
from zoo.models import bigmodel, cnn, resnet, vgg, vit
from zoo.training import Classification, Optimizer, Recipe

IMAGES = (
    # python -m zoo.fit cnn                      (digits, no network)
    # python -m zoo.fit cnn --data.name mnist
    Recipe(
        name="cnn",
        # A quarter, not the usual half: the shifts keep it from learning by heart too, and the epochs are few.
        model=partial(cnn, dropout=0.25),
        # 0.06 of 28 pixels is the 1 to 2 pixels by which handwriting is off centre.
        data=Images("digits", augment=Augment(shift=0.06)),
        task=Classification(),
        # Twice Adam's usual 1e-3, since the epochs are few; the warm-up lets its moments settle at that rate.
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01),
        epochs=8,
    ),
    # python -m zoo.fit bigmodel
    Recipe(
        name="bigmodel",
        model=partial(bigmodel, dropout=0.5),  # Srivastava 2014, section 4: a half for hidden units
        data=Images("digits"),
        task=Classification(),
        # Adam's usual rate.
        optimizer=Optimizer("adamw", rate=1e-3, warmup=0.1, weight_decay=0.01),
        epochs=10,
    ),
    # python -m zoo.fit bigmodel-cifar10
    Recipe(
        name="bigmodel-cifar10",
        model=partial(bigmodel, batch_normalization=True, dropout=0.5),
        # Mirrored, and up to 4 pixels off: the standard of He 2015, section 4.2.
        data=Images("cifar10", batch=128, augment=Augment(flip=True, shift=0.125)),
        task=Classification(label_smoothing=0.1),  # Szegedy 2015, section 7
        optimizer=Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.02),
        epochs=15,
        monitor="val_accuracy",  # with smoothed labels the loss and the accuracy are not best together
        # Faster on a processor with bfloat16 instructions; --precision float32 for others.
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit resnet20-cifar10
    Recipe(
        name="resnet20-cifar10",
        model=partial(resnet),
        # Mirrored, and up to 4 pixels off: He 2015, section 4.2.
        data=Images("cifar10", batch=128, augment=Augment(flip=True, shift=0.125)),
        task=Classification(),
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.1, weight_decay=0.05),
        epochs=40,
        monitor="last",  # the validation split decides nothing, so that its figure is one on unseen pictures
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit vgg11-cifar10
    Recipe(
        name="vgg11-cifar10",
        # 512 units are enough for one place of 512 channels, which is what five halvings leave of 32x32.
        model=partial(vgg, batch_normalization=True, units=512),
        data=Images("cifar10", batch=128, augment=Augment(flip=True, shift=0.125)),
        task=Classification(label_smoothing=0.1),  # Szegedy 2015, section 7
        optimizer=Optimizer("muon", rate=2e-3, warmup=0.1, weight_decay=0.05),
        epochs=20,
        monitor="last",
        precision="mixed_bfloat16",
    ),
    # python -m zoo.fit vit-cifar10
    Recipe(
        name="vit-cifar10",
        # The hybrid of section 3.1: two convolutions teach it from the start what is near.
        model=partial(vit, patch=2, stem=(64,), dropout=0.1),
        data=Images("cifar10", batch=128, augment=Augment(flip=True, shift=0.125)),
        task=Classification(label_smoothing=0.1),
        optimizer=Optimizer("muon", rate=2e-3, warmup=0.1, weight_decay=0.1),
        epochs=20,
        monitor="last",
        precision="mixed_bfloat16",
        xla="on",
    ),
)
