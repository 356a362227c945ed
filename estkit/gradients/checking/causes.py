"""Guesses why a gradient is wrong, by the simple slips that would give exactly these numbers.

A slip is only named if it explains the wrong entries at two points, so that a factor 2 and a
parameter that happens to be 2 are told apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.gradients.checking.form import Answer, Floats, Form

_PERMUTED = 300  # rows, of which pairs are tried


class Seen(NamedTuple):
    """A gradient at a point: given, numeric and how far these may differ by chance, all (m, k)."""

    point: Floats
    given: Floats
    numeric: Floats
    allowed: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a gradient that is wrong.

    Parameters
    ----------
    form : Form
        The parameters.
    bad : array of bool of shape (k,)
        Which are wrong.
    seen : tuple of Seen
        One point or two.
    count : int
        The number of rows, for a factor 1/n.
    answer : Answer
        The gradient as it was read.
    row_slopes : array of shape (n, k), optional
        The derivative of each row, where only their sum was given.
    deaf : dict of int to list of str
        The parameters that a wrong entry does not depend on although it should.
    """

    form: Form
    bad: NDArray[np.bool_]
    seen: tuple[Seen, ...]
    count: int
    answer: Answer
    row_slopes: Floats | None = None
    deaf: dict[int, list[str]] = field(default_factory=dict)


@np.errstate(all="ignore")  # factors that are tried may overflow
def likely_causes(evidence: Evidence) -> list[str]:
    """Return the likely cause for each parameter, empty where none is known."""
    return [_cause(evidence, j) if bad else "" for j, bad in enumerate(evidence.bad)]


def _cause(evidence: Evidence, j: int) -> str:
    first = evidence.seen[0]
    if j in evidence.answer.misshapen:
        return evidence.answer.misshapen[j] + _repair(evidence, j)
    given, numeric = first.given[:, j], first.numeric[:, j]
    if not np.isfinite(given).all():
        return f"it is {given[~np.isfinite(given)][0]}"
    if not np.isfinite(numeric).all():
        return ""
    if not given.any():
        return "it is 0: a term is missing, or it was not differentiated to this parameter"
    for guess in (_constants, _places, _factors, _stale, _row, _terms, _exchanged):
        for words in guess(evidence, j):
            return words
    return ""


def _near(found: Floats, wanted: Floats, allowed: Floats) -> bool:
    with np.errstate(all="ignore"):
        return bool((np.abs(found - wanted) <= allowed).all())


def _explains(evidence: Evidence, j: int, factors: list[float]) -> bool:
    """Say whether the given values are the right ones times a factor, at each point."""
    return all(
        np.isfinite(c)
        and _near(s.given[:, j], c * s.numeric[:, j], s.allowed[:, j] * max(1, c, -c))
        for s, c in zip(evidence.seen, factors, strict=True)
    )  # fmt: skip


def _repair(evidence: Evidence, j: int) -> str:
    first = evidence.seen[0]
    for words, values in evidence.answer.repairs.items():
        if _near(values[j : j + 1], first.numeric.sum(axis=0)[j : j + 1], first.allowed[:, j]):
            return f": {words}" if words.startswith("not") else f": it seems {words}"
    return ""


def _constants(evidence: Evidence, j: int) -> Iterator[str]:
    n = evidence.count
    told = {
        -1.0: "sign: the negative of what it should be",
        2.0: "factor 2 too large",
        0.5: "factor 1/2: half of what it should be",
        -2.0: "sign and factor 2",
        -0.5: "sign and factor 1/2",
    }
    if n > 2:
        told |= {1.0 / n: f"factor 1/n: divided by the {n} rows",
                 float(n): f"factor n: multiplied by the {n} rows",
                 -1.0 / n: f"sign, and divided by the {n} rows (1/n)",
                 -float(n): f"sign, and multiplied by the {n} rows (n)"}  # fmt: skip
        told |= {(n - 1) / n: "factor (n - 1)/n", n / (n - 1): "factor n/(n - 1)"}
    for factor, words in told.items():
        if _explains(evidence, j, [factor] * len(evidence.seen)):
            yield words


def _places(evidence: Evidence, j: int) -> Iterator[str]:
    """Yield causes by which right numbers stand in wrong places."""
    for where, name, shape in evidence.form.places():
        if where.start <= j < where.stop:
            yield from _transposed(evidence, where, name, shape)
            if len(evidence.seen[0].given) == 1:
                yield from _broadcast(evidence, where, shape)
            break
    names = evidence.form.names
    size = len(names)

    def moved(to: int, of: int) -> bool:
        return all(_near(s.given[:, to], s.numeric[:, of], s.allowed[:, to]) for s in evidence.seen)

    for i in range(size):
        if i != j and moved(j, i):
            if moved(i, j):
                yield f"swapped with {names[i]}"
            if i == j + 1 or i == j - 1:
                where_to = "next" if i > j else "one before"
                yield f"the entry of {names[i]}: shifted from the {where_to}"
            yield f"the entry of {names[i]}: in another order"


def _transposed(
    evidence: Evidence, where: slice, name: str, shape: tuple[int, ...]
) -> Iterator[str]:
    what = f"{name} " if name else ""
    given = [s.given for s in evidence.seen]
    if len(given[0]) > 1 and given[0].shape[0] == given[0].shape[1]:
        if all(_near(s.given.T, s.numeric, s.allowed + s.allowed.T) for s in evidence.seen):
            yield "the Jacobian is transposed"
    if len(shape) != 2 or min(shape) < 2 or len(given[0]) > 1:
        return
    for words, order in (("transposed", None), ("flattened column by column", "F")):
        if order is None and shape[0] != shape[1]:
            continue
        right = True
        for s in evidence.seen:
            numeric, allowed = (v[0, where].reshape(shape) for v in (s.numeric, s.allowed))
            other = numeric.T if order is None else numeric.ravel(order="F").reshape(shape)
            right &= _near(s.given[0, where].reshape(shape), other, allowed)
        if right:
            yield f"{what}{words}"
    for step in (1, -1):
        for axis, line in enumerate(("row", "column")):
            rolled = True
            for s in evidence.seen:
                numeric, allowed = (v[0, where].reshape(shape) for v in (s.numeric, s.allowed))
                mine = s.given[0, where].reshape(shape)
                rolled &= _near(mine, np.roll(numeric, step, axis=axis), allowed)
            if rolled:
                yield f"{what}wrong {line}: shifted by one"


def _broadcast(evidence: Evidence, where: slice, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield that a gradient is constant along an axis along which the right one is not."""
    for axis in range(len(shape)):
        if shape[axis] < 2:
            continue
        constant = True
        for s in evidence.seen:
            given, numeric = (v[0, where].reshape(shape) for v in (s.given, s.numeric))
            spread = np.ptp(given, axis=axis).max()
            constant &= bool(spread <= 1e-9 * np.abs(given).max())
            constant &= bool(np.ptp(numeric, axis=axis).max() > 1e-3 * np.abs(numeric).max())
        if constant:
            along = f" along axis {axis}" if len(shape) > 1 else ""
            yield f"wrong broadcasting: the same for all entries{along}"


def chain_factors(values: Floats) -> dict[str, Floats]:
    """Return inner derivatives by which the chain rule multiplies, by their form in words."""
    with np.errstate(all="ignore"):
        logistic = 1 / (1 + np.exp(-values))
        return {
            "exp({})": np.exp(values),
            "{}": values,
            "{}²": values**2,
            "{} (1 - {})": values * (1 - values),
            "(1 - {})": 1 - values,
            "(1 - {}²)": 1 - values**2,
            "(1 - tanh({})²)": 1 - np.tanh(values) ** 2,
            "logistic'({})": logistic * (1 - logistic),
            "exp(2 {})": np.exp(2 * values),
            "2 {}": 2 * values,
            "{}³": values**3,
            "sqrt({})": np.sqrt(values),
        }


def _factors(evidence: Evidence, j: int) -> Iterator[str]:
    """Yield factors that are functions of the parameter itself, or of another."""
    names = evidence.form.names
    near = [j, *(i for i in range(len(names)) if i != j)][:20]
    for i in near:
        tables = [chain_factors(s.point[i : i + 1]) for s in evidence.seen]
        for form in tables[0]:
            factors = [float(table[form][0]) for table in tables]
            for sign, less in ((1.0, ""), (-1.0, "sign, and ")):
                with np.errstate(all="ignore"):
                    missing = [float(sign / np.float64(c)) for c in factors]
                words = form.replace("{}", names[i])
                if _explains(evidence, j, missing):
                    yield f"{less}missing chain factor {words}"
                if _explains(evidence, j, [sign * c for c in factors]):
                    yield f"{less}chain factor {words} too many"
    if len(evidence.seen) > 1:
        with np.errstate(all="ignore"):
            ratios = [float(s.given[:, j].sum() / s.numeric[:, j].sum()) for s in evidence.seen]
        if np.isfinite(ratios).all() and abs(ratios[0] / ratios[1] - 1) < 1e-6:
            if abs(ratios[0] - 1) > 1e-4 and _explains(evidence, j, ratios):
                yield f"factor {ratios[0]:.6g}"


def _stale(evidence: Evidence, j: int) -> Iterator[str]:
    deaf = evidence.deaf.get(j)
    if deaf:
        yield (
            f"stale constant: it does not change with {', '.join(deaf)}, and the derivative does"
        )


def _row(evidence: Evidence, j: int) -> Iterator[str]:
    """Yield rows that were left out, taken twice or instead of others."""
    first = evidence.seen[0]
    if len(first.given) > 1:
        off = np.abs(first.given[:, j] - first.numeric[:, j]) > first.allowed[:, j]
        if off.sum() == 1:
            yield f"wrong row: only row {int(np.argmax(off))} (counted from 0) is wrong"
        for step in (1, -1):
            if _near(first.given[:, j], np.roll(first.numeric[:, j], step), first.allowed[:, j]):
                yield f"wrong row: shifted by {step:+d}"
        if _near(np.sort(first.given[:, j]), np.sort(first.numeric[:, j]), first.allowed[:, j]):
            yield "wrong row: the rows are in another order"
        return
    if evidence.row_slopes is None:
        return
    rows, off = evidence.row_slopes[:, j], first.given[0, j] - first.numeric[0, j]
    allowed = first.allowed[0, j]
    for sign, words in ((-1, "left out"), (1, "counted twice")):
        hit = np.abs(sign * rows - off) <= allowed
        if 1 <= hit.sum() <= 2:
            yield f"wrong row: row {int(np.argmax(hit))} (counted from 0) {words}"


def _exchanged(evidence: Evidence, j: int) -> Iterator[str]:
    """Yield the row that was taken in the place of another, the same for all that is wrong."""
    rows = evidence.row_slopes
    if rows is None or len(rows) > _PERMUTED:
        return
    first, every = evidence.seen[0], np.ones((len(rows), len(rows)), dtype=bool)
    for i in np.flatnonzero(evidence.bad):
        off = first.given[0, i] - first.numeric[0, i]
        every &= np.abs(rows[None, :, i] - rows[:, None, i] - off) <= first.allowed[0, i]
    pairs = np.argwhere(every)
    if len(pairs) == 1:
        yield f"wrong row: row {pairs[0][1]} in the place of row {pairs[0][0]}"


def _terms(evidence: Evidence, j: int) -> Iterator[str]:
    """Yield simple terms that are missing or too many."""
    if len(evidence.seen) < 2:
        return
    offs = [(s.given - s.numeric)[:, j] for s in evidence.seen]
    own = [float(s.point[j]) for s in evidence.seen]
    name = evidence.form.names[j]
    shapes = {"a constant": [1.0, 1.0], name: own}
    if all(own):
        shapes |= {f"1/{name}": [1 / v for v in own], f"1/{name}²": [1 / v**2 for v in own]}
    for words, sizes in shapes.items():
        if not all(sizes):
            continue
        scaled = [off / size for off, size in zip(offs, sizes, strict=True)]
        mean = float(scaled[0].mean())
        allowed = max(float(s.allowed[:, j].max() / abs(v))
                      for s, v in zip(evidence.seen, sizes, strict=True))  # fmt: skip
        if all((np.abs(part - mean) <= 3 * allowed).all() for part in scaled):
            kind = "too many" if mean > 0 else "missing"
            of = "" if words == "a constant" else f" times {words}"
            yield f"a term off by {mean:.6g}{of} ({'penalty, prior or ' if words == name else ''}" \
                  f"normalising term {kind if words != name else 'wrong'})"  # fmt: skip
