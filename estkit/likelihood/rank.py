"""Are the coefficients determined? The rank of the design, and which columns depend on which.

One pass over the rows gives the second moments. Where they leave a doubt, an orthogonal
factorisation block by block decides, since squaring has lost half of the digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from estkit.errors import RankError
from estkit.likelihood.family import Block, Floats
from estkit.likelihood.rows import Rows

_SUSPECT = 1e-6  # squared residual of a column on those before it, relative to its own square
_FAR = 1e4  # typical sizes
_DEPENDENT = 1e-9  # the same, not squared, from an orthogonal factorisation
_DEPENDENT_SQUARED = 1e-6  # the same from second moments, which have half of the digits


@dataclass(frozen=True, eq=False)
class Scan:
    """Second moments of the design over the rows that count, and how many rows those are."""

    rows: int
    gram: Floats


def examine(
    rows: Rows, *, without_intercept: bool = True, origin: Floats | None = None
) -> tuple[Rows, Scan]:
    """Return the rows placed so that their second moments keep their digits, and these moments.

    Columns of extreme size are brought near 1; columns that are nearly dependent are replaced by an
    orthogonal basis of what they span. Whether the model could do without an intercept is only for
    the message; `origin` says how far from 0 columns sat that were centred before.

    Raises
    ------
    RankError
        If columns depend linearly on earlier ones; the message says on which and how.
    """
    moments = _scan(rows)
    if not np.isfinite(moments.gram).all():
        rows = rows.rescaled()
        moments = _scan(rows)
    names, center, spread = _spread(rows, moments)
    flat = np.flatnonzero(spread == 0)
    if len(flat):
        raise RankError(_constant_message(rows, tuple(names[j] for j in flat), without_intercept))
    if moments.rows >= len(rows.terms) and not _suspicious(moments, rows, center, spread):
        return rows, moments
    if rows.sparse:
        factor = _root(moments, rows, center, spread)
        free, dependent = _dependent_columns(factor, _DEPENDENT_SQUARED)
        if dependent:
            raise RankError(_dependence_message(rows, moments, spread, factor, free, dependent))
        return rows, moments
    factor = _triangle(rows, center, spread)
    far = _size(rows) if origin is None else origin
    resolution = np.finfo(float).eps * far * np.sqrt(moments.rows) / spread
    tolerance = max(_DEPENDENT, 8 * float(resolution.max(initial=0.0)))
    free, dependent = _dependent_columns(factor, tolerance)
    if dependent:
        raise RankError(_dependence_message(rows, moments, spread, factor, free, dependent))
    placement = rows.placement
    scale = np.ones(len(spread)) if placement.scale is None else placement.scale
    rows = replace(
        rows,
        placement=replace(
            placement,
            shift=placement.shift + center / scale,
            scale=scale / spread * np.sqrt(moments.rows),
            mix=np.asarray(np.linalg.inv(factor), dtype=float),
        ),
    )
    return rows, _scan(rows)


def is_clear(rows: Rows, reach: Floats) -> bool:
    """Tell whether the columns are independent beyond doubt, and none has an entry far away.

    Parameters
    ----------
    rows : Rows
        Some of the rows.
    reach : array of shape (terms,)
        A bound on the entries of each column of the design in all rows.
    """
    moments = _scan(rows)
    if moments.rows < len(rows.terms) or not np.isfinite(moments.gram).all():
        return False
    _, center, spread = _spread(rows, moments)
    start = int(rows.placement.intercept)
    typical = spread / np.sqrt(moments.rows)
    if not (spread > 0).all() or not (reach[start:] < _FAR * typical).all():
        return False
    return not _suspicious(moments, rows, center, spread)


def _scan(rows: Rows) -> Scan:
    """Return the Gram matrix of the design over rows with positive weight."""
    active, gram = 0, np.zeros((len(rows.terms), len(rows.terms)))
    with np.errstate(over="ignore", invalid="ignore"):
        for count, part in rows.each(_block_gram):
            active += count
            gram += part
    return Scan(active, gram)


def _block_gram(block: Block) -> tuple[int, Floats]:
    if block.weights is None or block.weights.all():
        return len(block), block.columns.gram()
    counting = (block.weights > 0).astype(float)
    return int(counting.sum()), block.columns.gram(counting)


def _active(block: Block) -> Floats:
    if block.weights is None or block.weights.all():
        return block.design
    return block.design[block.weights > 0]


def _root(moments: Scan, rows: Rows, center: Floats, spread: Floats) -> Floats:
    """Return columns with the inner products of sparse ones, which are too many to factorise."""
    values, vectors = np.linalg.eigh(_correlation(moments, rows, center, spread))
    root: Floats = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return root


def _triangle(rows: Rows, center: Floats, spread: Floats) -> Floats:
    """Return the triangular factor of the centred columns, block by block."""
    factor = np.zeros((0, len(spread)))
    for block in rows.blocks():
        centred = (rows.slopes(_active(block)) - center) / spread
        factor = np.asarray(np.linalg.qr(np.vstack([factor, centred]), mode="r"))
    return factor


def _dependence_message(
    rows: Rows,
    moments: Scan,
    spread: Floats,
    factor: Floats,
    free: Sequence[int],
    dependent: Sequence[int],
) -> str:
    scale, intercept = rows.placement.scale, rows.placement.intercept
    unit = spread if scale is None else spread / scale
    names = rows.names
    sentences = [_combination(j, free, factor, unit, names, intercept) for j in dependent[:5]]
    few = ""
    if moments.rows < len(rows.terms):
        few = f" ({moments.rows} rows cannot determine {len(rows.terms)} coefficients)"
    dropped = ", ".join(repr(names[j]) for j in dependent[:8])
    return (
        f"The columns of X are linearly dependent: {'; '.join(sentences)}{few}. Drop {dropped}, or "
        f"what they depend on."
    )


def _spread(rows: Rows, moments: Scan) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return column names, means (with an intercept) and root sums of squares around them."""
    names = rows.names
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
    try:
        lower = np.linalg.cholesky(_correlation(moments, rows, center, spread))
    except np.linalg.LinAlgError:
        return True
    return bool((np.diag(lower) ** 2).min(initial=1.0) < _SUSPECT)


def _correlation(moments: Scan, rows: Rows, center: Floats, spread: Floats) -> Floats:
    start = int(rows.placement.intercept)
    centred = moments.gram[start:, start:] - moments.rows * np.outer(center, center)
    correlation: Floats = centred / np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _dependent_columns(factor: Floats, tolerance: float) -> tuple[list[int], list[int]]:
    """Split columns, in their order, into independent ones and those that depend on them."""
    free: list[int] = []
    dependent: list[int] = []
    found = np.empty(factor.shape, order="F")
    for j, column in enumerate(factor.T):
        rest, basis = column.copy(), found[:, : len(free)]
        for _ in range(2):  # twice is enough for orthogonality to rounding
            rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length <= tolerance * np.linalg.norm(column):
            dependent.append(j)
        else:
            found[:, len(free)] = rest / length
            free.append(j)
    return free, dependent


def dependence(
    factor: Floats, unit: Floats, names: Sequence[str], *, resolution: float = 0.0
) -> str | None:
    """Return in words which columns depend on others, up to a constant, or None.

    Parameters
    ----------
    factor : array of shape (m, p)
        Centred columns of unit length, or what has the same inner products.
    unit : array of shape (p,)
        Their lengths.
    names : sequence of str
        Their names.
    resolution : float
        How much of a length may be rounding.
    """
    free, dependent = _dependent_columns(factor, max(_DEPENDENT, 8 * resolution))
    if not dependent:
        return None
    return "; ".join(_combination(j, free, factor, unit, names, True) for j in dependent[:5])


def _combination(
    j: int, free: Sequence[int], factor: Floats, unit: Floats, names: Sequence[str], intercept: bool
) -> str:
    earlier = [k for k in free if k < j]
    weights = np.linalg.lstsq(factor[:, earlier], factor[:, j], rcond=None)[0]
    used = [(k, w * unit[j] / unit[k]) for k, w in zip(earlier, weights, strict=True)
            if abs(w) > 1e-9]  # fmt: skip
    terms = " ".join(f"{w:+.6g}·{names[k]!r}" for k, w in used[:8])
    more = " ..." if len(used) > 8 else ""
    return f"{names[j]!r} = {terms.removeprefix('+')}{more}{' + constant' if intercept else ''}"


def _constant_message(rows: Rows, names: Sequence[str], without_intercept: bool) -> str:
    named, one = ", ".join(repr(name) for name in names[:8]), len(names) == 1
    if rows.placement.intercept:
        return (
            f"The columns of X are linearly dependent: {named} {'does' if one else 'do'} not vary "
            f"in the {rows.response.n_obs} observations, and neither does the intercept. Drop "
            f"{'it' if one else 'them'}{', or pass intercept=False' if without_intercept else ''}."
        )
    return (
        f"The columns of X are linearly dependent: {named} {'is' if one else 'are'} 0 in every "
        f"row. Drop {'it' if one else 'them'}."
    )
