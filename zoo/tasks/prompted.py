"""What a published text-to-text network answers to: `generate --prompt "translate English to German: ..."`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from zoo.decoding import decode
from zoo.errors import UserError, has_undecoded
from zoo.tasks.translation import Beam, Translation

MOST = 10_000  # tokens of an answer


@dataclass(frozen=True)
class Prompt(Beam):
    """What to ask of a text-to-text network."""

    prompt: str | None = None
    """Text to answer; its beginning says what to do, such as "translate English to German: "."""
    tokens: int = 128
    """Number of tokens of the answer, at most."""

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.tokens <= MOST:
            raise ValueError(f"--tokens came as {self.tokens}, but must be from 1 to {MOST}")


@dataclass(frozen=True)
class Prompted(Translation):
    """Text to text, of one text that is asked for rather than of lines that are translated."""

    verb: ClassVar[str] = "generate"
    usage: ClassVar[str] = "{run} --prompt TEXT"
    Ask: ClassVar[type] = Prompt

    def answers(self, model: keras.Model, source, ask: Prompt, inputs: list) -> Iterator[dict]:
        """Yields the answer as `text`, and whether the network has `ended` it.

        Raises:
            UserError: there is no prompt, or the tokenizer cannot read it.
        """
        if not (ask.prompt or "").strip():
            raise UserError("there is nothing to answer: give --prompt TEXT, which begins with what to do")
        if has_undecoded(ask.prompt):
            raise UserError("the prompt came with bytes that are not UTF-8: give it as UTF-8 text")
        tokens = source.encode(ask.prompt, "the prompt")
        if len(tokens) > source.limit:
            known = f"the network learned from texts of at most {source.limit}"
            print(f"the prompt has {len(tokens)} tokens; {known}", file=sys.stderr)
        how = {"bos": source.bos, "eos": source.eos, "limit": ask.tokens, "beam": ask.beam}
        (written,) = decode(model, np.array([tokens]), **how)
        ended = len(written) < ask.tokens
        if not ended:
            print(f"the answer is cut after {ask.tokens} tokens: --tokens gives it more", file=sys.stderr)
        yield {"text": source.decode(written), "ended": ended}

    def line(self, answer: dict) -> str:
        """The answer."""
        return answer["text"]
