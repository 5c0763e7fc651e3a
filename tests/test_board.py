"""TensorBoard: the event files are read back, and hold what each tab needs."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.projector import projector_config_pb2
from tensorboard.util.tensor_util import make_ndarray

from zoo.data import Augment, Images
from zoo.fit import fit
from zoo.models import cnn
from zoo.tasks import Classification
from zoo.training import Optimizer, Recipe

EPOCHS = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory, data_directory):
    recipe = Recipe(
        name="small",
        model=partial(cnn, filters=(4, 4), units=8, dropout=0.1),
        data=Images("digits", directory=data_directory, augment=Augment(shift=0.1)),
        task=Classification(),
        optimizer=Optimizer(rate=3e-3),
        epochs=EPOCHS,
    )
    return fit(recipe, logs=tmp_path_factory.mktemp("logs"), profile=(5, 8))


@pytest.fixture(scope="module")
def events(run):
    def read(part: str) -> EventAccumulator:
        reader = EventAccumulator(str(run.path / part), size_guidance={"tensors": 0})
        reader.Reload()
        return reader

    return {part: read(part) for part in (".", "validation")}


def scalars(reader: EventAccumulator, tag: str) -> list[float]:
    return [float(make_ndarray(event.tensor_proto)) for event in reader.Tensors(tag)]


def test_two_entries_a_run(run):
    """TensorBoard ticks none of its entries where there are more than 40: 20 runs are shown at once."""
    assert {path.parent.relative_to(run.path).as_posix() for path in run.path.rglob("*tfevents*")} == {
        ".",
        "validation",
    }


def test_scalars_are_the_history(run, events):
    for name in ("loss", "accuracy"):
        assert scalars(events["."], name) == pytest.approx([epoch[name] for epoch in run.history])
        assert scalars(events["validation"], name) == pytest.approx([epoch[f"val_{name}"] for epoch in run.history])
    assert scalars(events["."], "optimizer/learning_rate") == pytest.approx([e["learning_rate"] for e in run.history])


def test_speed_and_gradients(events):
    assert all(norm > 0 for norm in scalars(events["."], "optimizer/gradient_norm"))
    assert all(rate > 10 for rate in scalars(events["."], "speed/examples_per_second"))
    assert all(0 <= share <= 1 for share in scalars(events["."], "speed/share_waiting_for_data"))


def test_a_histogram_for_every_weight(run, events):
    wanted = {variable.path for variable in run.model().trainable_variables}
    assert wanted == set(events["."].Tags()["tensors"]) & wanted
    for path in wanted:
        assert len(events["."].Tensors(path)) == EPOCHS
    last = next(variable for variable in run.model().trainable_variables if variable.path == "logits/kernel")
    left, right, counts = make_ndarray(events["."].Tensors("logits/kernel")[-1].tensor_proto).T
    assert (left[0], right[-1], counts.sum()) == (last.numpy().min(), last.numpy().max(), last.numpy().size)
    np.testing.assert_allclose(left[1:], right[:-1])


@pytest.mark.parametrize(
    ("part", "tag", "count"),
    [
        (".", "inputs", 1),
        (".", "augmentation", 1),
        ("validation", "confusion", EPOCHS),
        ("validation", "worst_mistakes", EPOCHS),
    ],
)
def test_pictures(events, part, tag, count):
    found = events[part].Tensors(tag)
    assert len(found) == count
    picture = tf.io.decode_png(make_ndarray(found[-1].tensor_proto)[2]).numpy()
    assert picture.shape[-1] == 3
    assert picture.std() > 10


def test_precision_recall_curves(events):
    for label in range(10):
        table = make_ndarray(events["validation"].Tensors(f"class/{label}/pr_curves")[-1].tensor_proto)
        true, false, _, missed, precision, recall = table
        assert true[0] + missed[0] == pytest.approx(true[0])  # at threshold 0 everything is called positive
        assert true[0] + false[0] == 180
        np.testing.assert_allclose(precision[0], true[0] / 180, rtol=1e-5)
        assert recall[0] == 1


def test_recipe_as_text_and_graph(run, events):
    text = make_ndarray(events["."].Tensors("recipe")[0].tensor_proto)
    assert "| model.units | 8 |" in str(text)
    graph = events["."].Graph()
    names = " ".join(node.name for node in graph.node)
    for layer in run.model().layers[1:]:
        if "drop" not in layer.name:
            assert layer.name in names


def test_hyperparameters_hold_every_leaf_that_is_set(run, events):
    content = events["."].summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    leaves = {
        "optimizer.rate": 3e-3, "model.filters": "4 4", "data.augment.shift": 0.1, "seed": 0
    }  # fmt: skip
    for name, value in leaves.items():
        kind = start.hparams[name].WhichOneof("kind")
        assert getattr(start.hparams[name], kind) == value
    assert "data.folder" not in start.hparams


def test_features_in_the_projector(run):
    folder = run.path
    words = (folder / "projector_config.pbtxt").read_text()
    (embedding,) = text_format.Parse(words, projector_config_pb2.ProjectorConfig()).embeddings
    features = np.loadtxt(folder / embedding.tensor_path, delimiter="\t")
    rows = (folder / embedding.metadata_path).read_text().splitlines()
    assert features.shape == tuple(embedding.tensor_shape) == (180, 8)
    assert features.std() > 0
    assert len(rows) == 181
    sheet = tf.io.decode_png((folder / embedding.sprite.image_path).read_bytes()).numpy()
    side = embedding.sprite.single_image_dim[0]
    assert (sheet.shape[0] // side) * (sheet.shape[1] // side) >= 180


def test_profile(run):
    (trace,) = run.path.rglob("*.xplane.pb")
    assert trace.stat().st_size > 10_000
