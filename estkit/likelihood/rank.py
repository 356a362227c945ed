"""Are the coefficients determined? The rank of the design, and which columns depend on which.

One pass over the rows gives the second moments. Where they leave a doubt, an orthogonal
factorisation block by block decides, since squaring has lost half of the digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estkit.likelihood.family import Block, Floats
from estkit.likelihood.rows import Rows

_SUSPECT = 1e-8  # squared residual of a column on those before it, relative to its own square
_DEPENDENT = 1e-10  # the same, not squared, from an orthogonal factorisation


@dataclass(frozen=True)
class Dependence:
    """Columns that are linear combinations of earlier ones, and a sentence that says how."""

    columns: tuple[str, ...]
    message: str


@dataclass(frozen=True, eq=False)
class Scan:
    """Second moments of the design over the rows that count, and how many rows those are."""

    rows: int
    gram: Floats


def scan(rows: Rows) -> Scan:
    """Return the Gram matrix of the design over rows with positive weight."""
    active, gram = 0, np.zeros((len(rows.terms), len(rows.terms)))
    with np.errstate(over="ignore", invalid="ignore"):
        for count, part in rows.each(_block_gram):
            active += count
            gram += part
    return Scan(active, gram)


def _block_gram(block: Block) -> tuple[int, Floats]:
    design = _active(block)
    return len(design), design.T @ design


def _active(block: Block) -> Floats:
    if block.weights is None or block.weights.all():
        return block.design
    return block.design[block.weights > 0]


def find_dependence(rows: Rows, moments: Scan) -> Dependence | None:
    """Return which columns depend linearly on earlier ones, or None at full rank.

    Parameters
    ----------
    rows : Rows
        The data.
    moments : Scan
        What `scan` found in them.
    """
    names, center, spread = _spread(rows, moments)
    flat = np.flatnonzero(spread == 0)
    if len(flat):
        constant = tuple(names[j] for j in flat)
        return Dependence(constant, _constant_message(rows, constant))
    if moments.rows >= len(rows.terms) and not _suspicious(moments, rows, center, spread):
        return None
    factor = np.zeros((0, len(names)))
    for block in rows.blocks():
        centred = (rows.slopes(_active(block)) - center) / spread
        factor = np.asarray(np.linalg.qr(np.vstack([factor, centred]), mode="r"))
    size = _size(rows)
    resolution = np.finfo(float).eps * size * np.sqrt(moments.rows) / spread
    tolerance = max(_DEPENDENT, 8 * float(resolution.max(initial=0.0)))
    free, found = _dependent_columns(factor, tolerance)
    if not found:
        return None
    scale = rows.placement.scale
    unit = spread if scale is None else spread / scale
    intercept = rows.placement.intercept
    sentences = [_combination(j, free, factor, unit, names, intercept) for j in found[:5]]
    columns = tuple(names[j] for j in found)
    few = ""
    if moments.rows < len(rows.terms):
        few = f" ({moments.rows} rows cannot determine {len(rows.terms)} coefficients)"
    return Dependence(
        columns,
        f"The columns of X are linearly dependent: {'; '.join(sentences)}{few}. "
        f"Drop {', '.join(repr(c) for c in columns[:8])}, or what they depend on.",
    )


def _spread(rows: Rows, moments: Scan) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return column names, means (with an intercept) and root sums of squares around them."""
    names = rows.columns.names
    intercept = rows.placement.intercept
    n, start = max(1, moments.rows), int(intercept)
    square = np.diag(moments.gram)[start:].copy()
    center = moments.gram[0, 1:] / n if intercept else np.zeros(len(names))
    spread = np.sqrt(np.maximum(square - n * center**2, 0.0))
    rounding = 8 * np.finfo(float).eps * (_size(rows) + np.sqrt(square / n)) * np.sqrt(n)
    spread[spread <= (rounding if intercept else 0.0)] = 0.0
    return names, center, spread


def _size(rows: Rows) -> Floats:
    """Return how far from 0 each column sat before it was moved, in inside units."""
    shift, scale = rows.placement.shift, rows.placement.scale
    return np.abs(shift) if scale is None else np.abs(shift) * scale


def _suspicious(moments: Scan, rows: Rows, center: Floats, spread: Floats) -> bool:
    start = int(rows.placement.intercept)
    centred = moments.gram[start:, start:] - moments.rows * np.outer(center, center)
    correlation = centred / np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    try:
        lower = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        return True
    return bool((np.diag(lower) ** 2).min(initial=1.0) < _SUSPECT)


def _dependent_columns(factor: Floats, tolerance: float) -> tuple[list[int], list[int]]:
    """Split columns, in their order, into independent ones and those that depend on them."""
    free: list[int] = []
    dependent: list[int] = []
    basis = np.zeros((factor.shape[0], 0))
    for j, column in enumerate(factor.T):
        rest = column.copy()
        for _ in range(2):  # twice is enough for orthogonality to rounding
            rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length <= tolerance * np.linalg.norm(column):
            dependent.append(j)
        else:
            free.append(j)
            basis = np.column_stack([basis, rest / length])
    return free, dependent


def _combination(
    j: int, free: Sequence[int], factor: Floats, unit: Floats, names: Sequence[str], intercept: bool
) -> str:
    earlier = [k for k in free if k < j]
    weights = np.linalg.lstsq(factor[:, earlier], factor[:, j], rcond=None)[0]
    used = [(k, w * unit[j] / unit[k]) for k, w in zip(earlier, weights, strict=True)
            if abs(w) > 1e-6]  # fmt: skip
    terms = " ".join(f"{w:+.6g}·{names[k]!r}" for k, w in used[:8])
    more = " ..." if len(used) > 8 else ""
    return f"{names[j]!r} = {terms.removeprefix('+')}{more}{' + constant' if intercept else ''}"


def _constant_message(rows: Rows, names: Sequence[str]) -> str:
    named, one = ", ".join(repr(name) for name in names[:8]), len(names) == 1
    if rows.placement.intercept:
        return (
            f"The columns of X are linearly dependent: {named} {'does' if one else 'do'} not vary "
            f"in the {rows.response.n_obs} observations, and neither does the intercept. Drop "
            f"{'it' if one else 'them'}, or pass intercept=False."
        )
    return (
        f"The columns of X are linearly dependent: {named} {'is' if one else 'are'} 0 in every "
        f"row. Drop {'it' if one else 'them'}."
    )
