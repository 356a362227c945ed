"""Tests on the scores of folds: what the folds have in common is in their error, or is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.comparison.scores import Floats, Score
from estkit.comparison.verdict import Posterior, concluded
from estkit.errors import DataError

if TYPE_CHECKING:
    from estkit.comparison.result import Comparison

_ROUNDING = 1e-13  # differences that vary by less than this share of the scores do not vary


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models of a comparison, and what is asked of them.

    Parameters
    ----------
    comparison : Comparison
        What they predicted.
    a, b : str
        The models.
    score : Score
        What is compared.
    level : float
        The confidence of the interval.
    alternative : str
        Of what the test could convince.
    rope : float
        The largest difference that does not matter.
    """

    comparison: Comparison
    a: str
    b: str
    score: Score
    level: float
    alternative: str
    rope: float

    def conclude(self, estimate: float, std_error: float, df: float) -> dict[str, Any]:
        """Return the fields of a t test, or of a normal one for df = inf."""
        return dict(
            concluded(
                estimate,
                std_error,
                df,
                level=self.level,
                alternative=self.alternative,
                greater_is_better=self.score.greater_is_better,
            )
        )


def corrected_error(values: Floats, share: float, *, size: float = 0.0) -> float:
    """Return the standard error of a mean over folds whose training rows overlap.

    The variance of Nadeau and Bengio (2003, Machine Learning 52), s² (1/J + n_test/n_train).

    Parameters
    ----------
    values : array of shape (J,)
        A score, or a difference of two, on each of J > 1 folds.
    share : float
        n_test / n_train; 0 as if the folds were independent.
    size : float
        The size of the scores that were subtracted: what varies by less than their last digits does
        not vary.

    Returns
    -------
    float
        The error; nan for fewer than two folds.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.comparison.fold_tests import corrected_error
    >>> round(corrected_error(np.array([0.8, 0.9, 0.7, 0.8]), share=1 / 3), 4)
    0.0624
    """
    if len(values) < 2:
        return math.nan
    spread = float(values.std(ddof=1))
    if spread <= _ROUNDING * max(size, float(np.abs(values).max())):
        return 0.0
    return spread * math.sqrt(1 / len(values) + share)


def differences(pair: Pair) -> tuple[Floats, float, float, str]:
    """Return score differences of the folds both have, n_test/n_train, their size, and a basis.

    Raises
    ------
    DataError
        If there are fewer than two such folds, or a score is infinite.
    """
    comparison, folds = pair.comparison, pair.comparison.folds
    first, second = (comparison.values(model, pair.score) for model in (pair.a, pair.b))
    for model, values in ((pair.a, first), (pair.b, second)):
        if np.isinf(values).any():
            raise DataError(
                f"{pair.score.name} of {model!r} is infinite on {np.isinf(values).sum()} folds, "
                f"where it held for impossible what happened; compare another score, such as "
                f"'brier', or a model whose probabilities are never 0."
            )
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 2:
        raise DataError(
            f"{pair.a!r} and {pair.b!r} have {pair.score.name} on {both.sum()} of {len(folds)} "
            f"folds together, and a variance needs 2. See failures(); for a single fold, and for "
            f"a score that one row does not have, take 'clt', 'mcnemar' or 'delong'."
        )
    used = np.flatnonzero(both)
    share = float(np.mean([len(folds.test[i]) / len(folds.train[i]) for i in used]))
    size = float(np.abs(np.concatenate([first[both], second[both]])).max())
    basis = f"{len(used)} of {len(folds)} folds ({folds.scheme})"
    found = np.where(np.abs(first - second) <= _ROUNDING * size, 0.0, first - second)
    return found[both], share, size, basis


def corrected_t(pair: Pair) -> dict[str, Any]:
    """Test by the corrected resampled t (Nadeau and Bengio 2003; Bouckaert and Frank 2004)."""
    values, share, size, basis = differences(pair)
    return _t(pair, values, corrected_error(values, share, size=size), basis)


def naive_t(pair: Pair) -> dict[str, Any]:
    """Test by t as if folds were independent, which they are not."""
    values, _, size, basis = differences(pair)
    return _t(pair, values, corrected_error(values, 0.0, size=size), basis)


def _t(pair: Pair, values: Floats, error: float, basis: str) -> dict[str, Any]:
    mean = float(values.mean())
    found = pair.conclude(mean, error, len(values) - 1) | {"basis": basis}
    if error == 0 and mean != 0:
        found |= without_spread(pair, mean, len(values))
    return found


def without_spread(pair: Pair, estimate: float, count: int) -> dict[str, Any]:
    """Return what to say of differences that are all equal but not 0: the sign test's p-value."""
    wins = (estimate > 0) == pair.score.greater_is_better
    against = {"better": not wins, "worse": wins}.get(pair.alternative, False)
    least = 2.0 ** (1 - count if pair.alternative == "two-sided" else -count)
    note = (
        f"All {count} differences are equal, so there is no variance to divide by; p is that of "
        f"the sign test."
    )
    return {"p_value": 1.0 if against else least, "notes": (note,)}


def bayesian(pair: Pair) -> dict[str, Any]:
    """Give the correlated t posterior (Benavoli, Corani, Demsar and Zaffalon 2017).

    Student with J - 1 degrees of freedom about the mean, with the corrected variance; better,
    equivalent and worse are its shares above, within and below the region of equivalence.
    """
    from scipy.special import stdtr

    values, share, size, basis = differences(pair)
    mean, error = float(values.mean()), corrected_error(values, share, size=size)
    df = len(values) - 1
    if error:
        below = float(stdtr(df, (-pair.rope - mean) / error))
        above = float(stdtr(df, (mean - pair.rope) / error))
    else:
        below, above = float(mean < -pair.rope), float(mean > pair.rope)
    better, worse = (above, below) if pair.score.greater_is_better else (below, above)
    found = pair.conclude(mean, error, df)
    found |= {"p_value": math.nan, "statistic": math.nan, "basis": basis}
    note = f"Differences up to {pair.rope:g} count as equivalent."
    return {**found, "posterior": Posterior(better, max(0.0, 1 - better - worse), worse),
            "notes": (note,)}  # fmt: skip


def _halves(pair: Pair) -> tuple[Floats, Floats, str]:
    """Return differences (5, 2) of five halvings, and the variance within each."""
    folds = pair.comparison.folds
    if len(folds) != 10 or folds.repeats != 5 or len({*map(len, folds.train)}) > 2:
        raise DataError(
            f"the 5x2 tests need two folds, five times: compare(..., cv=(2, 5)) or "
            f"ek.five_by_two; these folds are {folds.scheme}."
        )
    values, _, _, basis = differences(pair)
    if len(values) < 10:
        raise DataError(f"the 5x2 tests need all 10 folds, but the models have {len(values)}.")
    halves = values.reshape(5, 2)
    return halves, halves.var(axis=1, ddof=1), basis


def five_by_two_t(pair: Pair) -> dict[str, Any]:
    """Test by the 5x2cv t with 5 degrees of freedom (Dietterich 1998)."""
    halves, variances, basis = _halves(pair)
    first, error = float(halves[0, 0]), math.sqrt(float(variances.mean()))
    found = pair.conclude(first, error, 5) | {"basis": basis}
    note = "The estimate is the difference of the first half alone, as the test has it."
    found["notes"] = (note,)
    if error == 0 and first != 0:
        alone = without_spread(pair, first, 5)
        found |= {**alone, "notes": (note, *alone["notes"])}
    return found


def five_by_two_f(pair: Pair) -> dict[str, Any]:
    """Test by the combined 5x2cv F with 10 and 5 degrees of freedom (Alpaydin 1999)."""
    from scipy.special import fdtrc

    if pair.alternative != "two-sided":
        raise DataError("the combined F test is two-sided; take 'five_by_two_t' for one side.")
    halves, variances, basis = _halves(pair)
    mean, between = float(halves.mean()), float((halves**2).sum())
    found: dict[str, Any] = {"estimate": mean, "df": math.nan, "basis": basis, "statistic": 0.0,
                             "p_value": 1.0}  # fmt: skip
    if between and not variances.sum():
        return {**found, "statistic": math.inf, **without_spread(pair, mean, 5)}
    if between:
        found["statistic"] = between / (2 * float(variances.sum()))
        found["p_value"] = float(fdtrc(10, 5, found["statistic"]))
    return found
