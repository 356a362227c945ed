"""Is one model better than another, or was it luck? The tests by name, for a pair or all pairs.

To add one: a function from a `Pair` to the fields of a `PairedTest`, and its line in `METHODS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.comparison import fold_tests, pooled_tests
from estkit.comparison.candidates import Data
from estkit.comparison.fold_tests import Pair
from estkit.comparison.folds import Folds
from estkit.comparison.scores import SCORES, Floats, Score
from estkit.comparison.trial import Trial
from estkit.comparison.verdict import PairedTest
from estkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from estkit.comparison.result import Comparison


class Method(NamedTuple):
    """A test: its function, the one score that it is about, if so, and what is known of it."""

    function: Callable[[Pair], dict[str, Any]]
    score: str | None = None
    note: str = ""


_LIBERAL = (
    "Keeps its level for stable learners such as linear models; for unstable ones such as nearest "
    "neighbours it is liberal ({}). ek.calibrate_test simulates it."
)
METHODS: dict[str, Method] = {
    "corrected_t": Method(
        fold_tests.corrected_t,
        note=_LIBERAL.format("0.08 at nominal 0.05 with 10 folds x 3, 0.115 with 10 x 10, n = 200"),
    ),
    "bayesian": Method(fold_tests.bayesian),
    "mcnemar": Method(
        pooled_tests.mcnemar, "accuracy", _LIBERAL.format("0.10 at nominal 0.05, n = 200")
    ),
    "mcnemar_chi2": Method(
        pooled_tests.mcnemar_chi2, "accuracy", _LIBERAL.format("0.10 at nominal 0.05, n = 200")
    ),
    "delong": Method(
        pooled_tests.delong,
        "roc_auc",
        "Probabilities of different folds are pooled, and training is not held to be random.",
    ),
    "clt": Method(pooled_tests.clt, note=_LIBERAL.format("0.14 at nominal 0.05, n = 200")),
    "five_by_two_t": Method(
        fold_tests.five_by_two_t, note=_LIBERAL.format("0.146 at nominal 0.05, n = 200")
    ),
    "five_by_two_f": Method(
        fold_tests.five_by_two_f, note=_LIBERAL.format("0.174 at nominal 0.05, n = 200")
    ),
    "naive_t": Method(
        fold_tests.naive_t,
        note="NOT A VALID TEST: folds share training rows. Of two equal models one is called "
        "better far too often (0.54 to 0.65 at nominal 0.05, 10 folds x 10; 0.24 to 0.37, "
        "10 x 3); use 'corrected_t'.",
    ),
}  # fmt: skip


def check_method(name: str) -> None:
    """Raise if there is no test of this name."""
    if name not in METHODS:
        raise DataError(f"{name!r} is not a test; they are {', '.join(METHODS)}.")


def check_suited(
    method: str, data: Data, folds: Folds, scoring: tuple[Score, ...], *, shares: bool = True
) -> None:
    """Raise before any model is fitted if a test does not suit the data, the folds or the score.

    It is rehearsed with two models that know every outcome; `shares` tells whether any model that
    is to be compared gives probabilities.
    """
    from estkit.comparison.result import Comparison

    check_method(method)
    names, trials = ("a", "b"), {}
    for fold, test in enumerate(folds.test):
        even = np.full((len(test), len(data.classes)), 1 / max(1, len(data.classes)))
        probability = even if shares and data.classes else None
        trials.update({(name, fold): Trial(data.codes[test], probability) for name in names})
    rehearsed = Comparison(names, scoring, folds, data.classes, data.codes, trials, (), {})
    paired_test(rehearsed, *names, method)


def paired_test(
    comparison: Comparison,
    a: str,
    b: str,
    method: str = "corrected_t",
    score: str | None = None,
    *,
    rope: float | None = None,
    level: float = 0.95,
    alternative: str = "two-sided",
) -> PairedTest:
    """Return a test of two models; see `Comparison.test`."""
    check_method(method)
    number = isinstance(rope, int | float | np.number) and not isinstance(rope, bool)
    if rope is not None and not (number and np.isfinite(rope) and rope >= 0):
        raise DataError(f"rope is the largest difference that does not matter; got {rope!r}.")
    own = METHODS[method]
    asked = comparison.checked_score(score) if own.score is None or score else SCORES[own.score]
    if asked.task == "classification" and not comparison.classes:
        raise DataError(f"{method} is about classes, and the outcome holds numbers.")
    pair = Pair(
        comparison,
        comparison.checked_model(a),
        comparison.checked_model(b),
        asked,
        level,
        alternative,
        float(rope or 0.0),
    )
    found = own.function(pair)
    notes = (*found.pop("notes", ()), *([own.note] if own.note else []))
    return PairedTest(
        a=a, b=b, method=method, score=asked.name, level=level, alternative=alternative,
        greater_is_better=asked.greater_is_better, notes=notes, **found,
    )  # fmt: skip


def pairwise(
    comparison: Comparison,
    method: str,
    score: str | None,
    *,
    adjust: str | None,
    rope: float | None,
    level: float,
) -> pd.DataFrame:
    """Return the tests of all pairs of models; see `Comparison.pairwise`."""
    import pandas as pd

    if adjust not in (None, "holm", "bonferroni"):
        raise DataError(f"adjust must be 'holm', 'bonferroni' or None, got {adjust!r}.")
    found: list[dict[str, Any] | DataError] = []
    pairs = list(combinations(comparison.models, 2))
    for a, b in pairs:
        try:
            found.append(paired_test(comparison, a, b, method, score, rope=rope, level=level).row())
        except DataError as reason:
            found.append(reason)
    done = [row for row in found if isinstance(row, dict)]
    if not done and found:
        raise found[0]  # type: ignore[misc]
    rows = [
        row if isinstance(row, dict) else _lacking(done[0], a, b, row)
        for (a, b), row in zip(pairs, found, strict=True)
    ]
    frame = pd.DataFrame(rows)
    place = list(frame.columns).index("p_value") + 1
    frame.insert(place, "p_adjusted", adjusted(frame["p_value"].to_numpy(float), adjust))
    return frame


def _lacking(other: dict[str, Any], a: str, b: str, reason: DataError) -> dict[str, Any]:
    """Return the row of a pair that cannot be tested, such as of a model that failed."""
    nothing = {name: math.nan for name, value in other.items() if isinstance(value, float)}
    own = {"a": a, "b": b, "better": None, "notes": f"no test: {reason}"}
    return {**other, **nothing, **own}


def adjusted(p_values: Floats, adjust: str | None) -> Floats:
    """Return p-values that hold for all of them together (Holm 1979).

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.comparison.paired_tests import adjusted
    >>> adjusted(np.array([0.01, 0.04, 0.03]), "holm")
    array([0.03, 0.06, 0.06])
    """
    known = np.flatnonzero(~np.isnan(p_values))
    found = p_values.copy()
    if adjust is None or not known.size:
        return found
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1) if adjust == "holm" else np.full(len(order), len(order))
    found[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return found


class CochranTest(NamedTuple):
    """Whether several models hit equally many rows (Cochran 1950).

    Parameters
    ----------
    models : tuple of str
        The models.
    accuracy : array
        Of each, over the pooled rows.
    statistic, df, p_value : float
        Q, models less one, and the p-value.
    basis : str
        What it was computed from.
    """

    models: tuple[str, ...]
    accuracy: Floats
    statistic: float
    df: float
    p_value: float
    basis: str


def cochran_q(comparison: Comparison, models: Sequence[str] | None) -> CochranTest:
    """Return Cochran's Q over models; see `Comparison.cochran_q`."""
    from scipy.special import chdtrc

    names = tuple(map(comparison.checked_model, comparison.models if models is None else models))
    if not comparison.classes:
        raise DataError("Cochran's Q is about classes, and the outcome holds numbers.")
    if len(set(names)) < 2 or len(set(names)) != len(names):
        raise DataError(f"Cochran's Q needs two different models or more, got {names}.")
    given, basis = pooled_tests.pooled_predictions(comparison, names)
    hits: NDArray[Any] = np.array([each.prediction == each.truth for each in given], float)
    per_row, per_model, count = hits.sum(axis=0), hits.sum(axis=1), len(names)
    spread = float((per_row * (count - per_row)).sum())
    between = float(((per_model - per_model.mean()) ** 2).sum())
    statistic = count * (count - 1) * between / spread if spread else 0.0
    p_value = float(chdtrc(count - 1, statistic)) if spread else 1.0
    return CochranTest(names, hits.mean(axis=1), statistic, float(count - 1), p_value, basis)
