"""`zoo`, or `python -m zoo`: runs the verb that is named, or lists the verbs and the recipes, one line each."""

import sys

from zoo import (
    bench,
    distill,
    evaluate,
    explain,
    export,
    finetune,
    fit,
    generate,
    look,
    predict,
    prune,
    runs,
    serve,
)
from zoo.command import main
from zoo.errors import UserError, nearest
from zoo.recipes import SUMMARIES

VERBS = {
    "fit RECIPE": fit,
    "finetune RUN": finetune,
    "prune RUN": prune,
    "distill RECIPE": distill,
    "evaluate RUN": evaluate,
    "predict RUN INPUT...": predict,
    "generate RUN": generate,
    "explain RUN INPUT...": explain,
    "export RUN": export,
    "serve RUN": serve,
    "look RECIPE": look,
    "bench RECIPE": bench,
    "runs": runs,
}


def overview(words: list[str]) -> int:
    """Prints the verbs and the recipes.

    Raises:
        UserError: a word came that is no verb.
    """
    if words and words[0] not in ("-h", "--help"):
        verbs = [name.split()[0] for name in VERBS]
        raise UserError(f"no verb is called {words[0]!r}{nearest(words[0], verbs)}; `python -m zoo` lists them")
    print("verbs, each as `python -m zoo.VERB` or `zoo VERB`; --help shows its options:")
    for name, module in VERBS.items():
        print(f"  {name:22} {module.__doc__.split(':')[0]}")
    print("\nrecipes, each with its data and what is trained:")
    for name, summary in SUMMARIES.items():
        print(f"  {name:22} {summary}")
    return 0


def run() -> int:
    """Runs the verb that the command line names first, as `python -m zoo.VERB` does; without one, lists them.

    Returns:
        The exit code; see `zoo.command.main`.
    """
    for name, module in VERBS.items():
        if sys.argv[1:2] == name.split()[:1]:
            del sys.argv[1]
            return main(module.run_command)
    return main(overview)


if __name__ == "__main__":
    sys.exit(run())
