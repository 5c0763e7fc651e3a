"""A page that asks one or more networks, which answer side by side; what it calls can be called as JSON too.

Nothing that the page shows comes from elsewhere, and nothing is sent elsewhere: it has the fonts of the system.
"""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from zoo import explained
from zoo.errors import UserError, printable
from zoo.opened import Opened, asked, check_answers_to
from zoo.served.given import Given, given_for
from zoo.tasks.task import NotExplained

SHOWN = 200  # pixels of the height of what the network sees, at least
BARS = 10  # classes that an answer names at most
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}


def serve(networks: list[Opened], host: str, port: int, megabytes: float, waiting: int) -> None:
    """Shows the page at an address until it is stopped.

    Raises:
        UserError: the networks take different kinds of input, or the port is in use.
    """
    page = page_of(networks)
    for found in networks:
        found.model  # noqa: B018 - so that the first answer does not wait for it
    url = launch(page, host, port, megabytes, waiting)
    print(f"{url} answers for {', '.join(found.name for found in networks)}; Ctrl-C ends it", flush=True)
    try:
        page.block_thread()
    finally:
        page.close()


def launch(page: gr.Blocks, host: str, port: int, megabytes: float, waiting: int) -> str:
    """Shows a page, and returns its address.

    Raises:
        UserError: the port is in use, or there is no such host here.
    """
    page.queue(max_size=waiting, default_concurrency_limit=1)
    try:
        return page.launch(
            server_name=host,
            server_port=port,
            max_file_size=int(megabytes * 2**20),
            theme=gr.themes.Base(**FONTS),
            footer_links=["api"],
            ssr_mode=False,
            share=False,
            enable_monitoring=False,
            quiet=True,
            prevent_thread_lock=True,
        )[1]
    except OSError as error:
        raise UserError(f"--port came as {port}, which cannot be used on {host}: give another ({error})") from error


def page_of(networks: list[Opened]) -> gr.Blocks:
    """The page.

    Raises:
        UserError: the networks take different kinds of input.
    """
    first = networks[0]
    for found in networks[1:]:
        check_answers_to(found, first.task.verb)
        ours, others = (one.source.kind for one in (found, first))
        if ours != others:
            raise UserError(
                f"{found.name} takes a {ours}, but {first.name} a {others}: serve them apart, with another --port"
            )
    title = " and ".join(Path(found.name).name for found in networks)
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(600, 600)) as page:
        gr.Markdown(f"# {title}")
        (writing if first.task.verb == "generate" else answering)(networks)
    return page


def answering(networks: list[Opened]) -> None:
    """Draws an input, a button, and an answer of each network."""
    with gr.Row():
        with gr.Column():
            given = given_for(networks[0])
            button = gr.Button("Answer", variant="primary")
            who = "the network" if len(networks) == 1 else Path(networks[0].name).name
            seen = gr.Image(label=f"as {who} sees it", interactive=False, visible=False)
        with gr.Column():
            shown = []
            for found in networks:
                name = Path(found.name).name
                shown += [gr.Label(label=name, visible=False), gr.Textbox(label=name, lines=2)]
                shown += [gr.Textbox(label="what was noticed", visible=False)]
            with gr.Accordion("JSON", open=False):
                exact = gr.JSON(label="what `predict --json` prints")

    def predict(*values) -> list[dict]:
        return [each for found in networks for each in answered(found, given.read, values)]

    def show(answers: list[dict]) -> list:
        return [part for found in networks for part in drawn(found, [a for a in answers if a["run"] == found.name])]

    done = button.click(predict, given.components, exact, api_name="predict")
    done.success(show, exact, shown, api_visibility="private")
    done.success(
        lambda *values: view(networks[0], given.read, values), given.components, seen, api_visibility="private"
    )
    if all(found.task.Explain is not NotExplained for found in networks):
        explaining(networks, given)


def explaining(networks: list[Opened], given: Given) -> None:
    """Draws a choice of methods, and what they say of each network's answer."""
    able = [
        name
        for name, method in explained.METHODS.items()
        if all(method.lacking(found.model) is None for found in networks)
    ]
    with gr.Accordion("Why this answer?", open=False):
        usual = [name for name in able if name == "integrated_gradients"] or able[:1]
        methods = gr.CheckboxGroup(able, value=usual, label="methods, each with its own idea of a reason")
        button = gr.Button("Explain")
        shown = []
        for found in networks:
            shown += [gr.Image(label=Path(found.name).name, visible=False), gr.HTML(visible=False)]

    def explain(methods: list[str], *values) -> list:
        try:
            return [part for found in networks for part in reasons(found, methods, given.read, values)]
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    button.click(explain, [methods, *given.components], shown, api_visibility="private")


def reasons(found: Opened, methods: list[str], read: Callable[..., list], values: tuple) -> list:
    """What methods say of an answer, as a picture, or for a text as a page.

    Raises:
        UserError: the input cannot be read, or explained in that way.
    """
    if not methods:
        raise UserError("choose a method first")
    explained.check(methods, found.model)
    aim = found.task.aim(found.model, found.source, found.task.Explain(), first_of(found, read, values))
    one = explained.explained(found.model, found.source, aim, methods, explained.Settings())
    ending, content, shown = explained.drawn(one)
    if ending != "html":
        return [gr.Image(shown, visible=True), gr.HTML(visible=False)]
    # In a frame, so that its style is its own.
    frame = f'<iframe srcdoc="{html.escape(content.decode())}" style="width: 100%; height: 24em; border: 0"></iframe>'
    return [gr.Image(visible=False), gr.HTML(frame, visible=True)]


def first_of(found: Opened, read: Callable[..., list], values: tuple) -> Any:
    """What the network is given, of several the first.

    Raises:
        UserError: it cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        batch = next(found.source.Inputs.of(read(Path(folder), *values)).read(found.source, found.spec))
    about, value = batch[0]
    if "error" in about:
        raise UserError(about["error"])
    return value


def answered(found: Opened, read, values: tuple) -> list[dict]:
    """What a network answers, as `predict --json` prints it, with the run's name.

    Raises:
        gr.Error: the input cannot be read.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            given = found.source.Inputs.of(read(Path(folder), *values))
            bars = found.source.labels and hasattr(found.task.Ask(), "top")
            fields = {"top": min(len(found.source.labels), BARS)} if bars else {}
            answers = list(found.answers(asked(found, fields), given))
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    if all("error" in answer for answer in answers):
        raise gr.Error(answers[0]["error"] if answers else "there is nothing in it", print_exception=False)
    return [
        {"run": found.name} | answer | ({"file": Path(answer["file"]).name} if "file" in answer else {})
        for answer in answers
    ]


def drawn(found: Opened, answers: list[dict]) -> list:
    """The answer as bars if it is one that has probabilities, and else as text; and what there is to say of the input.

    Of several answers, as about the series of a file, each has the line that `predict` prints.
    """
    given = found.source.Inputs()
    lines = ["" if "error" in answer else found.task.line(answer) for answer in answers]
    noticed = [remark for number, answer in enumerate(answers, 1) for remark in given.remarks(number, answer)]
    bars = len(answers) == 1 and found.task.bars(answers[0])
    if len(answers) > 1:
        lines = list(map(given.line, answers, lines))
    text, said = (printable("\n".join(part), "\t\n") for part in (lines, noticed))
    return [
        gr.Label(bars or None, visible=bool(bars)),
        gr.Textbox(text, visible=not bars),
        gr.Textbox(said, visible=bool(said)),
    ]


def view(found: Opened, read, values: tuple):
    """The picture that the network sees of an input, if there is one."""
    hidden = gr.Image(None, visible=False)
    if not hasattr(found.source, "views"):
        return hidden
    views = found.source.views(first_of(found, read, values)[None])
    if not hasattr(views, "ndim"):
        return hidden
    pixels = views[0].clip(0, 255).astype("uint8")
    for axis in (0, 1):  # small pictures are shown large, without blurring what is between their pixels
        pixels = pixels.repeat(max(1, SHOWN // views.shape[1]), axis)
    return gr.Image(pixels[..., 0] if pixels.shape[-1] == 1 else pixels, visible=True)


def writing(networks: list[Opened]) -> None:
    """Draws a box for the beginning of a text, and what each network writes after it."""
    prompt = gr.Textbox(label="beginning of the text", lines=3, max_length=100_000)
    tokens = gr.Slider(1, 500, 100, step=1, label="tokens")
    button = gr.Button("Write", variant="primary")
    with gr.Row():
        shown = [gr.Textbox(label=Path(found.name).name, lines=12) for found in networks]

    def generate(prompt: str, tokens: int) -> Iterator:
        texts = [""] * len(networks)
        try:
            for number, found in enumerate(networks):
                ask = asked(found, {"prompt": prompt or None, "tokens": int(tokens)})
                for piece in found.task.answers(found.model, found.source, ask, []):
                    texts[number] += printable(found.task.line(piece), "\t\n")
                    yield texts if len(texts) > 1 else texts[0]
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error

    button.click(generate, [prompt, tokens], shown, api_name="generate")
