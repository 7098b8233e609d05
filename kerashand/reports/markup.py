"""Pieces of HTML of which a report is made: text that is escaped, pictures inside it, tables."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from kerashand.reports import charts


def escaped(text: object) -> str:
    """Text that HTML shows as it is, in an attribute too."""
    return html.escape(str(text))


def plot(figure: Figure, what: str) -> str:
    """A figure as wide as it was drawn, or as the page where that is narrower."""
    style = f"width: {96 * figure.get_figwidth():.0f}px"
    return f"<p class=plot>{img(charts.png(figure), 'png', what, style=style)}</p>"


def gradient(colours: np.ndarray) -> str:
    """Colours [1, N, 3] as a background, from left to right."""
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in colours[0])
    return f"linear-gradient(90deg, {stops})"


def img(content: bytes, kind: str, what: str, *, style: str = "") -> str:
    """A picture inside the page."""
    data = base64.b64encode(content).decode("ascii")
    styled = f' style="{style}"' if style else ""
    told = escaped(what)
    return f'<img alt="{told}" title="{told}"{styled} src="data:image/{kind};base64,{data}">'


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text, the titles first, in a box that scrolls where the page is narrower."""
    head, *body = (
        "".join(f"<{tag}>{escaped(cell)}</{tag}>" for cell in row)
        for tag, row in [("th", rows[0]), *(("td", row) for row in rows[1:])]
    )
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )
