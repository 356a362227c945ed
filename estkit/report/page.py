"""What a page is made of, and how it becomes one file that needs no network.

A page is a list of sections, and a section a list of parts: words, code, terms, tables, pictures.
Everything is escaped; the page forbids itself every request and every script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from estkit.errors import DataError, MissingExtraError
from estkit.table import Column, Table


@dataclass(frozen=True)
class Words:
    """Text; an empty line begins a paragraph."""

    text: str
    kind: ClassVar[str] = "words"

    def paragraphs(self) -> list[str]:
        """Return the paragraphs, none of them empty."""
        return [part for part in map(str.strip, self.text.split("\n\n")) if part]


@dataclass(frozen=True)
class Code:
    """Source text, to be shown as it is."""

    text: str
    title: str = ""
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Terms:
    """Terms and what each of them means."""

    pairs: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "terms"


class Entry(NamedTuple):
    """A cell: its text, whether it is a number, and the number to sort it by, if there is one."""

    text: str
    number: bool
    order: str | None


class Head(NamedTuple):
    """The heading of a column."""

    name: str
    number: bool


@dataclass(frozen=True)
class Grid:
    """A table whose headings sort it."""

    table: Table
    kind: ClassVar[str] = "grid"

    def heads(self) -> list[Head]:
        """Return the headings."""
        return [Head(column.name, not column.is_left) for column in self.table.columns]

    def rows(self) -> Iterator[tuple[Entry, ...]]:
        """Yield the cells row by row."""
        return zip(*map(_entries, self.table.columns), strict=True)


def _entries(column: Column) -> list[Entry]:
    keys = list(column.values if column.order is None else column.order)
    numeric = all(key is None or _is_number(key) for key in keys)
    orders = [_order(key) if numeric else None for key in keys]
    right = not column.is_left
    return [Entry(text, right, key) for text, key in zip(column.shown(), orders, strict=True)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _order(key: Any) -> str | None:
    """Return a number as JavaScript reads it; None for what is not there."""
    if key is None or math.isnan(key):
        return None
    if math.isinf(key):
        return "Infinity" if key > 0 else "-Infinity"
    return repr(float(key))


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, made by `estkit.report.pictures`, and what it shows."""

    svg: str
    caption: str
    kind: ClassVar[str] = "picture"


Part = Words | Code | Terms | Grid | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        """The name by which a link reaches it."""
        return "-".join(self.title.lower().split())


@dataclass(frozen=True)
class Page:
    """A title, a line below it, and the sections."""

    title: str
    sections: Sequence[Section]
    lead: str = field(default="", kw_only=True)


def render(page: Page) -> str:
    """Return a page as HTML.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.

    Examples
    --------
    >>> from estkit.report.page import Page, Section, Words, render
    >>> html = render(Page("Study of <b>", [Section("Aims", [Words("To know.")])]))
    >>> "<h1>Study of &lt;b&gt;</h1>" in html, "<p>To know.</p>" in html
    (True, True)
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError(
            "Pages need jinja2, which is not installed; install estkit[report]."
        ) from error
    from importlib.metadata import version

    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("estkit.report", "templates"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    style, script = (_template(name).strip() for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("page.html.jinja").render(
        page=page, version=version("estkit"), policy=policy,
        style=Markup(style), script=Markup(script),  # our own, and not to be escaped
    )  # fmt: skip


def _template(name: str) -> str:
    from importlib.resources import files

    return (files("estkit.report") / "templates" / name).read_text("utf-8")


def write(text: str, path: str | os.PathLike[str]) -> None:
    """Write a page to a file: whole or not at all.

    Raises
    ------
    DataError
        If the folder does not exist, or the path is one.
    """
    file = Path(path)
    if file.is_dir():
        raise DataError(f"{str(file)!r} is a folder; name the file to write, such as 'study.html'.")
    if not file.parent.is_dir():
        raise DataError(f"The folder {str(file.parent)!r} does not exist; make it first.")
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, _permissions(file))
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def _permissions(file: Path) -> int:
    """Return those that the file has, or that a new file gets."""
    if file.exists():
        return file.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
