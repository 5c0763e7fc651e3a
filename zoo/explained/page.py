"""Explanations of texts as a page: it needs nothing from elsewhere, and browsers have letters for all scripts."""

from __future__ import annotations

from html import escape

import numpy as np

from zoo.explained.checks import likeness, verdict
from zoo.explained.explanation import Explanation

STYLE = """
body { font-family: sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; line-height: 2.1 }
body { color: #222; background: #fff }
h2 { font-size: 1em; margin: 1.5em 0 0 }
p { margin: 0 }
.said { color: #666; font-size: 0.85em; line-height: 1.4 }
span { padding: 0.15em 0.1em; border-radius: 0.2em; white-space: pre-wrap }
"""


def page(explanation: Explanation) -> str:
    """HTML with the tokens of a text, coloured by each method: red speaks for the explained number, blue against it."""
    names, parts = explanation.features.names, []
    # Characters stand close together, and so do tokens that have their blanks in them.
    between = "" if all(len(name) == 1 for name in names) or any(name[:1] == " " for name in names) else " "
    for name, found in explanation.found.items():
        one = found.attribution
        most = float(np.abs(one.values).max(initial=0)) or 1.0
        tokens = between.join(
            f'<span style="background: {colour(value / most)}" title="{value:+.4g}">{escape(visible(token))}</span>'
            for token, value in zip(names, one.values, strict=True)
        )
        said = [f"strongest colour: {most:.3g} {one.unit}", *one.said]
        if one.total is not None:
            said.append(f"sum {one.total:.4f}, difference of the outputs {one.difference:.4f}")
        if found.curves is not None:
            deletion, insertion = found.curves.areas
            said += [f"deletion {deletion:.4g}, insertion {insertion:.4g}", verdict(likeness(one, found.random))]
        parts.append(f'<h2>{escape(name)}</h2>\n<p>{tokens}</p>\n<p class="said">{escape("; ".join(said))}</p>')
    title = f"{explanation.aim.name}: {explanation.number:.4g}; of the baseline: {explanation.nothing:.4g}"
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{escape(explanation.aim.name)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<p>{escape(title)}; red speaks for it, blue against it; a number "
        f"shows where the pointer rests</p>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def colour(share: float) -> str:
    """Red from 0 to 1, blue from 0 to -1, as CSS."""
    return f"rgba({'220, 40, 40' if share > 0 else '40, 90, 220'}, {0.75 * abs(share):.3f})"


def visible(token: str) -> str:
    """A token whose white space can be seen."""
    return token.replace("\n", "\u23ce") if token.strip() else token.replace(" ", "\u2423").replace("\n", "\u23ce")
