"""Tries trained networks on a page in the browser: `python -m zoo.serve logs/cnn-1f3a9c`."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from zoo.command import Weights, apart, first_word, joined, main, read
from zoo.errors import UserError
from zoo.opened import check_is_run, opened
from zoo.recipes.own import Own, split_off

USAGE = "RUN [RUN...] [OPTIONS]"
ABOUT = """RUN is a folder that fit printed at its end, such as logs/cnn-1f3a9c; several that take the same kind of
input answer side by side. With --weights hub or imagenet it is a published network.
`python -m zoo.serve RUN --help` shows the options."""


@dataclass(frozen=True)
class Options:
    """Where the page is, and what it accepts."""

    port: int = 7860
    """Port of the page."""
    host: str = "127.0.0.1"
    """Address to listen on: 127.0.0.1 can be reached from this machine alone, 0.0.0.0 from the whole network."""
    megabytes: float = 20.0
    """Size of the largest file that is accepted."""
    waiting: int = 20
    """Number of requests that may wait for an answer; those beyond it are turned away."""

    def __post_init__(self):
        if not 0 < self.port < 2**16:
            raise ValueError(f"--port came as {self.port}, but must be from 1 to 65535")
        if not 0 < self.megabytes < math.inf:
            raise ValueError(f"--megabytes came as {self.megabytes}, but must be above 0")
        if self.waiting < 1:
            raise ValueError(f"--waiting came as {self.waiting}, but must be at least 1")


def run_command(argv: list[str]) -> int:
    """Serves the page until Ctrl-C."""
    first_word("serve", argv, USAGE, ABOUT)
    given, words = split_off(argv)
    weights, words = apart(words)
    before = list(takewhile(lambda word: not word.startswith("-"), words))
    names = list(dict.fromkeys(before))
    if weights is None:
        for name in names:
            check_is_run(Path(name))
    command = joined(options=Options(), weights=Weights(weights), own=Own())
    options = read(command, f"serve {' '.join(names)}", words[len(before) :], description=__doc__.split(":")[0]).options
    try:
        from zoo.served import page
    except ImportError as error:
        raise UserError('the page needs gradio, which is not installed: pip install -e ".[serve]"') from error
    networks = [opened(name, weights=weights, **given) for name in names]
    page.serve(networks, options.host, options.port, options.megabytes, options.waiting)
    return 0


if __name__ == "__main__":
    sys.exit(main(run_command))
