"""Recipes for sounds. `python -m zoo.fit NAME`."""

from zoo.data import Speech, Vary
from zoo.models.rnn import gru, lstm
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

# Twice the usual rate, since there are few epochs; gradients are clipped at 1, because they can explode in a recurrent
# network (Pascanu 2013).
STEADY = Optimizer("adamw", rate=2e-3, warmup=0.1, weight_decay=0.01, clip=1.0)
# Small batches, so that an epoch has enough steps in spite of the few sounds.
SMALL = 32

AUDIO = (
    # python -m zoo.fit lstm                     (dtmf, no network)
    # python -m zoo.fit lstm --data.folder sounds/
    Recipe(
        name="lstm",
        model=lstm,
        data=Speech("dtmf", batch=SMALL),
        task=Classification(),
        optimizer=STEADY,
        epochs=10,
    ),
    # python -m zoo.fit gru
    Recipe(
        name="gru",
        model=gru,
        data=Speech("dtmf", batch=SMALL),
        task=Classification(),
        optimizer=STEADY,
        epochs=10,
    ),
    # python -m zoo.fit lstm-digits
    # python -m zoo.fit lstm-digits --data.speakers apart
    Recipe(
        name="lstm-digits",
        model=lstm,
        # Centred, for voices that are not in training (dialling tones are not centred: being constant, they would
        # vanish). Augmented a little, since there are few recordings.
        data=Speech("spoken_digit", centred=True, batch=SMALL, vary=Vary(shift=0.03, speed=0.1, pitch=0.05)),
        task=Classification(),
        optimizer=STEADY,
        epochs=30,
    ),
)
