"""How sure the score of one model is: from stored predictions, or by nested cross-validation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from estkit import parallel
from estkit.comparison import scores
from estkit.comparison.candidates import candidates_of, read_data
from estkit.comparison.evaluation import evaluate
from estkit.comparison.fold_tests import corrected_error
from estkit.comparison.folds import Folds, is_whole, make_folds
from estkit.comparison.pooled_tests import pooled_losses, value_and_influence
from estkit.comparison.scores import Floats, Predicted, Score, losses_of, named_scores
from estkit.comparison.trial import Trial
from estkit.errors import DataError
from estkit.estimate import Estimate, check_level, normal_quantile
from estkit.montecarlo.streams import seed_sequence

if TYPE_CHECKING:
    import pandas as pd

    from estkit.comparison.candidates import Data
    from estkit.comparison.result import Comparison


def intervals(
    comparison: Comparison, score: str | None, method: str, *, level: float
) -> pd.DataFrame:
    """Return the score of every model with an interval; see `Comparison.intervals`."""
    import pandas as pd

    if method == "nested":
        raise DataError(
            "nested cross-validation fits models again, which a stored comparison cannot; call "
            "ek.nested_interval(model, X, y)."
        )
    if method not in ("corrected_t", "clt"):
        raise DataError(f"method must be 'corrected_t', 'clt' or 'nested', got {method!r}.")
    check_level(level)
    own = comparison.checked_score(score)
    find = by_folds if method == "corrected_t" else _by_losses
    rows = [
        {"model": model, "score": own.name, "method": method, **find(comparison, model, own, level)}
        for model in comparison.models
    ]
    return pd.DataFrame(rows)


def by_folds(comparison: Comparison, model: str, score: Score, level: float) -> dict[str, Any]:
    """Return value, std_error, lower, upper and basis of one model's score.

    The error is that of Nadeau and Bengio for the folds of one repeat, s² (1/K + n_test/n_train),
    and the t has K - 1 degrees of freedom, whatever the number of repeats: further repeats test the
    same rows, so they steady s but bring no new rows. (Counted as new, they make intervals of
    nominal 90 % cover 80 %: least squares, 60 rows, 20 columns, 10 folds three times.)
    """
    from scipy.special import stdtrit

    values, folds = comparison.values(model, score), comparison.folds
    known = np.flatnonzero(~np.isnan(values))
    found = {"value": float(values[known].mean()) if known.size else math.nan,
             "std_error": math.nan, "lower": math.nan, "upper": math.nan}  # fmt: skip
    count = folds_of_one_repeat(folds, known)
    if len(known) > 1 and count > 1 and np.isfinite(values[known]).all():
        share = float(np.mean([len(folds.test[i]) / len(folds.train[i]) for i in known]))
        repeated = 1 / count - 1 / len(known)  # in place of 1/J, the share of all folds
        error = corrected_error(values[known], share + repeated)
        half_width = float(stdtrit(count - 1, 0.5 + level / 2)) * error
        limits = np.clip(found["value"] + np.array([-half_width, half_width]), *score.range)
        found |= {"std_error": error, "lower": float(limits[0]), "upper": float(limits[1])}
        if error == 0 and score.function is scores.accuracy:
            found |= _of_a_share(found["value"], len(_tested(folds, known)), level)
    return {**found, "basis": f"{len(known)} of {len(folds)} folds ({folds.scheme})"}


def folds_of_one_repeat(folds: Folds, used: NDArray[np.intp]) -> float:
    """Return how many folds it takes to test every tested row once."""
    sizes = [len(folds.test[fold]) for fold in used]
    return len(_tested(folds, used)) / float(np.mean(sizes)) if sizes else 0.0


def _tested(folds: Folds, used: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(np.concatenate([folds.test[fold] for fold in used]))


def _of_a_share(share: float, rows: int, level: float) -> dict[str, float]:
    """Return Wilson's interval of a share of rows, for shares that are equal on every fold.

    A model that hits every row has no spread, which does not make its accuracy certain.
    """
    z = normal_quantile(level)
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    spread = math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2) / (1 + z**2 / rows)
    lower, upper = max(0.0, middle - z * spread), min(1.0, middle + z * spread)
    if share in (0, 1):  # whose own limit is exact
        lower, upper = (0.0, upper) if share == 0 else (lower, 1.0)
    return {"std_error": spread, "lower": lower, "upper": upper}


def _by_losses(comparison: Comparison, model: str, score: Score, level: float) -> dict[str, Any]:
    try:
        found = pooled_losses(comparison, (model,), score)
    except DataError as reason:
        if score.loss is None:
            raise
        missing = dict.fromkeys(("value", "std_error", "lower", "upper"), math.nan)
        return {**missing, "basis": str(reason)}
    value, influence = value_and_influence(score, found.loss[0], found.truth)
    count = len(influence)
    error = float(influence.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    half_width = normal_quantile(level) * error
    lower, upper = np.clip([value - half_width, value + half_width], *score.range).tolist()
    answer = {"value": value, "std_error": error, "lower": lower, "upper": upper}
    if error == 0 and score.function is scores.accuracy:
        answer |= _of_a_share(value, count, level)
    return {**answer, "basis": found.basis}


def nested_interval(
    model: Any,
    X: Any,
    y: Any,
    *,
    folds: int = 10,
    repeats: int = 20,
    scoring: Any = None,
    groups: Any = None,
    task: str | None = None,
    level: float = 0.95,
    rng: Any = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Estimate:
    """Estimate the score of a model by nested cross-validation, with an interval that covers.

    Ordinary cross-validation takes the losses of rows for independent, and its intervals are too
    short. Here every fold is set aside once more, so that the difference between cross-validation
    and new rows is seen and its mean square estimated (Bates, Hastie and Tibshirani 2024, Journal
    of the American Statistical Association 119). Of folds j and k, one fit without both serves
    twice, so a repeat takes folds (folds + 1) / 2 fits.

    Parameters
    ----------
    model : estimator or name
        As in `compare`.
    X, y, groups, task, rng, n_jobs, progress
        As in `compare`.
    folds, repeats : int
        How many folds, and how often they are drawn anew; more repeats steady the interval.
    scoring : str or Score, optional
        A score that is an average over rows, or made of one: by default accuracy or RMSE.
    level : float
        The confidence.

    Returns
    -------
    Estimate
        The score, corrected for the smaller training sets, its error and its interval.

    Raises
    ------
    DataError
        If the data or the score are not usable, or the model fails on a fold.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> ek.nested_interval("linear", X, y, folds=5, repeats=3, rng=1)
    Estimate(54.4 ± 1.7, 95% interval 50.9 to 57.7)
    """
    check_level(level)
    data = read_data(X, y, task, [model], groups=groups)
    score = named_scores(scoring, data.task)[0]
    if score.loss is None:
        raise DataError(f"{score.name} is no average over rows; take accuracy, brier or rmse.")
    for name, given, least in (("folds", folds, 3), ("repeats", repeats, 1)):
        if not is_whole(given) or given < least:
            raise DataError(f"{name} must be a whole number of at least {least}, got {given!r}.")
    seed = seed_sequence(rng)
    own = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, 0))
    plain = make_folds((folds, repeats), data.X, data.y, groups=groups, rng=own,
                       classes=bool(data.classes))  # fmt: skip
    if min(map(len, plain.test)) < 2:
        raise DataError(f"{len(data.codes)} rows make folds of one row; take fewer than {folds}.")
    nest = _Nest(plain, folds, repeats)
    candidate = candidates_of({"model": model}, data)[0]
    wanted = [(candidate.name, fold) for fold in range(len(nest.folds))]
    losses: list[Floats] = []
    with parallel.progress_bar(
        len(wanted), show=progress, unit="fit", description="nested"
    ) as forward:
        for (_, fold), trial in evaluate(
            [candidate], data, nest.folds, wanted, seed, n_jobs=n_jobs
        ):
            losses.append(_losses(trial, score, data, nest.folds.test[fold], fold))
            forward(1)
    return _estimate(score, nest, losses, data, level)


class _Nest:
    """The folds of every repeat, without one and without two at a time."""

    def __init__(self, plain: Folds, number: int, repeats: int) -> None:
        rows = np.arange(plain.rows)
        test, self.pairs = [], []
        for repeat in range(repeats):
            own = plain.test[repeat * number : (repeat + 1) * number]
            for j in range(number):
                for k in range(j, number):
                    test.append(own[j] if j == k else np.union1d(own[j], own[k]))
                    self.pairs.append((repeat, j, k))
        train = tuple(np.setdiff1d(rows, part) for part in test)
        self.folds = Folds(train, tuple(test), plain.rows, "nested folds", 0)
        self.plain, self.number, self.repeats = plain, number, repeats


def _losses(trial: Trial, score: Score, data: Data, rows: NDArray[np.intp], fold: int) -> Floats:
    if trial.prediction is None:
        raise DataError(f"the model failed on nested fold {fold}: {trial.reason}")
    if score.needs_probability and trial.probability is None:
        raise DataError(f"{score.name} needs probabilities, which the model does not give.")
    given = Predicted(data.codes[rows], trial.prediction, trial.probability, data.classes)
    found = losses_of(score, given, f" on nested fold {fold}")
    if not np.isfinite(found).all():
        raise DataError(
            f"{score.name} is infinite in row {rows[~np.isfinite(found)][0]}, where the model held "
            f"for impossible what happened; take another score, such as 'brier'."
        )
    return found


class _Moments(NamedTuple):
    """Of one repeat: mean loss nested and plain, squared gaps, and what of them is luck."""

    nested: float
    plain: float
    gap: float
    luck: float
    error: float


def _moments(nest: _Nest, repeat: int, losses: dict[tuple[int, int], Floats]) -> _Moments:
    test = nest.plain.test[repeat * nest.number : (repeat + 1) * nest.number]
    outer, nested, gaps, luck = [], [], [], []
    for k in range(nest.number):
        inner = []
        for j in range(nest.number):
            if j != k:
                both = np.union1d(test[j], test[k])
                inner.append(losses[min(j, k), max(j, k)][np.isin(both, test[j])])
        held_out, seen = losses[k, k], np.concatenate(inner)
        nested.append(seen.mean())
        gaps.append((seen.mean() - held_out.mean()) ** 2)
        luck.append(held_out.var(ddof=1) / len(held_out))
        outer.append(held_out)
    every = np.concatenate(outer)
    error = every.std(ddof=1) / math.sqrt(len(every))
    found = np.mean(nested), every.mean(), np.mean(gaps), np.mean(luck), error
    return _Moments(*map(float, found))


def _estimate(
    score: Score, nest: _Nest, losses: list[Floats], data: Data, level: float
) -> Estimate:
    """Return Bates' estimate, his equations (14) to (17), in the unit of the score."""
    by_repeat: list[dict[tuple[int, int], Floats]] = [{} for _ in range(nest.repeats)]
    for (repeat, j, k), found in zip(nest.pairs, losses, strict=True):
        by_repeat[repeat][j, k] = found
    each = [_moments(nest, repeat, own) for repeat, own in enumerate(by_repeat)]
    nested, plain, gap, luck, naive = np.mean(each, axis=0).tolist()
    spread = math.sqrt(max(0.0, gap - luck) * (nest.number - 1) / nest.number)
    error = min(max(spread, naive), naive * math.sqrt(nest.number))
    middle = nested - (1 + (nest.number - 2) / nest.number) * (nested - plain)
    half_width = normal_quantile(level) * error
    truth = data.codes
    limits = [_in_its_unit(score, middle + side, truth) for side in (-half_width, half_width)]
    lower, upper = np.clip(sorted(limits), *score.range).tolist()
    value = float(np.clip(_in_its_unit(score, middle, truth), *score.range))
    unit = 1.0
    if score.function is scores.rmse:
        unit = 1 / (2 * value) if value else 1.0
    elif score.function is scores.r2:
        unit = 1 / float(truth.var())
    if error == 0 and score.function is scores.accuracy:
        share = _of_a_share(value, len(truth), level)
        return Estimate(value, std_error=share["std_error"], lower=share["lower"],
                        upper=share["upper"], level=level)  # fmt: skip
    return Estimate(value, std_error=error * unit, lower=lower, upper=upper, level=level)


def _in_its_unit(score: Score, loss: float, truth: NDArray[Any]) -> float:
    if score.function is scores.rmse:
        return math.sqrt(max(0.0, loss))
    if score.function is scores.r2:
        return 1 - loss / float(truth.var())
    return 1 - loss if score.greater_is_better else loss
