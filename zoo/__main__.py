"""`python -m zoo`: lists the verbs and the recipes, one line each."""

import shlex
import sys

from zoo import bench, evaluate, finetune, fit, generate, predict, runs
from zoo.command import main
from zoo.recipes import SUMMARIES

VERBS = {
    "fit RECIPE": fit,
    "finetune RUN": finetune,
    "evaluate RUN": evaluate,
    "predict RUN INPUT...": predict,
    "generate RUN": generate,
    "bench RECIPE": bench,
    "runs": runs,
}


def overview(words: list[str]) -> int:
    """Prints the verbs and the recipes; arguments are an error, because each verb is a module of its own."""
    if words and words[0] not in ("-h", "--help"):
        verb = words[0] in {name.split()[0] for name in VERBS}
        wanted = f"wanted `python -m zoo.{shlex.join(words)}`" if verb else "it takes none, and lists the verbs"
        print(f"zoo: words came after `python -m zoo`: {wanted}", file=sys.stderr)
        return 2
    print("verbs, each as `python -m zoo.VERB`; --help shows its options:")
    for name, module in VERBS.items():
        print(f"  {name:22} {module.__doc__.split(':')[0]}")
    print("\nrecipes, each with its data and what is trained:")
    for name, summary in SUMMARIES.items():
        print(f"  {name:22} {summary}")
    return 0


if __name__ == "__main__":
    sys.exit(main(overview))
