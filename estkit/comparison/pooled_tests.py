"""Tests on pooled predictions: every row counts once, whatever the number of repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit.comparison import scores
from estkit.comparison.fold_tests import Pair, without_spread
from estkit.comparison.scores import Floats, Predicted, Score
from estkit.errors import DataError

if TYPE_CHECKING:
    from estkit.comparison.result import Comparison

_SAME = 1e-6  # relative: a score and the average of its losses


class Pooled(NamedTuple):
    """The predictions of several models for the rows that all have seen tested.

    Parameters
    ----------
    given : list of Predicted
        Of each model, in the same order of rows.
    basis : str
        What they are, in words.
    """

    given: list[Predicted]
    basis: str


def pooled_predictions(comparison: Comparison, models: Sequence[str]) -> Pooled:
    """Return the first prediction of each model for each row, of the folds all of them have."""
    rows, parts, used = _collected(comparison, models)
    first = np.unique(rows, return_index=True)[1]
    given = [_taken(_joined(part), first) for part in parts]
    once = "" if len(first) == len(rows) else ", each by its first prediction"
    return Pooled(given, f"{len(first)} rows of {used} of {len(comparison.folds)} folds{once}")


class Losses(NamedTuple):
    """The loss of every row under each model, averaged over repeats.

    Parameters
    ----------
    loss : array of shape (models, n)
        The losses.
    truth : array of shape (n,)
        The outcome of these rows.
    basis : str
        What they are, in words.
    """

    loss: Floats
    truth: NDArray[Any]
    basis: str


def pooled_losses(comparison: Comparison, models: Sequence[str], score: Score) -> Losses:
    """Return the loss of each row under each model, from the folds all of them have.

    Raises
    ------
    DataError
        If the score is not an average over rows, or a loss is infinite.
    """
    if score.loss is None:
        raise DataError(
            f"{score.name} is no average over rows, so there are no losses to pool; take "
            f"method='corrected_t'" + (" or 'delong'." if score.name == "roc_auc" else ".")
        )
    rows, parts, used = _collected(comparison, models, probability=score.needs_probability)
    own, place = np.unique(rows, return_inverse=True)
    counts = np.bincount(place)
    losses = np.empty((len(parts), len(own)))
    for number, (model, part) in enumerate(zip(models, parts, strict=True)):
        joined = _joined(part)
        given = scores.losses_of(score, joined, f" for model {model!r}")
        if not np.isfinite(given).all():
            raise DataError(
                f"the loss of {model!r} is infinite in row {rows[~np.isfinite(given)][0]}, where "
                f"it held for impossible what happened; compare another score, such as 'brier'."
            )
        _check_average(score, joined, given)
        losses[number] = np.bincount(place, weights=given) / counts
    averaged = "" if len(own) == len(rows) else ", losses averaged over repeats"
    basis = f"{len(own)} rows of {used} of {len(comparison.folds)} folds{averaged}"
    return Losses(losses, comparison.outcome[own], basis)


def _check_average(score: Score, joined: Predicted, losses: Floats) -> None:
    """Raise where the losses of a score of the user's own do not average to it."""
    if score is scores.SCORES.get(score.name) or score.function in (scores.rmse, scores.r2):
        return
    value, told = scores.value_of(score, joined), float(losses.mean())
    told = 1 - told if score.greater_is_better else told
    if not math.isclose(value, told, rel_tol=_SAME, abs_tol=_SAME):
        raise DataError(
            f"{score.name} is {value:.6g} where the losses of its rows say {told:.6g}: their "
            f"average must be the score, or 1 less it where greater is better. Mend its loss, or "
            f"take method='corrected_t', which asks for none."
        )


def _collected(
    comparison: Comparison, models: Sequence[str], *, probability: bool = False
) -> tuple[NDArray[np.intp], list[list[Predicted]], int]:
    rows: list[NDArray[np.intp]] = []
    parts: list[list[Predicted]] = [[] for _ in models]
    for fold in range(len(comparison.folds)):
        given = [comparison.predicted(model, fold) for model in models]
        known = [each for each in given if each is not None]
        lacking = probability and any(each.probability is None for each in known)
        if len(known) == len(models) and not lacking:
            rows.append(comparison.folds.test[fold])
            for part, each in zip(parts, known, strict=True):
                part.append(each)
    if not rows:
        what = "probabilities" if probability else "predictions"
        raise DataError(
            f"{', '.join(map(repr, models))} have no fold on which all give {what}; see failures()."
        )
    return np.concatenate(rows), parts, len(rows)


def _joined(parts: list[Predicted]) -> Predicted:
    known = [part.probability for part in parts if part.probability is not None]
    return Predicted(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.prediction for part in parts]),
        np.concatenate(known) if len(known) == len(parts) else None,
        parts[0].classes,
    )


def _taken(given: Predicted, rows: NDArray[np.intp]) -> Predicted:
    probability = None if given.probability is None else given.probability[rows]
    return Predicted(given.truth[rows], given.prediction[rows], probability, given.classes)


def value_and_influence(score: Score, loss: Floats, truth: NDArray[Any]) -> tuple[float, Floats]:
    """Return the score of pooled losses, and how much each row moves it (its influence).

    RMSE and R² are functions of the mean loss, so their influence is that of the delta method. The
    score of a `Score` of the user's own is 1 less the loss if greater is better, else the loss.
    """
    mean = float(loss.mean())
    if score.function is scores.rmse:
        root = math.sqrt(mean)
        return root, (loss - mean) / (2 * root) if root else loss
    if score.function is scores.r2:
        squared = (truth - truth.mean()) ** 2
        spread = float(squared.mean())
        if not spread:
            raise DataError("R² is undefined where the outcome is constant; take 'rmse'.")
        return 1 - mean / spread, (mean / spread * (squared - spread) - (loss - mean)) / spread
    if score.greater_is_better:
        return 1 - mean, mean - loss
    return mean, loss - mean


def clt(pair: Pair) -> dict[str, Any]:
    """Test by a normal law for pooled losses (Bayle, Bayle, Janson and Mackey 2020)."""
    found = pooled_losses(pair.comparison, (pair.a, pair.b), pair.score)
    (first, one), (second, other) = (
        value_and_influence(pair.score, loss, found.truth) for loss in found.loss
    )
    if len(one) < 2:
        raise DataError("one row has no variance; the clt test needs many.")
    same = np.array_equal(*found.loss)
    error = 0.0 if same else float((one - other).std(ddof=1)) / math.sqrt(len(one))
    tested = pair.conclude(first - second, error, math.inf)
    if error == 0 and first != second:
        tested |= without_spread(pair, first - second, len(one))
    return tested | {"basis": found.basis}


def discordant(pair: Pair) -> tuple[int, int, int, str]:
    """Return the rows that a alone hits, that b alone hits, how many there are, and a basis."""
    if pair.score.function is not scores.accuracy:
        raise DataError(f"McNemar's test compares accuracy, not {pair.score.name}.")
    (first, second), basis = pooled_predictions(pair.comparison, (pair.a, pair.b))
    hits = first.prediction == first.truth, second.prediction == second.truth
    return int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum()), len(hits[0]), basis


def mcnemar(pair: Pair) -> dict[str, Any]:
    """Test exactly whether discordant rows fall either way with probability 1/2 (McNemar)."""
    from scipy.special import bdtr

    alone, other, rows, basis = discordant(pair)
    total = alone + other
    below = {"better": other, "worse": alone}.get(pair.alternative, min(alone, other))
    sides = 2 if pair.alternative == "two-sided" else 1
    p_value = min(1.0, sides * float(bdtr(below, total, 0.5))) if total else 1.0
    found = _mcnemar(pair, alone, other, rows, basis)
    return found | {"statistic": float(alone), "p_value": p_value}


def mcnemar_chi2(pair: Pair) -> dict[str, Any]:
    """Test by McNemar's chi-squared with continuity correction, never corrected past 0."""
    from scipy.special import chdtrc

    if pair.alternative != "two-sided":
        raise DataError("chi-squared is two-sided; take method='mcnemar' for one side.")
    alone, other, rows, basis = discordant(pair)
    total = alone + other
    statistic = max(abs(alone - other) - 1, 0) ** 2 / total if total else 0.0
    found = _mcnemar(pair, alone, other, rows, basis)
    return found | {"statistic": statistic, "p_value": float(chdtrc(1, statistic))}


def _mcnemar(pair: Pair, alone: int, other: int, rows: int, basis: str) -> dict[str, Any]:
    """Return difference and interval: Wald's after one row is added to each discordant cell.

    Bonett and Price (2012, Journal of Educational and Behavioral Statistics 37).
    """
    shares = (alone + 1) / (rows + 2), (other + 1) / (rows + 2)
    middle = shares[0] - shares[1]
    error = math.sqrt((sum(shares) - middle**2) / (rows + 2))
    found = pair.conclude(middle, error, math.inf)
    estimate = (alone - other) / rows
    limits = (max(-1.0, found["lower"]), min(1.0, found["upper"]))
    exact = math.sqrt(max(0.0, (alone + other) / rows - estimate**2) / rows)
    note = f"{pair.a} alone is right on {alone} rows, {pair.b} alone on {other}."
    return {"estimate": estimate, "std_error": exact, "lower": limits[0], "upper": limits[1],
            "basis": basis, "notes": (note,)}  # fmt: skip


def delong(pair: Pair) -> dict[str, Any]:
    """Test two areas under ROC curves of the same rows (DeLong, DeLong, Clarke-Pearson 1988)."""
    if pair.score.function is not scores.roc_auc or len(pair.comparison.classes) != 2:
        raise DataError("DeLong's test is about roc_auc of two classes.")
    given, basis = pooled_predictions(pair.comparison, (pair.a, pair.b))
    own = given[0].truth == 1
    if min(own.sum(), (~own).sum()) < 2:
        raise DataError("DeLong's test needs two rows of each class.")
    areas, above, below = zip(*(placements(_chance(each), own) for each in given), strict=True)
    variance = sum(float((part[0] - part[1]).var(ddof=1)) / len(part[0]) for part in (above, below))
    found = pair.conclude(areas[0] - areas[1], math.sqrt(variance), math.inf)
    if found["std_error"] == 0 and found["estimate"] != 0:
        found |= without_spread(pair, found["estimate"], int(min(own.sum(), (~own).sum())))
    return found | {"basis": basis}


def _chance(given: Predicted) -> Floats:
    if given.probability is None:
        raise DataError("DeLong's test needs probabilities, which a model here does not give.")
    return given.probability[:, 1]


def placements(chance: Floats, own: NDArray[np.bool_]) -> tuple[float, Floats, Floats]:
    """Return AUC, for each row of the class the share of others below it, and the reverse.

    By ranks, ties halved, in n log n (Sun and Xu 2014).
    """
    from scipy.stats import rankdata

    ranks = rankdata(chance)
    inside, outside = int(own.sum()), int((~own).sum())
    above = (ranks[own] - rankdata(chance[own])) / outside
    below = 1 - (ranks[~own] - rankdata(chance[~own])) / inside
    return float(above.mean()), above, below
