"""The recipes by name."""

from zoo.recipes.images import IMAGES

__all__ = ["RECIPES"]

RECIPES = {recipe.name: recipe for recipe in (*IMAGES,)}
