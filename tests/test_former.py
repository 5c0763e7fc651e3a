"""What zoo 0.4 left can still be used: its networks, whose parts had other names, and its run.json."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np

from zoo.opened import opened
from zoo.training.former import network

FORMER = Path(__file__).parent / "former"  # made by zoo 0.4.0


def test_a_network_of_another_time_gives_the_same_numbers():
    kept = json.loads((FORMER / "transformer.json").read_text(encoding="utf-8"))
    with network(FORMER / "transformer.keras", {"versions": {"zoo": "0.4.0"}}) as path:
        model = keras.saving.load_model(path, safe_mode=True)
    found = model([np.array(kept["source"]), np.array(kept["target"])])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), kept["logits"], rtol=1e-5, atol=1e-6)


def test_a_run_of_another_time_is_opened(run, tmp_path):
    """Its network is looked at under today's names, and the size of its outputs had another one."""
    copy = Path(shutil.copytree(run[0], tmp_path / "run"))
    record = json.loads((copy / "run.json").read_text())
    record["versions"]["zoo"] = "0.4.0"
    record["spec"]["outputs"] = record["spec"].pop("classes")
    del record["recipe"]["method"]
    (copy / "run.json").write_text(json.dumps(record))
    found = opened(copy)
    assert found.spec["classes"] == 10
    for ours, theirs in zip(found.model.get_weights(), opened(run[0]).model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
