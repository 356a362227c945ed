"""Guesses why a Hessian is wrong, by the simple slips that would give exactly these numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.causes import chain_factors
from estkit.gradients.checking.form import Floats

if TYPE_CHECKING:
    from estkit.gradients.checking.components import Found

_PAIRS = 30  # parameters of which swapped pairs are tried


def likely_cause(
    names: tuple[str, ...], units: Floats, first: Found, second: Found | None, rows: int
) -> str:
    """Return the likely cause for the whole matrix, empty where none is known."""
    seen = [found.seen for found in (first, second) if found is not None]
    if not np.isfinite(first.seen.given).all():
        return "it is not finite"
    scale = np.outer(units, units)
    tables = [
        (s.point * units, s.given / scale, s.numeric / scale, s.allowed / scale) for s in seen
    ]
    for guess in (_constants, _inverse, _parts, _swapped, _chain):
        for words in guess(names, tables, rows):
            return words
    return ""


_Table = tuple[Floats, Floats, Floats, Floats]


def _same(found: Floats, wanted: Floats, allowed: Floats) -> bool:
    with np.errstate(all="ignore"):
        return bool((np.abs(found - wanted) <= allowed).all())


_FACTORS = {-1.0: "sign: the negative of what it should be (the information?)",
            2.0: "factor 2", 0.5: "factor 1/2", -2.0: "sign and factor 2",
            -0.5: "sign and factor 1/2"}  # fmt: skip


def _constants(names: tuple[str, ...], tables: list[_Table], rows: int) -> Iterator[str]:
    told = dict(_FACTORS)
    if rows > 2:
        told |= {1 / rows: f"factor 1/n: divided by the {rows} rows",
                 -1 / rows: f"sign, and divided by the {rows} rows (1/n)",
                 float(rows): f"factor n: multiplied by the {rows} rows"}  # fmt: skip
    for factor, words in told.items():
        if all(_same(a, factor * n, ok * max(1, abs(factor))) for _, a, n, ok in tables):
            yield words


def _inverse(names: tuple[str, ...], tables: list[_Table], rows: int) -> Iterator[str]:
    for sign, words in ((-1, "the covariance: the inverse of the negative Hessian"),
                        (1, "the inverse of the Hessian")):  # fmt: skip
        fits = True
        for _, a, n, _ in tables:
            size = np.sqrt(np.abs(np.diag(n))) + 1e-300
            with np.errstate(all="ignore"):
                product = a * np.outer(size, size) @ (n / np.outer(size, size))
            fits &= bool((np.abs(product - sign * np.eye(len(n))) <= 1e-4).all())
        if fits:
            yield words


def _parts(names: tuple[str, ...], tables: list[_Table], rows: int) -> Iterator[str]:
    """Yield that one part of the matrix is right, and what the other is."""
    size = len(names)
    eye = np.eye(size, dtype=bool)
    lower = np.tril(np.ones((size, size), dtype=bool), -1)

    def right(part: NDArray[np.bool_], factor: float = 1.0) -> bool:
        return all(_same(a[part], factor * n[part], ok[part] * max(1, abs(factor)))
                   for _, a, n, ok in tables)  # fmt: skip

    def empty(part: NDArray[np.bool_]) -> bool:
        return size > 1 and all(not a[part].any() for _, a, _, _ in tables)

    if empty(~eye) and right(eye):
        yield "the entries off the diagonal are missing"
    for part, other, what in ((lower, lower.T, "upper"), (lower.T, lower, "lower")):
        if empty(part) and right(~part):
            yield f"only the {what} triangle is filled"
        if right(eye | other) and not right(part):
            off = np.argwhere((np.abs(tables[0][1] - tables[0][2]) > tables[0][3]) & part)
            if len(off) == 1:
                i, j = off[0]
                told = f"{names[i]}, {names[j]} is wrong and {names[j]}, {names[i]} is right"
                yield f"not symmetric: {told}"
    for factor, words in _FACTORS.items():
        if right(~eye) and right(eye, factor):
            yield f"{words} on the diagonal"
        if right(eye) and right(~eye, factor):
            yield f"{words} off the diagonal"
    bad = np.abs(tables[0][1] - tables[0][2]) > tables[0][3]
    for factor, words in _FACTORS.items():
        if right(~bad) and right(bad, factor):
            pairs = [f"{names[i]}, {names[j]}" for i, j in np.argwhere(bad & ~lower.T)]
            yield f"{words} at {'; '.join(pairs[:4])}"
    if size > 1 and right(~eye):
        yield "only the diagonal is wrong: a term such as gradient times curvature is missing"
    if size > 1 and right(eye):
        yield "only entries off the diagonal are wrong"


def _swapped(names: tuple[str, ...], tables: list[_Table], rows: int) -> Iterator[str]:
    for i, j in combinations(range(min(len(names), _PAIRS)), 2):
        order = np.arange(len(names))
        order[[i, j]] = j, i
        if all(_same(a, n[np.ix_(order, order)], ok + ok[np.ix_(order, order)])
               for _, a, n, ok in tables):  # fmt: skip
            yield f"{names[i]} and {names[j]} are swapped"


def _chain(names: tuple[str, ...], tables: list[_Table], rows: int) -> Iterator[str]:
    """Yield factors of one parameter that are missing, or too many, in its row and column."""
    for i, name in enumerate(names):
        choices = [chain_factors(point[i : i + 1]) for point, *_ in tables]
        for form in choices[0]:
            for power, words in ((-1, "missing chain factor {}"), (1, "chain factor {} too many")):
                fits = True
                for (_, a, n, ok), choice in zip(tables, choices, strict=True):
                    factors = np.ones(len(names))
                    with np.errstate(all="ignore"):
                        factors[i] = choice[form][0] ** power
                        both = np.outer(factors, factors)
                        fits &= _same(a, both * n, ok * np.maximum(1, np.abs(both)))
                if fits:
                    yield words.format(form.replace("{}", name)) + f" of {name}"
