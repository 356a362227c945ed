"""Figures as SVG inside a page: in the colors of the page, and with names that do not clash."""

from __future__ import annotations

import html
import io
import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from estkit.errors import EstkitError
from estkit.report.page import Picture, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand-ins: what is drawn in these becomes the ink and the paper of the page, dark or light.
_INK, _PAPER = "#010203", "#fdfcfb"
_STYLE: Any = {
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK,
    "ytick.color": _INK, "axes.facecolor": _PAPER, "figure.facecolor": _PAPER,
    "svg.fonttype": "none", "svg.hashsalt": "estkit",
    "text.parse_math": False,  # an estimator may be called "$100"
}  # fmt: skip
_NAMES = re.compile(r'\b(id="|href="#|url\(#)')


class Gallery:
    """Draws the pictures of a page, or says once why there are none."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def missing(self) -> list[Words]:
        """Return a sentence where pictures cannot be drawn."""
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            why = "There are no pictures: matplotlib is not installed (pip install 'estkit[plot]')."
            return [Words(why)]
        return []

    def draw(self, function: Callable[[], Axes], caption: str) -> list[Picture]:
        """Return a picture; none where there is nothing to draw, or nothing to draw it with."""
        if self.missing():
            return []
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            try:
                figure: Any = function().figure
            except EstkitError:  # there is nothing to draw
                return []
            file = io.StringIO()
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        return [Picture(inlined(file.getvalue(), f"p{next(self._numbers)}-", caption), caption)]


def inlined(svg: str, prefix: str, title: str) -> str:
    """Return an SVG file as an element of a page.

    Parameters
    ----------
    svg : str
        The file as matplotlib writes it.
    prefix : str
        What is put before every name in it, so that pictures of a page do not share names.
    title : str
        What is read out instead of the picture.
    """
    body = svg[svg.index("<svg") :]
    for needless in (r"<metadata>.*?</metadata>", r"<style[^>]*>.*?</style>", r"<!--.*?-->"):
        body = re.sub(needless, "", body, flags=re.DOTALL)
    body = re.sub(r"<[^>]*>", lambda tag: _adapted(tag.group(0), prefix), body)
    width = re.search(r'<svg[^>]*?\swidth="([0-9.]+pt)"', body)
    natural = f' style="--natural: {width[1]}"' if width else ""  # below 3/4 it would not be read
    head = f'<svg role="img" aria-label="{html.escape(title)}"{natural}'
    return body.replace("<svg", head, 1).strip()


def _adapted(tag: str, prefix: str) -> str:
    """Return a tag with names of its own, in the colors of the page."""
    tag = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", tag)  # HTML knows what svg is
    tag = _NAMES.sub(lambda found: found.group(0) + prefix, tag)
    return tag.replace(_INK, "currentColor").replace(_PAPER, "var(--paper)")
