"""The recipes by name."""

from zoo.recipes.audio import AUDIO
from zoo.recipes.images import IMAGES
from zoo.recipes.series import SERIES
from zoo.recipes.text import TEXT
from zoo.recipes.translation import TRANSLATION

__all__ = ["RECIPES"]

RECIPES = {recipe.name: recipe for recipe in (*IMAGES, *AUDIO, *SERIES, *TEXT, *TRANSLATION)}
