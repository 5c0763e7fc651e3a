"""The page on which networks are tried answers as `predict` does, and turns away what it cannot answer."""

import json
import re
import socket

import numpy as np
import pytest
from PIL import Image

from zoo.data.inputs import Lines
from zoo.errors import UserError
from zoo.opened import opened
from zoo.predict import predict

pytest.importorskip("gradio", reason="the page needs gradio (extra serve)")
import gradio_client
import httpx

from zoo.served import given, page

pytestmark = pytest.mark.extra


@pytest.fixture
def free():
    """A port that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def launched(free):
    """Launches a page on a free port, and closes it after the test."""
    pages = []

    def launch(*runs, megabytes=20.0):
        made = page.page_of([opened(run) for run in runs])
        pages.append(made)
        url = page.launch(made, "127.0.0.1", free, megabytes, waiting=20)
        return gradio_client.Client(url, verbose=False)

    yield launch
    for made in pages:
        made.close()


def test_a_picture_is_answered_as_predict_answers(run, launched, tmp_path):
    drawn = np.zeros((40, 40, 3), np.uint8)
    drawn[5:35, 17:23] = 255
    Image.fromarray(drawn).save(tmp_path / "one.png")
    client = launched(run[0])
    file = gradio_client.handle_file(str(tmp_path / "one.png"))
    (answer,) = client.predict({"background": file, "layers": [], "composite": file}, api_name="/predict")
    (expected,) = predict(run[0], [tmp_path / "one.png"], top=10)
    assert answer["run"] == run[0]
    assert [item["label"] for item in answer["top"]] == [item["label"] for item in expected["top"]]
    assert answer["top"][0]["probability"] == pytest.approx(expected["top"][0]["probability"], abs=1e-6)


def test_reasons_are_drawn(run, tmp_path):
    Image.new("L", (8, 8), 200).save(tmp_path / "grey.png")
    found = opened(run[0])
    picture, frame = page.reasons(found, ["gradient", "grad_cam"], lambda folder: [tmp_path / "grey.png"], ())
    assert picture.visible
    assert not frame.visible
    with pytest.raises(UserError, match="choose a method first"):
        page.reasons(found, [], lambda folder: [tmp_path / "grey.png"], ())


def test_grounds_of_pictures(run, monkeypatch):
    found = opened(run[0])
    assert given.has_dark_ground(found) is True

    def gone(*all):
        raise UserError("the data are gone")

    monkeypatch.setattr(type(found.source), "load", gone)
    assert given.has_dark_ground(found) is None


def test_what_was_noticed_of_a_text_is_shown():
    class Found:
        class source:
            Inputs = Lines

        class task:
            bars = staticmethod(lambda answer: {})
            line = staticmethod(lambda answer: "yes")

    shown = page.drawn(Found, [{"source": "a b", "unknown": ["b"]}])
    assert shown[1].value == "yes"
    assert "'b'" in shown[2].value
    two = page.drawn(Found, [{"source": "a"}, {"source": "b", "error": "too short"}])
    assert two[1].value == "yes\n"
    assert "too short" in two[2].value


def test_nothing_drawn_yet_is_said(run, launched):
    client = launched(run[0])
    with pytest.raises(Exception, match="give a picture first"):
        client.predict({"background": None, "layers": [], "composite": None}, api_name="/predict")


def test_many_requests_at_once_are_all_answered(run, launched, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    client = launched(run[0])
    file = gradio_client.handle_file(str(tmp_path / "black.png"))
    value = {"background": file, "layers": [], "composite": file}
    jobs = [client.submit(value, api_name="/predict") for _ in range(10)]
    assert len({json.dumps(job.result(timeout=60)) for job in jobs}) == 1


def test_upload_that_is_too_large(run, launched, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png")  # noise is not compressed: about 270 KB
    client = launched(run[0], megabytes=0.1)
    with open(tmp_path / "large.png", "rb") as file:
        answer = httpx.post(f"{client.src}/gradio_api/upload".replace("//g", "/g"), files={"files": file})
    assert answer.status_code == 413, answer.text


def test_port_in_use(run, free):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free))
        taken.listen()
        made = page.page_of([opened(run[0])])
        with pytest.raises(UserError, match=f"--port came as {free}, which cannot be used"):
            page.launch(made, "127.0.0.1", free, 1.0, 1)


def test_page_loads_nothing_from_other_machines(run, launched):
    html = httpx.get(launched(run[0]).src).text
    assert not re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']https?://(?!127\.0\.0\.1)[^"']*""", html)


def test_pasted_numbers_get_a_column_name(tmp_path):
    class Found:
        class source:
            kind = "CSV file"

    with page.gr.Blocks():
        read = given.table(Found).read
    (path,) = read(tmp_path, None, "3\n4.5\n")
    assert path.read_text() == "value\n3\n4.5\n"
    (path,) = read(tmp_path, None, "1,5\n2,5")  # whatever it means, its first number is no name
    assert path.read_text() == "value\n1,5\n2,5\n"
    (path,) = read(tmp_path, None, "day,sales\n2024-01-01,3\n")
    assert path.read_text() == "day,sales\n2024-01-01,3\n"
    with pytest.raises(UserError, match="give a file, or its lines"):
        read(tmp_path, None, " ")


def test_bad_flags(zoo_here, run):
    for words, said in (
        (("--port", "0"), "--port came as 0"),
        (("--megabytes", "0"), "--megabytes came as 0"),
        (("--waiting", "0"), "--waiting came as 0"),
    ):
        done = zoo_here("serve", run[0], *words)
        assert done.returncode == 2
        assert said in done.stderr
    assert zoo_here("serve", "nowhere").returncode == 2
