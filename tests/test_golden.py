"""Every recipe's record and id as they were last meant to be: whoever changes one is shown what it changes.

`python tests/test_golden.py` writes the file anew.
"""

import json
from pathlib import Path

from zoo.recipes import RECIPES, SUMMARIES, TABLES

GOLDEN = Path(__file__).with_name("recipes.json")


def golden() -> dict:
    """All records and ids, as JSON has them."""
    return json.loads(json.dumps({name: {"id": recipe.id()} | recipe.record() for name, recipe in RECIPES.items()}))


def test_recipes_are_what_they_were():
    kept = json.loads(GOLDEN.read_text(encoding="utf-8"))
    now = golden()
    changed = [name for name in kept | now if kept.get(name) != now.get(name)]
    assert not changed, f"changed: {', '.join(changed)}; if that is meant, `python tests/test_golden.py`"


def test_the_table_names_the_records():
    for table, lines in TABLES.items():
        assert [recipe.name for recipe in table()] == list(lines)
        for recipe in table():
            assert SUMMARIES[recipe.name].split(";")[0] == recipe.data.title


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
