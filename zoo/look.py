"""Shows what a recipe reads of its data, without training: `python -m zoo.look cnn --data.folder pictures/`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.command import main, parse
from zoo.errors import printable

if TYPE_CHECKING:
    from zoo.tasks.task import View
    from zoo.training import Recipe


@dataclass(frozen=True)
class Options:
    """Where the pictures are written."""

    out: Path = Path("look")
    """Folder for pictures of the training data, which is made if it is not there."""


def look(recipe: Recipe) -> tuple[list[str], dict[str, View]]:
    """What was understood of a recipe's data, a sentence each, and views of its first training batch by name.

    A view is a picture, uint8 (height, width, 3), or a list of texts; TensorBoard shows the same.

    Raises:
        UserError: the data cannot be read.
    """
    source = recipe.data
    sample = next(iter(source.load("train", seed=recipe.seed)))
    return source.understood, recipe.task.look(source, sample)


def run_command(argv: list[str]) -> int:
    """Prints what was understood, and writes or prints the views."""
    recipe, options = parse("look", argv, Options)
    understood, views = look(recipe)
    print("\n".join(map(printable, understood)))
    for name, view in views.items():
        if isinstance(view, list):
            blank = "\n" * (1 + any("\n" in text for text in view))
            print(f"\n{name}:", *(printable(text, "\n") for text in view), sep=blank)
        else:
            print(printable(f"{name}: {written(name, view, options.out)}"))
    return 0


def written(name: str, view: View, folder: Path) -> Path:
    """Writes a picture to the folder and returns its path.

    Raises:
        UserError: the folder cannot be made.
    """
    from PIL import Image

    from zoo.training import files

    files.made(folder, "--out")
    path = folder / f"{name}.png"
    with files.replacing(path) as part:
        Image.fromarray(view).save(part, "PNG")
    return path


if __name__ == "__main__":
    sys.exit(main(run_command))
