"""``calibrate_test``: how often a test is wrong on these rows, folds and models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from estkit import parallel
from estkit.comparison.candidates import Data, candidates_of, read_data
from estkit.comparison.folds import is_whole, make_folds
from estkit.comparison.paired_tests import METHODS, paired_test
from estkit.comparison.result import Comparison
from estkit.comparison.scores import SCORES, Score, named_scores
from estkit.comparison.shortcuts import predicted
from estkit.comparison.trial import Trial
from estkit.errors import DataError
from estkit.estimate import check_level, plain
from estkit.montecarlo.streams import seed_sequence
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

_FAIR_ON_NOISE = ("accuracy", "roc_auc")  # the same for every learner where nothing can be learnt


class Size(NamedTuple):
    """How often a test found a difference where there is none.

    Parameters
    ----------
    null : str
        Why there is none: "swapped" or "noise".
    models : str
        Which models.
    size : float
        The share of rounds with p < 1 - level.
    lower, upper : float
        Its 95 % interval (Clopper-Pearson).
    equal : float
        The share of rounds in which the two had the same score on every fold.
    """

    null: str
    models: str
    size: float
    lower: float
    upper: float
    equal: float


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Calibration(Tabular):
    """The simulated size of a test; `calibrate_test` makes it.

    Parameters
    ----------
    method : str
        The test.
    score : str
        What it compares.
    nominal : float
        The size that it should have at most.
    rounds : int
        How many data sets of each kind.
    folds : str
        The folds.
    sizes : tuple of Size
        What was found.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> found = ek.calibrate_test("knn", "linear", X, y, cv=5, rounds=20, null="noise", rng=1)
    >>> found
    Calibration(corrected_t, accuracy, 20 rounds, nominal 0.05: noise knn, linear 0)
    """

    method: str
    score: str
    nominal: float
    rounds: int
    folds: str
    sizes: tuple[Size, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return null, models, size, lower, upper, equal."""
        import pandas as pd

        return pd.DataFrame([each._asdict() for each in self.sizes])

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format."""
        return {
            "format": "estkit.Calibration", "version": 1, "method": self.method,
            "score": self.score, "nominal": self.nominal, "rounds": self.rounds,
            "folds": self.folds, "sizes": [plain(each._asdict()) for each in self.sizes],
        }  # fmt: skip

    def __repr__(self) -> str:
        shown = "; ".join(f"{each.null} {each.models} {each.size:.3g}" for each in self.sizes)
        return (
            f"Calibration({self.method}, {self.score}, {self.rounds} rounds, "
            f"nominal {self.nominal:g}: {shown})"
        )

    def _table(self) -> Table:
        frame = self.to_frame()
        columns = [
            Column("null", frame["null"].tolist()),
            Column("models", frame["models"].tolist()),
            *(Column(name, frame[name].round(3).to_numpy()) for name in ("size", "lower", "upper")),
        ]
        notes = [
            f"size: share of {self.rounds} rounds with p < {self.nominal:g}, and its 95% interval.",
            "swapped: a model against itself, each with columns of noise of its own.",
            "noise: labels drawn anew in equal numbers, so that nothing can be learnt.",
        ]
        notes += [
            f"{each.null} {each.models}: equal on every fold in {each.equal:.0%} of the rounds; "
            f"a pipeline that picks columns by name does not see the noise."
            for each in self.sizes
            if each.equal > 0.5
        ]
        return Table(columns, f"{self.method} on {self.score}, {self.folds}", notes)


def calibrate_test(
    a: Any,
    b: Any,
    X: Any,
    y: Any,
    *,
    method: str = "corrected_t",
    null: str | None = None,
    rounds: int = 200,
    cv: Any = None,
    scoring: Any = None,
    groups: Any = None,
    task: str | None = None,
    level: float = 0.95,
    rng: Any = None,
    n_jobs: int | None = None,
    progress: bool = False,
) -> Calibration:
    """Simulate how often a test finds a difference of equally good models, on your rows and folds.

    Parameters
    ----------
    a, b : estimator or name
        The models, as in `compare`.
    X, y, cv, scoring, groups, task, rng, n_jobs, progress
        As in `compare`; the first score is tested. Every round draws its folds anew.
    method : str
        The test, as in `Comparison.test`.
    null : {"swapped", "noise"}, optional
        Why the models are equal. ``"swapped"``: each model against itself, where either sees,
        beside your columns, a copy of them with the rows shuffled, of its own; the two are
        exchangeable, so any difference is luck. ``"noise"``: a against b on labels drawn anew in
        equal numbers, of which every model hits as many; for accuracy and roc_auc. By default all
        that apply.
    rounds : int
        How many data sets of each kind; the standard error of a size of 0.05 is 0.22 / √rounds.
    level : float
        p < 1 - level counts as found.

    Returns
    -------
    Calibration
        The simulated sizes with intervals.

    Raises
    ------
    DataError
        If the test has no p-value, or the null does not suit the score.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> ek.calibrate_test("linear", "tree", X[:60], y[:60], cv=5, rounds=20, rng=1)
    Calibration(corrected_t, rmse, 20 rounds, nominal 0.05: swapped linear 0; swapped tree 0.05)
    """
    check_level(level)
    if method not in METHODS or method == "bayesian":
        known = ", ".join(name for name in METHODS if name != "bayesian")
        raise DataError(f"{method!r} is not a test with a p-value; they are {known}.")
    if not is_whole(rounds) or rounds < 1:
        raise DataError(f"rounds must be a whole number of 1 or more, got {rounds!r}.")
    data = read_data(X, y, task, [a, b], groups=groups)
    own = METHODS[method].score
    score = named_scores(own if scoring is None and own else scoring, data.task)[0]
    names, models = _named(a, b)
    plans = _plans(null, names, models, score)
    if hasattr(cv, "__next__"):
        cv = list(cv)  # every round makes folds of it
    seed = seed_sequence(rng)
    sizes, scheme = [], ""
    total = len(plans) * rounds
    # Some rounds for a worker, so that to send them costs little; few, so that progress shows.
    several = 1 if parallel.workers(n_jobs) == 1 else -(-rounds // (8 * parallel.workers(n_jobs)))
    with parallel.progress_bar(total, show=progress, unit="round", description=method) as forward:
        for number, plan in enumerate(plans):
            whole = _Task(plan, data, score, method, level, cv, groups, _child(seed, number))
            tasks = [
                whole._replace(rounds=range(start, min(start + several, rounds)))
                for start in range(0, rounds, several)
            ]
            found, equal = 0, 0
            for part in parallel.map_tasks(_outcomes, tasks, n_jobs=n_jobs):
                found += sum(each.found for each in part)
                equal += sum(each.equal for each in part)
                scheme = part[-1].scheme
                forward(len(part))
            sizes.append(Size(plan.null, plan.label, *_share(found, rounds), equal / rounds))
    return Calibration(method=method, score=score.name, nominal=round(1 - level, 12),
                       rounds=rounds, folds=scheme, sizes=tuple(sizes))  # fmt: skip


class _Plan(NamedTuple):
    null: str
    label: str
    models: tuple[Any, Any]


def _named(a: Any, b: Any) -> tuple[list[str], tuple[Any, Any]]:
    names = [each if isinstance(each, str) else type(each).__name__ for each in (a, b)]
    return names, (a, b)


def _plans(
    null: str | None, names: list[str], models: tuple[Any, Any], score: Score
) -> list[_Plan]:
    if null not in (None, "swapped", "noise"):
        raise DataError(f"null must be 'swapped', 'noise' or None, got {null!r}.")
    fair = any(score is SCORES[name] for name in _FAIR_ON_NOISE)
    if null == "noise" and not fair:
        raise DataError(
            f"on noise models still differ in {score.name}; null='noise' is for "
            f"{' and '.join(_FAIR_ON_NOISE)}, 'swapped' for any score."
        )
    plans = []
    if null != "noise":
        distinct = names[:1] if models[0] == models[1] else names
        plans += [_Plan("swapped", name, (model, model))
                  for name, model in zip(distinct, models, strict=False)]  # fmt: skip
    if null != "swapped" and fair:
        plans.append(_Plan("noise", ", ".join(names), models))
    return plans


class _Task(NamedTuple):
    """Some rounds for a worker."""

    plan: _Plan
    data: Data
    score: Score
    method: str
    level: float
    cv: Any
    groups: Any
    seed: np.random.SeedSequence
    rounds: range = range(0)


class _Outcome(NamedTuple):
    """What came of a round: whether a difference was found, whether there was none on any fold."""

    found: bool
    equal: bool
    scheme: str


def _outcomes(task: _Task) -> list[_Outcome]:
    outcomes = []
    for number in task.rounds:
        result = _compared(task, _child(task.seed, number))
        test = paired_test(result, "a", "b", task.method, task.score.name, level=task.level)
        first, second = (result.values(name, task.score) for name in "ab")
        found, equal = bool(test.p_value < 1 - task.level), np.array_equal(first, second)
        outcomes.append(_Outcome(found, equal, result.folds.scheme))
    return outcomes


def _compared(task: _Task, seed: np.random.SeedSequence) -> Comparison:
    """Return the comparison of two models, called a and b, that are equally good."""
    rng, data = np.random.default_rng(seed), task.data
    both = _noise(data, rng) if task.plan.null == "noise" else _swapped(data, rng)
    folds = make_folds(task.cv, both[0].X, both[0].y, groups=task.groups, rng=_child(seed, 0),
                       classes=bool(data.classes))  # fmt: skip
    own, shares = _child(seed, 1), task.score.needs_probability or task.method == "delong"
    trials: dict[tuple[str, int], Trial] = {}
    for name, model, seen in zip("ab", task.plan.models, both, strict=True):
        candidate = candidates_of({name: model}, seen)[0]
        for fold in range(len(folds)):
            try:
                trials[name, fold] = predicted(candidate, seen, folds, fold, own, shares=shares)
            except Exception as error:
                raise DataError(
                    f"a model fails on the simulated data: {type(error).__name__}: {error}"
                ) from error
    return Comparison(("a", "b"), (task.score,), folds, data.classes, both[0].codes, trials, (), {})


def _noise(data: Data, rng: np.random.Generator) -> tuple[Data, Data]:
    codes = rng.permutation(np.arange(len(data.codes)) % len(data.classes))
    labels = np.array(data.classes, dtype=np.asarray(data.y).dtype)[codes]
    drawn = data._replace(y=labels, codes=codes)
    return drawn, drawn


def _swapped(data: Data, rng: np.random.Generator) -> tuple[Data, Data]:
    first, second = (_beside(data.X, rng.permutation(len(data.codes))) for _ in range(2))
    return read_data(first, data.y, data.task), read_data(second, data.y, data.task)


def _beside(X: Any, order: Any) -> Any:
    """Return columns, and beside them the same with their rows in another order."""
    if hasattr(X, "iloc"):
        import pandas as pd

        other = X.iloc[order].set_axis(X.index).rename(columns=lambda name: f"{name}, shuffled")
        return pd.concat([X, other], axis=1)
    if hasattr(X, "tocsr"):
        from scipy import sparse

        return sparse.hstack([X, X[order]], format="csr")
    return np.hstack([X, X[order]])


def _child(seed: np.random.SeedSequence, number: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number))


def _share(found: int, rounds: int) -> tuple[float, float, float]:
    """Return a share and its Clopper-Pearson interval."""
    from scipy.special import betaincinv

    lower = float(betaincinv(found, rounds - found + 1, 0.025)) if found else 0.0
    upper = float(betaincinv(found + 1, rounds - found, 0.975)) if found < rounds else 1.0
    return found / rounds, lower, upper
