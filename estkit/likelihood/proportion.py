"""The binomial p: its estimate and seven intervals, right at 0, at n and far into the tails.

A method gives the lower limit as p and 1 - p; the latter, for n - x, is the upper limit for x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit import data
from estkit.errors import ConvergenceError, DataError
from estkit.estimate import Estimate, check_level, normal_quantile

Floats = NDArray[np.float64]
Pairs = tuple[tuple[float, float], ...]
Limit = tuple[Floats, Floats]  # p and 1 - p
Method = Callable[[Floats, Floats, float, float], Limit]  # of x > 0, n, z, level
Function = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]  # value and slope

_PACKED = 2.0**26  # so that two counts fit into one float
_TINY = 1e-300
_MOST_TRIALS = 1e10  # far beyond, scipy's Beta distribution function loses its digits


def proportion(
    successes: Any, trials: Any, *, level: float = 0.95, method: str = "wilson"
) -> Estimate:
    """Estimate a probability from counts of successes, with an interval that is right at 0 and n.

    Parameters
    ----------
    successes : int or array-like of shape (k,)
        How often it happened.
    trials : int or array-like of shape (k,)
        How often it was tried, at least once. One number goes with each of the other argument.
    level : float
        The confidence level of the two-sided interval, (1 - level) / 2 on each side.
    method : str
        The name of an interval in the notes.

    Returns
    -------
    Estimate
        A number if both are numbers, else a vector. ``std_error`` is √(p̂(1 - p̂) / n), whatever the
        method; at 0 and n it is 0, and only the interval tells how unsure p̂ is.

    Raises
    ------
    DataError
        If a count is no count, trials are fewer than successes or 0, or the method is unknown.

    Notes
    -----
    With x successes in n trials, p̂ = x / n, z the normal quantile and α = 1 - level:

    - wilson: the p that the score test does not reject, |p̂ - p| ≤ z √(p(1 - p) / n) (Wilson 1927,
      JASA 22, 209-212).
    - wald: p̂ ± z · std_error, cut at 0 and 1. It has no width at x = 0 and x = n and covers too
      seldom (Brown, Cai and DasGupta 2001, Statistical Science 16, 101-133).
    - agresti_coull: the same after adding z²/2 successes and z²/2 failures (Agresti and Coull 1998,
      American Statistician 52, 119-126).
    - jeffreys: the α/2 and 1 - α/2 quantiles of a Beta(x + ½, n - x + ½), but 0 for the lower limit
      at x = 0 and 1 for the upper one at x = n (as Brown, Cai and DasGupta 2001 define it).
    - clopper_pearson: P(X ≥ x) = α/2 at the lower limit, P(X ≤ x) = α/2 at the upper one. It never
      covers less than `level` (Clopper and Pearson 1934, Biometrika 26, 404-413).
    - likelihood_ratio: the p with 2 (l(p̂) - l(p)) ≤ z², so that the upper limit at x = 0 is
      1 - exp(-z² / 2n) (Wilks 1938, Annals of Mathematical Statistics 9, 60-62).
    - mid_p: as Clopper-Pearson, with P(X = x) counted half (Lancaster 1961, JASA 56, 223-234). Like
      jeffreys it may miss p̂ at levels near 0.

    The lower limit at x = 0 is exactly 0, the upper one at x = n exactly 1; the other limit is no
    one-sided bound: it leaves out α/2, as everywhere.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.proportion(8, 10)
    Estimate(0.80 ± 0.13, 95% interval 0.49 to 0.94)
    >>> ek.proportion([0, 3, 20], 20, method="clopper_pearson").upper.round(4)
    array([0.1684, 0.3789, 1.    ])
    """
    check_level(level)
    level = float(level)
    z = normal_quantile(level)
    limit = _LOWER_LIMITS.get(str(method))
    if limit is None:
        raise DataError(f"method must be one of {', '.join(_LOWER_LIMITS)}; got {method!r}.")
    x, n, single = _read_counts(successes, trials)
    value = x / n
    std_error = np.sqrt(value * ((n - x) / n) / n)
    different, again = _different(x, n)
    lower, upper = _limits(limit, x[different], n[different], z, level)
    lower, upper = lower[again], upper[again]
    lower = np.minimum(lower, upper)  # as the level goes to 0 they meet, up to rounding
    k = 0 if single else slice(None)
    return Estimate(value[k], std_error=std_error[k], lower=lower[k], upper=upper[k], level=level)


def _read_counts(successes: Any, trials: Any) -> tuple[Floats, Floats, bool]:
    """Return checked counts of equal length, and whether both were single numbers."""
    data.check_same_index(successes=successes, trials=trials)
    x, one_x = _read_count(successes, "successes")
    n, one_n = _read_count(trials, "trials")
    if len(x) != len(n) and 1 not in (len(x), len(n)):
        raise DataError(f"successes has {len(x)} rows but trials has {len(n)}; give one for each.")
    x, n = (np.ascontiguousarray(counts) for counts in np.broadcast_arrays(x, n))
    for wrong, expected in ((n == 0, "at least one trial"), (x > n, "at most as many as trials")):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"row {row} (counted from 0) has {x[row]:.0f} successes in {n[row]:.0f} trials; "
                f"expected {expected}. Trials count successes and failures together."
            )
    return x, n, one_x and one_n


def _read_count(given: Any, what: str) -> tuple[Floats, bool]:
    """Return checked counts, and whether a single number was given."""
    single: bool = not hasattr(given, "__len__") or getattr(given, "ndim", 1) == 0
    counts, _ = data.read_counts([given] if single else given, what=what)
    if counts.shape[1] != 1:
        raise DataError(f"{what} must be one column of counts, got shape {counts.shape}.")
    return counts[:, 0], single


def _different(x: Floats, n: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where pairs of counts come up first, and where each pair is among these."""
    if len(x) < 2 or n.max() > _PACKED:
        every = np.arange(len(x))
        return every, every
    _, first, again = np.unique(n * _PACKED + x, return_index=True, return_inverse=True)
    return first, again


def _limits(method: Method, x: Floats, n: Floats, z: float, level: float) -> Limit:
    lower, _ = _lower_limit(method, x, n, z, level)
    _, upper = _lower_limit(method, n - x, n, z, level)
    return lower, upper


def _lower_limit(method: Method, x: Floats, n: Floats, z: float, level: float) -> Limit:
    """Return the lower limit, which is exactly 0 where there is no success."""
    p, q = method(np.maximum(x, 1.0), n, z, level)
    return np.where(x > 0, p, 0.0), np.where(x > 0, q, 1.0)


def _wald(x: Floats, n: Floats, z: float, _: float, added: float = 0.0) -> Limit:
    successes, failures, n = x + added, n - x + added, n + 2.0 * added  # failures keep their digits
    half_width = z * np.sqrt(successes * (failures / n))
    p = np.maximum(successes - half_width, 0.0) / n
    return p, np.where(p < 0.5, 1.0 - p, (failures + half_width) / n)


def _wilson(x: Floats, n: Floats, z: float, _: float) -> Limit:
    wide = _wide(x, n, z)
    return x / n / (1.0 + wide / x), (n - x + wide) / (n + z * z)


def _wide(x: Floats, n: Floats, z: float) -> Floats:
    """Return x (p̂ / p - 1) at the lower Wilson limit p, by the root that takes no difference."""
    return z * z / 2 + z * np.sqrt(x * ((n - x) / n) + z * z / 4)


def _mid_p(x: Floats, n: Floats, z: float, level: float) -> Limit:
    log_p = math.log1p(-level) / n  # where all succeeded: half of pⁿ is α/2
    p, q = np.exp(log_p), -np.expm1(log_p)
    some = x < n
    if some.any():
        p[some], q[some] = _beta_limit(((0, 1), (1, 0)), x[some], n[some], z, level)
    return p, q


def _beta_limit(added: Pairs, x: Floats, n: Floats, z: float, level: float) -> Limit:
    """Return where the mean of the distribution functions of Beta(x + c, n - x + d) is α/2.

    Each pair in `added` is a c and a d. In θ = log(p / (1 - p)) the density of every mean used here
    is log-concave, and so the log of its distribution function is concave and increasing: Newton's
    method comes to its only root from anywhere, and from below without passing it.
    """
    from scipy.special import betaincinv, expit

    if n.max() > _MOST_TRIALS:
        found = f"{n.max():.0f} trials are more than the {_MOST_TRIALS:.0e} this method can take"
        raise DataError(f'{found}; use method="likelihood_ratio" or "wilson".')

    tail = (1.0 - level) / 2

    def log_ratio(theta: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        parts = [_beta_tail(theta, x + c, y + d) for c, d in added]
        probability, slope = np.sum(parts, axis=0)
        return np.log(probability / (len(parts) * tail)), slope / probability

    p, q = _wilson(x, n, max(z, 1.0), level)
    start = np.log(p / q)
    if len(added) == 1:  # scipy's inverse has most of the digits already
        c, d = added[0]
        near = betaincinv(x + c, n - x + d, tail)
        inner = (near > _TINY) & (near < 1.0 - 1e-9)
        safe = np.where(inner, near, 0.5)
        start = np.where(inner, np.log(safe) - np.log1p(-safe), start)
    theta = _newton(log_ratio, start, x, n - x)
    return expit(theta), expit(-theta)


def _beta_tail(theta: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the Beta(a, b) distribution function at p = 1 / (1 + exp(-θ)) and its θ-derivative."""
    from scipy.special import betainc, betaincc, betaln, expit, log_expit

    p, q = expit(theta), expit(-theta)
    slope = np.exp(a * log_expit(theta) + b * log_expit(-theta) - betaln(a, b))
    # Near 1 only q has the digits. For whole shapes scipy takes sums of binomial terms, which lose
    # up to eight digits at n = 1e9; one float further on it takes a way that keeps them.
    probability, low, high = np.empty_like(p), p <= q, p > q
    probability[low] = betainc(np.nextafter(a[low], np.inf), b[low], p[low])
    probability[high] = betaincc(np.nextafter(b[high], np.inf), a[high], q[high])
    return probability, slope


def _likelihood_ratio(x: Floats, n: Floats, z: float, _: float) -> Limit:
    """Return the p < p̂ with 2 (l(p̂) - l(p)) = z², found in w = log(p / p̂).

    The drop l(p̂) - l(p) is convex and decreasing in w < 0: Newton's method converges from anywhere.
    It is x g(u / x) + y g(-u / y) with u = n (p - p̂) and g(t) = t - log(1 + t), of terms that are
    not negative and so do not cancel.
    """
    z = max(z, 1e-100)  # also where a level next to 0 leaves nothing of it

    def excess(w: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        t = np.expm1(w)
        u = x * t
        v = -u / np.maximum(y, 1.0)
        failures = np.where(y > 0, y * minus_log(v, np.log1p(v)), -u)
        drop, slope = x * minus_log(t, w) + failures, u * (x + y) / (y - u)
        return drop / (z * z / 2) - 1.0, slope / (z * z / 2)

    w = _newton(excess, -np.log1p(_wide(x, n, z) / x), x, n - x)
    return x / n * np.exp(w), (n - x - x * np.expm1(w)) / n


def minus_log(t: Floats, log1p: Floats) -> Floats:
    """Return t - log(1 + t) without cancellation, given the logarithm too."""
    small = np.abs(t) < 0.3
    s = np.where(small, t / (2.0 + t), 0.0)  # log(1 + t) = 2 atanh(s)
    series = np.zeros_like(s)
    for k in reversed(range(12)):
        series = series * s * s + 1.0 / (2 * k + 3)
    return np.where(small, s * t - 2.0 * s * s * s * series, t - log1p)


def _newton(function: Function, start: Floats, x: Floats, y: Floats) -> Floats:
    """Return the root of each element, which stops by itself, whatever stands beside it."""
    roots = start.copy()
    open_ = np.arange(len(start))
    for _ in range(100):
        value, slope = function(roots[open_], x[open_], y[open_])
        roots[open_] -= value / slope
        open_ = open_[~(np.abs(value) <= 1e-8)]  # the step squares what is left: only rounding is
        if not open_.size:
            return roots
    raise ConvergenceError("A limit was not found in 100 steps (5 are usual); report these counts.")


_LOWER_LIMITS: dict[str, Method] = {
    "wilson": _wilson,
    "wald": _wald,
    "agresti_coull": lambda x, n, z, level: _wald(x, n, z, level, z * z / 2),
    "jeffreys": partial(_beta_limit, ((0.5, 0.5),)),
    "clopper_pearson": partial(_beta_limit, ((0, 1),)),
    "likelihood_ratio": _likelihood_ratio,
    "mid_p": _mid_p,
}
