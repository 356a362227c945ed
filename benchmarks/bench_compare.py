"""Comparison of models: curves over k and alpha, bias and variance, and whole comparisons.

Every task is done by estkit and by its peer on the same folds or draws, and the largest difference
between their numbers is printed beside the times: a fast wrong answer wins nothing. All take turns,
and a ratio is that of the shortest times. A peer that would take too long does a part of the task;
its time is divided by that, and its row says so.
Run alone: `python benchmarks/bench_compare.py`; `--rounds 3` takes all times so many times.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import io
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from environment import BLAS_THREADS, is_installed, load, markdown, print_header
from sklearn import datasets
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import estkit as ek
from estkit.comparison.candidates import candidates_of, read_data
from estkit.comparison.folds import make_folds

KS = list(range(1, 51))
ALPHAS = np.logspace(-3, 4, 100)
FEW_KS = (1, 20, 50)  # for which the peer leaves rows out one by one
ROUNDS_OF_DRAWS, SEED = 200, 7
SAME = 1e-10  # relative, where both sum in another order
QUICK = 0.2  # seconds: what takes less is timed several times in a round


@dataclass(frozen=True)
class Race:
    """A task, done by estkit and by a peer.

    `numbers` of both are compared: scores of every fold, or parts of a loss. `share` is the part of
    the task that the peer does.
    """

    name: str
    peer_name: str
    own: Callable[[], Any]
    peer: Callable[[], Any]
    asked: float
    numbers: Callable[[Any], Any] = np.asarray
    peer_numbers: Callable[[Any], Any] = np.asarray
    share: float = 1.0
    needs: str | None = None


def shortest(run: Callable[[], Any]) -> tuple[float, Any]:
    """Give the shortest time of some runs that together last a moment, and what they found."""
    gc.collect()
    times: list[float] = []
    while sum(times) < QUICK and len(times) < 25:
        start = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - start)
    return min(times), found


def held(race: Race, rounds: int) -> tuple[list[str], bool]:
    """Give the row of a race, and whether both found the same."""
    if race.needs is not None and not is_installed(race.needs):
        return [race.name, race.peer_name, "", "", "", f"{race.asked:g}", "not installed"], True
    race.own()  # imports are not the task
    mine, theirs = [], []
    for _ in range(rounds):
        seconds, own = shortest(race.own)
        mine.append(seconds)
        seconds, peer = shortest(race.peer)
        theirs.append(seconds)
        mine.append(shortest(race.own)[0])  # before and after, for a spell that is slow
    known, found = race.peer_numbers(peer), race.numbers(own)
    apart = float(np.max(np.abs(found - known) / np.maximum(np.abs(known), 1e-300)))
    ratio = min(theirs) / race.share / min(mine)
    done = "" if race.share == 1 else f" ({race.share:.3g} of it)"
    row = [race.name, race.peer_name + done, f"{1e3 * min(mine):.2f}", f"{1e3 * min(theirs):.1f}",
           f"{ratio:.0f}" if ratio >= 30 else f"{ratio:.1f}",
           f"{race.asked:g}" + ("" if ratio >= race.asked else " **missed**"),
           f"{apart:.0e}" + ("" if apart < SAME else " **differs**")]  # fmt: skip
    return row, apart < SAME


# curves -------------------------------------------------------------------------------------------


def synthetic() -> tuple[Any, Any]:
    return datasets.make_classification(
        2000, 10, n_informative=6, n_classes=3, random_state=0
    )  # fmt: skip


def grid_scores(found: Any) -> Any:
    results = found.cv_results_
    return np.array([results[f"split{i}_test_score"] for i in range(found.n_splits_)])


def neighbours_by_folds() -> Race:
    X, y = synthetic()
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=3, random_state=0)
    search = GridSearchCV(
        KNeighborsClassifier(), {"n_neighbors": KS}, cv=cv, scoring="accuracy", refit=False
    )
    return Race(
        "k = 1..50, 10-fold × 3, 2000 × 10", "GridSearchCV",
        lambda: ek.knn_curve(X, y, k=KS, cv=cv, scale=False),
        lambda: search.fit(X, y), 40, lambda curve: curve.values, grid_scores,
    )  # fmt: skip


def neighbours_left_out(name: str) -> Race:
    """Leave rows out one by one: the peer for a few k, whose scores are compared."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    classes = name != "diabetes"
    kind = KNeighborsClassifier if classes else KNeighborsRegressor

    def peer() -> list[Any]:
        models = [make_pipeline(StandardScaler(), kind(k)) for k in FEW_KS]
        return [cross_val_predict(model, X, y, cv=LeaveOneOut()) for model in models]

    def scores(told: list[Any]) -> Any:
        return np.array([np.mean(t == y) if classes else np.mean((t - y) ** 2) for t in told])

    picked = [KS.index(k) for k in FEW_KS]
    scoring = "accuracy" if classes else "mse"
    return Race(
        f"leave-one-out, k = 1..50, {name}", "LeaveOneOut",
        lambda: ek.knn_curve(X, y, k=KS, cv="loo", scoring=scoring), peer, 1000,
        lambda curve: curve.means[picked], scores, len(FEW_KS) / len(KS),
    )  # fmt: skip


def linear_data(rows: int, columns: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns)) * rng.uniform(0.5, 3, columns)
    return X, X[:, :5].sum(axis=1) + 2 * rng.normal(size=rows)


def ridge_by_folds(rows: int, columns: int) -> Race:
    X, y = linear_data(rows, columns)
    cv = KFold(10, shuffle=True, random_state=0)
    search = GridSearchCV(
        Ridge(), {"alpha": ALPHAS}, cv=cv, scoring="neg_mean_squared_error", refit=False
    )
    return Race(
        f"ridge, 100 alphas, 10-fold, {rows} × {columns}", "GridSearchCV",
        lambda: ek.ridge_curve(X, y, alphas=ALPHAS, cv=cv, scoring="mse"),
        lambda: search.fit(X, y), 100, lambda curve: curve.values,
        lambda found: -grid_scores(found),
    )  # fmt: skip


def ridge_left_out(rows: int, columns: int) -> Race:
    X, y = linear_data(rows, columns)
    alphas = ALPHAS if columns < rows else ALPHAS[30:]  # RidgeCV loses digits below, p > n

    def truth(_: Any) -> Any:
        kept = RidgeCV(alphas=alphas, store_cv_results=True).fit(X, y)
        return kept.cv_results_.mean(axis=0)

    return Race(
        f"ridge, {len(alphas)} alphas, leave-one-out, {rows} × {columns}", "RidgeCV",
        lambda: ek.ridge_curve(X, y, alphas=alphas, cv="loo", scoring="mse"),
        lambda: RidgeCV(alphas=alphas).fit(X, y), 10, lambda curve: curve.means, truth,
    )  # fmt: skip


# bias and variance ----------------------------------------------------------------------------


def decomposition(name: str, model: Any, loss: str, asked: float) -> Race:
    """Decompose with the draws of mlxtend, whose variance divides by the rounds."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 10))
    y = X[:, :5].sum(axis=1) + rng.normal(size=3000)
    if loss == "zero_one":
        y = (y > 0).astype(int)
    test = (X[2000:], y[2000:])

    def own() -> Any:
        state = np.random.RandomState(SEED)
        draws = np.stack([state.choice(np.arange(2000), 2000) for _ in range(ROUNDS_OF_DRAWS)])
        return ek.bias_variance(model, X[:2000], y[:2000], loss=loss, test=test, draws=draws)

    def peer() -> Any:
        from mlxtend.evaluate import bias_variance_decomp

        kind = "mse" if loss == "squared" else "0-1_loss"
        return bias_variance_decomp(
            clone(model), X[:2000], y[:2000], *test, kind, ROUNDS_OF_DRAWS, random_seed=SEED
        )

    def parts(found: Any) -> Any:
        loss_value, bias, variance = map(found.value, ("loss", "bias", "variance"))
        if loss == "zero_one":  # with two classes mlxtend's variance is the sum of the two kinds
            variance = found.value("unbiased variance") + found.value("biased variance")
            return np.array([loss_value, bias, variance])
        rest = variance / ROUNDS_OF_DRAWS
        return np.array([loss_value, bias + rest, variance - rest])

    return Race(
        f"bias and variance, {name}, 200 rounds, 2000 × 10", "mlxtend", own, peer, asked, parts,
        needs="mlxtend",
    )  # fmt: skip


def races() -> list[Race]:
    return [
        neighbours_by_folds(),
        neighbours_left_out("breast_cancer"),
        neighbours_left_out("diabetes"),
        ridge_by_folds(2000, 10),
        ridge_by_folds(2000, 100),
        ridge_left_out(2000, 10),
        ridge_left_out(2000, 100),
        ridge_left_out(300, 1000),
        decomposition("5-NN", KNeighborsRegressor(5), "squared", 50),
        decomposition("5-NN classes", KNeighborsClassifier(5), "zero_one", 50),
        decomposition("least squares", LinearRegression(), "squared", 10),
    ]


# whole comparisons --------------------------------------------------------------------------------


class Inside:
    """Takes the time that models spend fitting and predicting, probabilities included.

    The rest of a comparison is what estkit adds. Both are of the same run, since on a busy machine
    two runs differ by more than that.
    """

    def __init__(self, models: Sequence[Any]) -> None:
        self.seconds, self.within = 0.0, False
        self.methods = [
            (kind, name, getattr(kind, name))
            for kind in {type(model) for model in models}
            for name in ("fit", "predict", "predict_proba")
            if name in dir(kind)
        ]

    def __enter__(self) -> Inside:
        for kind, name, method in self.methods:
            setattr(kind, name, self.timed(method))
        return self

    def __exit__(self, *_: object) -> None:
        for kind, name, method in self.methods:
            setattr(kind, name, method)

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def run(*given: Any, **named: Any) -> Any:
            if self.within:  # called by another of them
                return method(*given, **named)
            self.within, start = True, time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                self.seconds += time.perf_counter() - start
                self.within = False

        return run


def bare(models: Sequence[Any], X: Any, y: Any, folds: Any, *, shares: bool) -> None:
    """Fit and predict on the same folds, and nothing else.

    Probabilities are predictions, too: who scores both labels and probabilities asks for both.
    """
    for model in models:
        for train, test in folds:
            own = clone(model).fit(X[train], y[train])
            own.predict(X[test])
            if shares:
                own.predict_proba(X[test])


def validated(models: Sequence[Any], X: Any, y: Any, folds: Any, *, shares: bool) -> None:
    """Score as many scores with cross_validate, which keeps no predictions."""
    numbers = ["neg_root_mean_squared_error", "neg_mean_absolute_error", "r2"]
    classes = ["accuracy", "neg_log_loss", "neg_brier_score"]
    for model in models:
        cross_validate(model, X, y, cv=folds, scoring=classes if shares else numbers)


def by_skore(models: Any, X: Any, y: Any, folds: Any) -> None:
    """Evaluate with skore; it takes a single repeat of folds, so this is the first of three."""
    import skore

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        report = skore.evaluate(models, X, y, splitter=folds)
        report.metrics.summarize().frame()


def whole(name: str, rounds: int) -> tuple[list[str], bool]:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    data = read_data(X, y, None)
    folds = make_folds((10, 3), data.X, data.y, rng=1, classes=bool(data.classes))
    pairs = list(zip(folds.train, folds.test, strict=True))
    models = {each.name: each.estimator for each in candidates_of(None, data)}
    shares = bool(data.classes)
    times: dict[str, list[float]] = {key: [] for key in ("wall", "bare", "cv", "skore")}
    over = []
    result = ek.compare(None, X, y, cv=folds, rng=1)
    same = True
    for model in ("knn", "linear"):
        score = "accuracy" if shares else "r2"
        known = cross_validate(models[model], X, y, cv=pairs, scoring=score)["test_score"]
        frame = result.scores(score)
        found = frame.loc[frame["model"] == model].sort_values("fold")["value"].to_numpy()
        same = same and np.allclose(found, known, rtol=0, atol=SAME)
    for _ in range(7 * rounds):
        gc.collect()
        with Inside(list(models.values())) as inside:
            start = time.perf_counter()
            ek.compare(None, X, y, rng=1)
            times["wall"].append(time.perf_counter() - start)
        over.append(times["wall"][-1] / inside.seconds - 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            bare(list(models.values()), X, y, pairs, shares=shares)
            times["bare"].append(time.perf_counter() - start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        validated(list(models.values()), X, y, pairs, shares=shares)
        times["cv"].append(time.perf_counter() - start)
    if is_installed("skore"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            try:
                by_skore(models, X, y, KFold(10, shuffle=True, random_state=1))
                times["skore"].append(time.perf_counter() - start)
            except AttributeError as error:  # version 0.28 asks a regressor for probabilities
                print(f"skore fails on {name}: {error}\n")
    least = {key: min(values, default=float("nan")) for key, values in times.items()}
    above = float(np.median(over))
    row = [name, f"{least['wall']:.3f}", f"{least['bare']:.3f}",
           f"{100 * above:.0f} %" + ("" if above <= 0.1 else " **missed**"),
           f"{100 * max(over):.0f} %", f"{least['cv']:.3f}", f"{least['skore']:.2f}",
           "" if same else "**scores differ**"]  # fmt: skip
    return row, same


def main() -> int:
    """Print the tables; give 1 when numbers differ."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = parser.parse_known_args()[0].rounds
    print_header("Comparison of models", ["scikit-learn", "mlxtend", "skore"])
    warnings.filterwarnings("ignore", category=FutureWarning)
    with threadpool_limits(limits=BLAS_THREADS):
        held_races = [held(race, rounds) for race in races()]
        wholes = [whole(name, rounds) for name in ("breast_cancer", "wine", "digits", "diabetes")]
    header = ["task", "peer", "estkit ms", "peer ms", "ratio", "asked", "largest difference"]
    print(markdown(header, [row for row, _ in held_races]), "\n")
    header = ["default comparison, 10-fold × 3", "ek.compare s", "bare loop s", "above its models",
              "at most", "cross_validate s", "skore s, 1 repeat", ""]  # fmt: skip
    print(markdown(header, [row for row, _ in wholes]))
    print(f"\nAfterwards: {load()}.\n")
    return 0 if all(same for _, same in [*held_races, *wholes]) else 1


if __name__ == "__main__":
    sys.exit(main())
