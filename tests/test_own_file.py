"""A recipe in a person's own file goes through the commands: `python -m zoo.fit mine.py:recipe`."""

import sys

import pytest
from conftest import assert_complaint

MINE = """
from dataclasses import dataclass

import keras
import numpy as np

from zoo.data import Arrays
from zoo.tasks import Classification
from zoo.training import Recipe


@dataclass(frozen=True)
class Focal(Classification):
    def loss(self):
        return keras.losses.CategoricalFocalCrossentropy(from_logits=True)


def network(input_shape, classes, *, units: int = 4):
    x = keras.Input(input_shape)
    return keras.Model(x, keras.layers.Dense(classes, name="logits")(keras.layers.Dense(units, "relu")(x)))


y = np.arange(60) % 2
recipe = Recipe(name="mine", model=network, data=Arrays(np.eye(4)[y], y, batch=8), task=Focal(), epochs=1)
"""


@pytest.fixture
def mine(tmp_path):
    """A file of one's own, which is forgotten afterwards."""
    file = tmp_path / "my_recipe.py"
    file.write_text(MINE)
    yield file
    sys.modules.pop("my_recipe", None)


def test_goes_through_the_commands(zoo_here, mine, tmp_path):
    logs = tmp_path / "logs"
    done = zoo_here("fit", f"{mine}:recipe", "--model.units", 3, "--epochs", 2, "--logs", logs)
    assert done.returncode == 0, done.stderr
    run = done.stdout.splitlines()[-1].removeprefix("run: ")
    assert f"python -m zoo.fit {mine}:recipe --model.units 3" in (tmp_path / run / "run.json").read_text()
    done = zoo_here("evaluate", run, "--recipe", f"{mine}:recipe", "--json")
    assert done.returncode == 0, done.stderr
    assert '"examples": 6' in done.stdout
    assert zoo_here("predict", run, tmp_path, "--recipe", f"{mine}:recipe").returncode == 1  # no .npy there
    assert_complaint(zoo_here("evaluate", run), "my_recipe.Focal", "--recipe FILE.py:NAME")
    help_of = zoo_here("fit", f"{mine}:recipe", "--help-all")
    assert "--model.units" in help_of.stdout
    assert "--epochs" in help_of.stdout


MISTAKES = {
    "x = 1\ny = (2\n": ["line 2: SyntaxError"],
    "x = 1\n\nraise ValueError('no luck')\n": ["line 3: ValueError: no luck"],
    "import nothing_of_that_name\n": ["line 1: ModuleNotFoundError"],
    "x = 1\n": ["has no recipe: wanted a zoo.training.Recipe"],
    MINE.replace("recipe =", "recipes ="): ["has no recipe 'recipe'; nearest: recipes"],
    "import sys\nsys.exit(3)\n": ["line 2: SystemExit: 3"],
}


@pytest.mark.parametrize("text", MISTAKES, ids=[said[0] for said in MISTAKES.values()])
def test_what_is_wrong_in_it(zoo_here, mine, text, tmp_path):
    mine.write_text(text)
    done = zoo_here("fit", f"{mine}:recipe", "--logs", tmp_path / "logs")
    assert_complaint(done, str(mine), *MISTAKES[text])


def test_how_it_is_named(zoo_here, mine, tmp_path):
    assert_complaint(zoo_here("fit", mine), "needs a name", "it has recipe")
    assert_complaint(zoo_here("fit", tmp_path / "none.py:recipe"), "there is no file")
    (tmp_path / "json.py").write_text(MINE)
    assert_complaint(zoo_here("fit", f"{tmp_path / 'json.py'}:recipe"), "rename it")
