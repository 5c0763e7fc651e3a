"""Recipes for language models. `python -m zoo.fit NAME`."""

from functools import partial

from zoo.data import Text
from zoo.models import gpt, lm
from zoo.tasks import LanguageModel
from zoo.training import Optimizer, Recipe

# Zaremba's rate of 1 and clipping norm of 5 (2014, section 4.1) are for a loss summed over the 20 tokens of a window.
# The gradients of its mean are 20 times smaller: hence 20 times the rate and a 20th of the norm. He halves the rate
# in each epoch from the fifth on; the cosine schedule used here needs no such setting.
ZAREMBA = Optimizer("sgd", rate=20.0, clip=0.25)

TEXT = (
    # python -m zoo.fit gpt                      (pydocs, no network)
    # python -m zoo.fit gpt --data.file my.txt
    Recipe(
        name="gpt",
        model=gpt,
        data=Text("pydocs"),
        task=LanguageModel(),
        # Four times the usual rate, which so small a network tolerates; weight decay and clipping are nanoGPT's.
        optimizer=Optimizer("adamw", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=5,
        xla="on",  # fuses the many small operations
    ),
    # python -m zoo.fit gpt-shakespeare
    # nanoGPT's settings for two cores (Karpathy 2022): 2,000 steps of 12 windows; its validation loss is 1.88.
    Recipe(
        name="gpt-shakespeare",
        model=gpt,
        data=Text("tiny_shakespeare", windows=12 * 200),
        task=LanguageModel(),
        # Muon, since there are few steps.
        optimizer=Optimizer("muon", rate=4e-3, warmup=0.05, weight_decay=0.1, clip=1.0),
        epochs=10,
        monitor="last",
        xla="on",
    ),
    # python -m zoo.fit lm                       (pydocs, no network)
    Recipe(
        name="lm",
        # Little text for so many weights: half of the layers' outputs are dropped (section 4.1, the medium network).
        model=partial(lm, tied=True, dropout=0.5),
        data=Text("pydocs", tokens="words", context=20, batch=20, carried=True),
        task=LanguageModel(),
        optimizer=ZAREMBA,
        epochs=20,
    ),
    # python -m zoo.fit lm-ptb
    # The layers, windows and epochs of Zaremba's small network, whose test perplexity is 114.5 (2014, table 1).
    Recipe(
        name="lm-ptb",
        # Tying the embeddings halves the weights that overfit; what is left tolerates only little dropout.
        model=partial(lm, tied=True, dropout=0.2),
        # 2,304 steps per epoch: a multiple of the 32 steps of an execution, and few enough that no token comes twice.
        data=Text("ptb", tokens="words", context=20, batch=20, carried=True, windows=20 * 2304),
        task=LanguageModel(),
        optimizer=ZAREMBA,
        epochs=13,
    ),
)
