"""`python -m zoo`: the verbs and the recipes, one line each."""

from zoo import bench, evaluate, finetune, fit, predict
from zoo.recipes import RECIPES

VERBS = {
    "fit RECIPE": fit,
    "finetune RUN": finetune,
    "evaluate RUN": evaluate,
    "predict RUN FILE...": predict,
    "bench RECIPE": bench,
}

print("verbs, each as `python -m zoo.VERB`; --help shows its options:")
for name, module in VERBS.items():
    print(f"  {name:20} {module.__doc__.split(':')[0]}")
print("\nrecipes:")
for name, recipe in RECIPES.items():
    summary = recipe.model.func.__doc__.split("\n")[0]
    print(f"  {name:20} {recipe.data.title}, {recipe.epochs} epochs. {summary}")
