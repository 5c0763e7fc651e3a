"""Recipes for text. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Text
from zoo.models import gpt, lm
from zoo.tasks import LanguageModel
from zoo.training import Optimizer, Recipe

# Zaremba's rate of 1 and norm of 5 (2014, section 4.1) are for a loss that is summed over the 20 tokens of a window.
# The gradients of its mean are a 20th: so 20 times the rate, and a 20th of the norm. He halves the rate from the fifth
# epoch on; a cosine needs no such choice.
ZAREMBA = Optimizer("sgd", rate=20.0, clip=0.25)

TEXT = (
    # python -m zoo.fit gpt                      (pydocs, no network)
    # python -m zoo.fit gpt --data.file my.txt
    Recipe(
        name="gpt",
        model=gpt,
        data=Text("pydocs"),
        task=LanguageModel(),
        # Four times the usual rate, which so small a network tolerates, with nanoGPT's decay and clipping.
        optimizer=Optimizer("adamw", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=5,
        xla="on",  # joins the many small operations
    ),
    # python -m zoo.fit gpt-shakespeare
    # nanoGPT's setting for two cores (Karpathy 2022): 2,000 steps of 12 windows; validation loss 1.88 there.
    Recipe(
        name="gpt-shakespeare",
        model=gpt,
        data=Text("tiny_shakespeare", windows=12 * 200),
        task=LanguageModel(),
        # Muon, since the steps are few.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=10,
        monitor="last",
        xla="on",
    ),
    # python -m zoo.fit lm                       (pydocs, no network)
    Recipe(
        name="lm",
        # Few words for so many weights: half of the layers' outputs are dropped (section 4.1, the medium network).
        model=partial(lm, tied=True, dropout=0.5),
        data=Text("pydocs", tokens="words", context=20, batch=20, carried=True),
        task=LanguageModel(),
        optimizer=ZAREMBA,
        epochs=20,
    ),
    # python -m zoo.fit lm-ptb
    # The layers, windows and epochs of Zaremba's small network (2014, table 1): test perplexity 114.5 there.
    Recipe(
        name="lm-ptb",
        # Tied vectors halve the weights that overfit; so few weights tolerate little dropout.
        model=partial(lm, tied=True, dropout=0.2),
        # 2,304 steps an epoch, which are whole executions of 32 and hold no token twice.
        data=Text("ptb", tokens="words", context=20, batch=20, carried=True, windows=20 * 2304),
        task=LanguageModel(),
        optimizer=ZAREMBA,
        epochs=13,
    ),
)
