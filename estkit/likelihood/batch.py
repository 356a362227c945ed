"""Thousands of small fits at once: a leading replicate axis through every step of Newton's method.

The iterates are those of `fit`, so a batch gives the numbers of a loop to rounding. A replicate that the
batch does not bring to a proved maximum (hard, separated, singular, or with bad data) is fitted alone by
`fit`, which finds the answer or says why there is none; it never disturbs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from estkit import data, parallel
from estkit.errors import DataError, EstkitError
from estkit.likelihood.binomial import Binomial
from estkit.likelihood.family import Family, log_factorial
from estkit.likelihood.fitting import fit, fit_gathered
from estkit.likelihood.newton import PRECISION
from estkit.likelihood.result import LikelihoodFit
from estkit.likelihood.rows import Rows
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_STEPS = 12
_NUMBERS_PER_CHUNK = 1 << 17
_NEARLY_DEPENDENT = 1e-8
_MOST_PRODUCTS = 1 << 22


@dataclass(frozen=True, eq=False, repr=False)
class BatchFit(Tabular):
    """Many fits of one model, replicate by replicate.

    Parameters
    ----------
    names : tuple of str
        The names of the k parameters.
    params, std_errors : array of shape (R, k)
        Estimates and standard errors; NaN in a replicate without an answer.
    loglik : array of shape (R,)
        The log-likelihoods, constants included.
    status : array of str of shape (R,)
        ``"ok"``, ``"not_converged"`` or ``"failed"``.
    reason : array of str of shape (R,)
        Why a replicate is not ``"ok"``.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> X = np.linspace(-2, 2, 40)[:, None]
    >>> y = np.random.default_rng(1).random((3, 40)) < 0.5
    >>> fits = ek.fit_many(ek.Binomial(), X, y)
    >>> fits
    BatchFit(3 replicates, 2 parameters, 3 ok)
    >>> fits.params.shape, fits.names
    ((3, 2), ('intercept', 'x0'))
    """

    names: tuple[str, ...]
    params: Floats
    std_errors: Floats
    loglik: Floats
    status: NDArray[np.str_]
    reason: NDArray[np.object_]

    def __repr__(self) -> str:
        replicates, size = self.params.shape
        good = int((self.status == "ok").sum())
        return f"BatchFit({replicates} replicates, {size} parameters, {good} ok)"

    def _table(self) -> Table:
        frame = self.to_frame()
        errors = frame["std_error"].to_numpy()
        columns = [
            Column("replicate", frame["replicate"].to_numpy(), style="count"),
            Column("term", frame["term"].tolist()),
            Column("estimate", frame["estimate"].to_numpy(), errors),
            Column("std_error", errors, style="error"),
            Column("status", frame["status"].tolist()),
        ]
        return Table(columns, repr(self))

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy frame: replicate, term, estimate, std_error, status, reason."""
        import pandas as pd

        replicates, size = self.params.shape
        return pd.DataFrame(
            {
                "replicate": np.repeat(np.arange(replicates), size),
                "term": list(self.names) * replicates,
                "estimate": self.params.ravel(),
                "std_error": self.std_errors.ravel(),
                "status": np.repeat(self.status, size),
                "reason": np.repeat(self.reason, size),
            }
        )


def fit_many(
    family: Family, X: Any, y: Any, *, intercept: bool = True, offset: Any = None
) -> BatchFit:
    """Fit the same model to many data sets at once.

    Parameters
    ----------
    family : Family
        What is maximised. Binomial regression has a batched kernel; other families are looped.
    X : array of shape (R, n, p) or (n, p)
        The covariates of each replicate, or of all.
    y : array of shape (R, n), or (R, n, 2) for counts
        The response of each replicate.
    intercept : bool
        Whether to add a column of ones.
    offset : array of shape (n,), optional
        A known part of the linear predictor, the same in all replicates.

    Returns
    -------
    BatchFit
        ``params`` and ``std_errors`` of shape (R, k), ``loglik``, ``status`` and ``reason``.

    Raises
    ------
    DataError
        If the shapes do not fit together. Bad values in a replicate make that replicate
        ``"failed"`` and leave the others as they are.

    See Also
    --------
    fit : one data set, with all of inference.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 50, 2))
    >>> y = rng.random((100, 50)) < 1 / (1 + np.exp(-X[:, :, 0]))
    >>> fits = ek.fit_many(ek.Binomial(), X, y)
    >>> fits.params.mean(axis=0).round(1)
    array([0. , 1.1, 0. ])
    """
    X, y = _shapes(X, y)

    def alone(replicate: int) -> LikelihoodFit:
        own = X[replicate] if X.ndim == 3 else X
        return fit(family, own, y[replicate], intercept=intercept, offset=offset, errors="return")

    solved: list[_Solved] = []
    names = ("intercept",) * intercept + tuple(f"x{j}" for j in range(X.shape[-1]))
    if isinstance(family, Binomial):
        added = None if offset is None else data.read_vector(offset, what="offset", rows=y.shape[1])
        solved = list(_solve(family, X, y, intercept, added))
    return _assemble(len(y), names, solved, alone)


def fit_rows(family: Family, rows: Rows, y: NDArray[Any]) -> BatchFit:
    """Fit each response in `y` (replicates first) at the columns and offset of `rows`."""
    names = family.names(rows.terms, rows.response)

    def alone(replicate: int) -> LikelihoodFit:
        response = family.encode(y[replicate], None, rows.columns.rows)
        if response.outcomes != rows.response.outcomes:
            absent = [o for o in rows.response.outcomes if o not in response.outcomes]
            raise DataError(f"outcome {absent[0]!r} does not occur, so it cannot be fitted.")
        return fit_gathered(family, replace(rows, response=response), errors="return")

    solved: list[_Solved] = []
    if isinstance(family, Binomial):
        columns = np.asarray(rows.columns.values, float)
        solved = list(_solve(family, columns, y, rows.placement.intercept, rows.offset))
    return _assemble(len(y), names, solved, alone)


def _shapes(X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    X, y = np.asarray(X), np.asarray(y)
    if X.dtype.kind not in "fiub":
        raise DataError(f"X must hold real numbers, got dtype {X.dtype}.")
    if y.ndim not in (2, 3):
        raise DataError(
            f"y must have the replicates first, shape (R, n) or (R, n, K); got {y.shape}."
        )
    if X.ndim not in (2, 3) or X.shape[-2] != y.shape[1] or (X.ndim == 3 and len(X) != len(y)):
        raise DataError(
            f"X has shape {X.shape} and y {y.shape}; expected X of shape (R, n, p) or (n, p) with "
            f"R = {y.shape[0]}, n = {y.shape[1]}."
        )
    return X, y


class _Design(Protocol):
    """The designs of a chunk of replicates, whether each has its own or all share one."""

    def predictors(self, params: Floats) -> Floats: ...
    def gradient(self, residual: Floats) -> Floats: ...
    def information(self, weight: Floats) -> Floats: ...
    def keep(self, which: NDArray[np.bool_]) -> _Design: ...
    @property
    def size(self) -> int: ...


class _Own:
    """A design for each replicate, held as (R, q, n): long contiguous rows."""

    def __init__(self, columns: Floats) -> None:
        self.columns = columns

    @property
    def size(self) -> int:
        return self.columns.shape[1]

    def predictors(self, params: Floats) -> Floats:
        result: Floats = (params[:, None, :] @ self.columns)[:, 0]
        return result

    def gradient(self, residual: Floats) -> Floats:
        result: Floats = (self.columns @ residual[:, :, None])[:, :, 0]
        return result

    def information(self, weight: Floats) -> Floats:
        result: Floats = (self.columns * weight[:, None, :]) @ self.columns.transpose(0, 2, 1)
        return result

    def keep(self, which: NDArray[np.bool_]) -> _Own:
        return _Own(self.columns[which])


class _Shared:
    """One design (q, n) for all replicates: the information is one product with its pairs."""

    def __init__(self, columns: Floats) -> None:
        self.columns = columns
        self.upper = np.triu_indices(len(columns))
        self.pairs = (columns[self.upper[0]] * columns[self.upper[1]]).T

    @property
    def size(self) -> int:
        return len(self.columns)

    def predictors(self, params: Floats) -> Floats:
        return params @ self.columns

    def gradient(self, residual: Floats) -> Floats:
        return residual @ self.columns.T

    def information(self, weight: Floats) -> Floats:
        size = len(self.columns)
        packed = weight @ self.pairs
        result = np.empty((len(weight), size, size))
        result[:, self.upper[0], self.upper[1]] = packed
        result[:, self.upper[1], self.upper[0]] = packed
        return result

    def keep(self, which: NDArray[np.bool_]) -> _Shared:
        return self


class _Solved(NamedTuple):
    """Replicates that the batch has brought to a proved maximum."""

    replicates: NDArray[np.int64]
    params: Floats
    std_errors: Floats
    loglik: Floats


def _solve(
    family: Binomial, X: NDArray[Any], y: NDArray[Any], intercept: bool, offset: Floats | None
) -> Iterator[_Solved]:
    """Yield what the binomial kernel solves, chunk by chunk; chunks stay in cache."""
    successes, trials, constant, clean = _outcomes(family, y)
    observations = y.shape[1]
    numbers = observations * (X.shape[-1] + 1)
    length = max(16, _NUMBERS_PER_CHUNK // numbers)
    shared = None
    if X.ndim == 2:
        placed = _place(X[None].astype(float), intercept)
        pairs = len(placed.design[0]) ** 2 * observations
        if not placed.good[0]:
            return
        if pairs <= _MOST_PRODUCTS:
            shared = _Shared(placed.design[0])

    def chunk(first: int) -> _Solved:
        part = slice(first, first + length)
        if X.ndim == 2:
            one = placed._replace(good=np.repeat(placed.good, len(y[part])))
            design = shared or _Own(np.repeat(placed.design, len(y[part]), axis=0))
        else:
            one = _place(X[part].astype(float), intercept)
            design = _Own(one.design)
        own_trials = None if trials is None else trials[part]
        usable = one.good & clean[part]
        answer = _newton(design.keep(usable), successes[part][usable],
                         None if own_trials is None else own_trials[usable], offset)  # fmt: skip
        replicates = np.flatnonzero(usable)[answer.replicates]
        transform = one.transform if X.ndim == 2 else one.transform[replicates]
        params = (transform @ answer.params[:, :, None])[:, :, 0]
        covariance = transform @ answer.covariance @ np.swapaxes(transform, -1, -2)
        errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        added = constant[part][replicates] if constant is not None else 0.0
        return _Solved(replicates + first, params, errors, answer.loglik + added)

    threads = parallel.cores() if numbers * len(y) >= 4_000_000 else 1
    yield from parallel.map_threads(chunk, range(0, len(y), length), threads=threads)


def _outcomes(
    family: Binomial, y: NDArray[Any]
) -> tuple[Floats, Floats | None, Floats | None, NDArray[np.bool_]]:
    """Return successes, trials, constants, and which replicates hold only valid outcomes."""
    if y.ndim == 3:
        counts = y.astype(float) if y.dtype.kind in "fiub" else np.full(y.shape, np.nan)
        valid = (counts >= 0) & (counts == np.floor(counts)) & (counts < np.inf)
        clean = valid.all(axis=(1, 2)) & (y.shape[2] == 2)
        counts = np.where(valid, counts, 0.0)
        trials = counts.sum(axis=2)
        constant = (log_factorial(trials) - log_factorial(counts).sum(axis=2)).sum(axis=1)
        return counts[:, :, 0], trials, constant, clean
    if family.success is None:
        successes = y.astype(float) if y.dtype.kind in "fiub" else np.full(y.shape, np.nan)
        clean = ((successes == 0) | (successes == 1)).all(axis=1)
        return successes, None, None, clean
    successes = (y == family.success).astype(float)
    other = y[successes == 0]
    two_labels = other.size == 0 or bool((other == other.flat[0]).all())
    return successes, None, None, np.full(len(y), two_labels)


class _Placed(NamedTuple):
    """Designs (R, q, n) with centred and scaled columns, the way back, and which are usable."""

    design: Floats
    transform: Floats
    good: NDArray[np.bool_]


def _place(X: Floats, intercept: bool) -> _Placed:
    """Centre and scale each column of each replicate, and see which designs have full rank."""
    replicates, observations, columns = X.shape
    start = int(intercept)
    design = np.empty((replicates, columns + start, observations))
    inner = design[:, start:]
    transform = np.zeros((replicates, columns + start, columns + start))
    with np.errstate(all="ignore"):  # a bad replicate is sorted out below, and fitted alone
        shift = X.mean(axis=1) if intercept else np.zeros((replicates, columns))
        np.subtract(X.transpose(0, 2, 1), shift[:, :, None], out=inner)
        spread = np.sqrt(np.einsum("rjn,rjn->rj", inner, inner) / observations)
        inner /= spread[:, :, None]
        diagonal = np.arange(start, columns + start)
        transform[:, diagonal, diagonal] = 1.0 / spread
        if intercept:
            design[:, 0] = 1.0
            transform[:, 0, 0] = 1.0
            transform[:, 0, 1:] = -shift / spread
        gram = (design @ design.transpose(0, 2, 1)) / observations
    varies = spread > 1e-13 * np.abs(shift)
    good = np.isfinite(gram).all(axis=(1, 2)) & varies.all(axis=1)
    gram[~good] = np.eye(columns + start)
    smallest = np.linalg.eigvalsh(gram)[:, 0]
    return _Placed(design, transform, good & (smallest > _NEARLY_DEPENDENT))


class _Answer(NamedTuple):
    replicates: NDArray[np.int64]
    params: Floats
    covariance: Floats
    loglik: Floats


def _newton(
    design: _Design, successes: Floats, trials: Floats | None, offset: Floats | None
) -> _Answer:
    """Run Newton's method on all replicates, setting aside those that have arrived."""
    size = design.size
    observations = successes.shape[1]
    active = np.arange(len(successes))
    params = np.zeros((len(successes), size))
    arrived: list[_Answer] = []
    for _ in range(_STEPS + 1):
        if not len(active):
            break
        eta = design.predictors(params)
        if offset is not None:
            eta += offset
        residual, weight = _residual_and_weight(eta, successes, trials)
        gradient = design.gradient(residual)
        information = design.information(weight)
        step, regular = _steps(information, gradient)
        decrement = np.sqrt(np.maximum(np.einsum("rk,rk->r", gradient, step), 0.0))
        # columns have unit variance, so no entry exceeds the root of n: a bound on how far η moves
        move = np.abs(step).sum(axis=1) * np.sqrt(observations)
        done = (decrement <= PRECISION) & (move < 1) & regular
        if done.any():
            covariance = np.linalg.inv(information[done])
            values = _loglik(eta[done], successes[done], None if trials is None else trials[done])
            arrived.append(_Answer(active[done], params[done], covariance, values))
        left = ~done & regular
        params = params + step
        if not left.all():
            active, params, successes = active[left], params[left], successes[left]
            trials = None if trials is None else trials[left]
            design = design.keep(left)
    if not arrived:
        return _Answer(active[:0], params[:0], np.empty((0, size, size)), np.empty(0))
    parts = [np.concatenate(part) for part in zip(*arrived, strict=True)]
    return _Answer(*parts)


def _residual_and_weight(
    eta: Floats, successes: Floats, trials: Floats | None
) -> tuple[Floats, Floats]:
    small = np.exp(-np.abs(eta))
    near_one = 1.0 / (1.0 + small)
    probability = np.where(eta > 0, near_one, small * near_one)
    weight = small * near_one * near_one
    if trials is None:
        return successes - probability, weight
    return successes - trials * probability, trials * weight


def _loglik(eta: Floats, successes: Floats, trials: Floats | None) -> Floats:
    cost = np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0)
    if trials is not None:
        cost *= trials
    result: Floats = (successes * eta - cost).sum(axis=1)
    return result


def _steps(information: Floats, gradient: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return Newton steps, and which replicates have a usable information matrix."""
    regular = np.isfinite(information).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=1)
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    regular &= diagonal.min(axis=1, initial=np.inf) > 0
    usable = np.where(regular[:, None, None], information, np.eye(gradient.shape[1]))
    try:
        step = np.linalg.solve(usable, gradient[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:  # one singular matrix fails the whole call: find it
        definite = np.linalg.eigvalsh(usable)[:, 0] > 0
        regular &= definite
        usable = np.where(regular[:, None, None], usable, np.eye(gradient.shape[1]))
        step = np.linalg.solve(usable, gradient[:, :, None])[:, :, 0]
    return np.where(regular[:, None], step, 0.0), regular


def _assemble(
    replicates: int,
    names: Sequence[str],
    solved: Sequence[_Solved],
    alone: Callable[[int], LikelihoodFit],
) -> BatchFit:
    """Put the solved replicates in their places, and fit each of the others alone."""
    size = len(names)
    params = np.full((replicates, size), np.nan)
    errors, loglik = params.copy(), np.full(replicates, np.nan)
    status = np.full(replicates, "failed", dtype="<U13")
    reason = np.full(replicates, "", dtype=object)
    for part in solved:
        params[part.replicates], errors[part.replicates] = part.params, part.std_errors
        loglik[part.replicates], status[part.replicates] = part.loglik, "ok"
    for r in np.flatnonzero(status == "failed"):
        try:
            single = alone(int(r))
        except EstkitError as error:
            reason[r] = str(error)
            continue
        reason[r] = "" if single.converged else single.reason
        if single.converged:
            params[r], errors[r], loglik[r] = single.params, single.std_errors, single.loglik
            status[r] = "ok"
    return BatchFit(tuple(names), params, errors, loglik, status, reason)


# a study whose estimator is `fit` takes this whole block at a time
fit.vectorized = fit_many  # type: ignore[attr-defined]
