"""One interface for all networks that write token by token.

Computing a text anew for each token costs as much again for every token before it. A writer keeps what the network
made of the text so far, its memory, and feeds the network only what is new.
Checked against: the logits of the whole network, for each writer (`tests/test_sequences.py`).
"""

from abc import ABC, abstractmethod


class Writer(ABC):
    """Feeds a network piece by piece. It holds the network's layers; the memory is passed in and out.

    A memory is made of nested tuples and lists of tensors, so that loops and compiled functions can carry it.

    Attributes:
        context: how many places the memory has; None: it has no end.
    """

    context: int | None

    @abstractmethod
    def start(self, batch, source=None, places: int | None = None):
        """The memory of an empty text.

        Args:
            batch: number of texts that are written side by side.
            source: (B, S) int32 tokens to read first; only for networks that read a source.
            places: tokens that the text may grow to, where the network leaves that open.
        """

    @abstractmethod
    def step(self, tokens, at, memory) -> tuple:
        """Reads the next tokens.

        Args:
            tokens: (B, T) int32.
            at: the place of the first of them in the text.
            memory: of the text before them.

        Returns:
            (B, T, vocabulary) float32 logits of the token after each, and the memory of the text with these tokens.
        """

    @abstractmethod
    def repeated(self, memory, times: int):
        """The memory of a batch in which each row stands `times` times, one after another, as beam search needs it."""

    @abstractmethod
    def reordered(self, memory, rows):
        """The memory of a batch whose rows go on from these rows, (B,) int32.

        What came from the source stays where it is: a row goes on only from a row of the same source.
        """

    def attention_weights(self, source, target) -> list:
        """Where the network looks at in a source while it writes; empty if it does not choose.

        Args:
            source: (B, S) int32 tokens.
            target: (B, T) int32 tokens, starting with the one that starts a text.

        Returns:
            For each layer that looks at the source float32 (B, heads, T, S), whose rows sum to 1.
        """
        return []
