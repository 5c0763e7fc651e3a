"""A run as a notebook shows it: a small table, and the curves of its loss."""

from __future__ import annotations

from html import escape

SIDES = (320, 120)  # of the picture, in pixels
COLOURS = {"loss": "#1f77b4", "val_loss": "#ff7f0e"}


def html(path, record: dict, summary: dict | None, history: list[dict]) -> str:
    """The table and the curves as HTML; all text is escaped, since somebody else may have chosen the names."""
    rows = {"run": path, "data": record.get("title"), "epochs": len(history)}
    if summary is not None:
        best = {name: value for name, value in summary["best"].items() if name.startswith("val_")}
        rows |= {f"validation {name[4:]}": f"{value:.4f}" for name, value in best.items()}
        rows |= {"best epoch": summary["best"]["epoch"], "took": f"{summary['seconds']:.0f} s"}
    else:
        rows["state"] = "not finished"
    cells = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
    return f"<table>{cells}</table>{curves(history)}"


def curves(history: list[dict]) -> str:
    """The loss of the training and of the validation split over the epochs as SVG; empty if there are less than two."""
    lines = {name: [epoch[name] for epoch in history if name in epoch] for name in COLOURS}
    values = [value for line in lines.values() for value in line]
    if len(history) < 2 or not values:
        return ""
    (width, height), low, high = SIDES, min(values), max(values)
    drawn = []
    for name, line in lines.items():
        across = width / max(1, len(line) - 1)
        points = " ".join(
            f"{at * across:.1f},{height * (high - value) / ((high - low) or 1):.1f}" for at, value in enumerate(line)
        )
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
    said = f"loss (blue) and validation loss (orange), from {low:.4g} to {high:.4g}"
    view = f'width="{width}" height="{height}" viewBox="-4 -4 {width + 8} {height + 8}"'
    return f'<svg {view} role="img">{"".join(drawn)}</svg><div><small>{said}</small></div>'
