"""From what the caller gave to two tables of directions: the same way for every function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from numbers import Integral
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.parallel import check_jobs
from estkit.similarity.blocks import Layout, lay_out, parts
from estkit.similarity.directions import Directions, find_directions
from estkit.similarity.form import Form, read_form
from estkit.similarity.overlap import without_direction
from estkit.similarity.policies import Policy
from estkit.similarity.vectors import Vectors, read_vectors


@dataclass(frozen=True)
class Options:
    """What every function of cosines may be told."""

    weights: Any = None
    center: Any = False
    soft: Any = None
    zero: str = "nan"
    nan: str = "raise"
    dtype: Any = None
    max_bytes: int | None = None
    n_jobs: int | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        check_jobs(self.n_jobs, what="threads")
        given: Any = self.max_bytes
        finite = isinstance(given, Integral) or (isinstance(given, float) and isfinite(given))
        if given is not None and (isinstance(given, bool) or not finite):
            raise DataError(f"max_bytes must be a number of bytes, got {given!r:.60}.")

    @property
    def policy(self) -> Policy:
        """What is done with rows that have no direction."""
        rows = self.center is True or (isinstance(self.center, str) and self.center == "rows")
        return Policy(self.zero, self.nan, rows)

    def read(self, X: Any, Y: Any) -> tuple[Vectors, Vectors | None, Form]:
        """Return what is compared and by which inner product."""
        left = read_vectors(X, what="X")
        right = None if Y is None else read_vectors(Y, what="Y", like=left)
        form = read_form(self.weights, self.center, self.soft, left, right)
        if self.policy.nan == "pairwise" and form.factor is not None:
            raise DataError(
                "nan='pairwise' cannot be had with soft=, which mixes coordinates; use "
                "nan='propagate', or fill the values in."
            )
        return left, right, form

    def result_dtype(self, *tables: Vectors | None) -> np.dtype[Any]:
        """Return float32 where all numbers are that short, unless the caller asks otherwise."""
        if self.dtype is None:
            short = all(table.short for table in tables if table is not None)
            return np.dtype(np.float32 if short else np.float64)
        try:
            dtype: np.dtype[Any] = np.dtype(self.dtype)
        except TypeError:
            dtype = np.dtype(object)
        if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise DataError(f"dtype must be float32 or float64, got {self.dtype!r}.")
        return dtype


@dataclass(frozen=True, eq=False)
class Prepared:
    """Two tables of directions, or one to be compared with itself, and how to go about it."""

    left: Directions
    right: Directions | None
    form: Form
    policy: Policy
    dtype: np.dtype[Any]
    layout: Layout

    @property
    def other(self) -> Directions:
        """What the rows of the first table are compared with."""
        return self.left if self.right is None else self.right

    @property
    def single(self) -> tuple[bool, bool]:
        """Whether one vector was given on the left, and on the right."""
        return self.left.vectors.single, self.other.vectors.single

    @property
    def facts(self) -> dict[str, Any]:
        """The positions of rows without a direction, and of those that are compared."""
        left, right = self.left, self.other
        return {
            "zero_rows": np.flatnonzero(left.zero),
            "missing_rows": np.flatnonzero(left.missing),
            "zero_columns": np.flatnonzero(right.zero),
            "missing_columns": np.flatnonzero(right.missing),
            "rows": np.arange(left.vectors.rows)[left.places(slice(None))],
            "columns": np.arange(right.vectors.rows)[right.places(slice(None))],
        }


def prepare(X: Any, Y: Any, options: Options, *, exact: bool = False) -> Prepared:
    """Return both tables as directions, rows that are to be dropped left out.

    Parameters
    ----------
    X, Y : array-like, sparse matrix, frame, ...
        What was given; Y is None where the rows of X are compared among themselves.
    options : Options
        What the caller said.
    exact : bool
        Whether float64 is needed, whatever the type of the result.

    Raises
    ------
    DataError
        If the input cannot be compared, or has rows at which a policy says to raise.
    """
    left, right, form = options.read(X, Y)
    dtype = options.result_dtype(left, right)
    work = np.dtype(np.float64) if exact else dtype
    sparse = left.sparse or (right is not None and right.sparse)
    layout = lay_out(
        left.rows,
        left.rows if right is None else right.rows,
        max(_held_width(table, form) for table in (left, right) if table is not None),
        max_bytes=options.max_bytes,
        n_jobs=options.n_jobs,
        size=work.itemsize,
        products=not (exact or sparse or options.nan == "pairwise"),
    )
    tables = [
        _directions(table, form, work, options.policy, layout)
        for table in (left, right)
        if table is not None
    ]
    return Prepared(
        tables[0], tables[1] if right is not None else None, form, options.policy, dtype, layout
    )


def _held_width(vectors: Vectors, form: Form) -> int:
    """Return how many numbers a row holds: of a sparse one, with their columns, on average."""
    if not (vectors.sparse and form.diagonal):
        return vectors.width
    return min(vectors.width, 2 * int(vectors.values.nnz) // max(1, vectors.rows) + 1)


def _directions(
    vectors: Vectors, form: Form, dtype: Any, policy: Policy, layout: Layout
) -> Directions:
    hold = layout.hold and policy.nan != "pairwise"
    found = find_directions(
        vectors, form, dtype, hold=hold, step=layout.step, threads=layout.threads
    )
    if policy.nan == "pairwise":
        for part in parts(vectors.rows, layout.step):
            rows = found.given(part)
            found.zero[part], found.missing[part] = without_direction(rows, form)
    policy.check(vectors, found.zero, found.missing)
    kept = policy.kept(found.zero)
    return found if kept is None else replace(found, kept=np.flatnonzero(kept))
