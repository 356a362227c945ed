"""Bias and variance: parts that sum, equal to refitting round by round, with errors that cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier

import estkit as ek
from estkit.comparison.components import ZERO_ONE, log_parts, squared_parts
from estkit.montecarlo.influence import Influence, standard_error

CLOSE = 1e-12


def drawn(rows: int, rounds: int, seed: int) -> Any:
    """Return the draws of mlxtend's ``bias_variance_decomp`` with this seed."""
    state = np.random.RandomState(seed)
    return np.stack([state.choice(np.arange(rows), size=rows) for _ in range(rounds)])


def parts_sum(result: ek.Decomposition) -> float:
    return sum(result.value(part) for part in ("noise", "bias", "variance"))


@pytest.mark.parametrize(
    "model", [KNeighborsRegressor(1), KNeighborsRegressor(7), LinearRegression(),
              LinearRegression(fit_intercept=False)]
)  # fmt: skip
def test_squared_loss_is_that_of_refitting_every_round(model: Any) -> None:
    X, y = load_diabetes(return_X_y=True)
    draws, test = drawn(300, 25, 4), (X[300:], y[300:])
    told = np.array([model.fit(X[d], y[d]).predict(X[300:]) for d in draws])
    result = ek.bias_variance(model, X[:300], y[:300], test=test, draws=draws)
    variance = told.var(axis=0, ddof=1).mean()
    bias = ((told.mean(axis=0) - y[300:]) ** 2).mean() - variance / 25  # trap 18
    assert result.value("loss") == pytest.approx(((told - y[300:]) ** 2).mean(), rel=CLOSE)
    assert result.value("variance") == pytest.approx(variance, rel=1e-11)
    assert result.value("bias") == pytest.approx(bias, rel=1e-11)
    assert parts_sum(result) == pytest.approx(result.value("loss"), rel=CLOSE)


@pytest.mark.parametrize("definition", ["domingos", "kohavi_wolpert", "james"])
@pytest.mark.parametrize(
    "model", [KNeighborsClassifier(1), KNeighborsClassifier(4), DecisionTreeClassifier()]
)
def test_the_parts_of_zero_one_loss_sum(model: Any, definition: str) -> None:  # traps 9 and 10
    X, y = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    result = ek.bias_variance(
        model, X[:, :2], labels, loss="zero_one", definition=definition, rounds=12, rng=3
    )
    assert parts_sum(result) == pytest.approx(result.value("loss"), abs=CLOSE)
    if definition == "domingos":
        net = result.value("unbiased variance") - result.value("biased variance")
        assert net == pytest.approx(result.value("variance"), abs=CLOSE)


def test_labels_of_minus_one_and_one_are_labels() -> None:  # trap 9
    X, y = load_iris(return_X_y=True)
    signs = np.where(y == 1, 1, -1)
    draws, known = drawn(100, 9, 1), np.arange(150) % 3 != 0
    test = (X[~known], signs[~known])
    model = KNeighborsClassifier(3)
    fit = [model.fit(X[known][d], signs[known][d]).predict(X[~known]) for d in draws]
    result = ek.bias_variance(
        model, X[known], signs[known], loss="zero_one", test=test, draws=draws
    )
    assert result.value("loss") == pytest.approx(np.mean(np.array(fit) != signs[~known]))


def test_neighbours_predict_in_every_round_what_refitting_predicts() -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(200, 3)), rng.choice(["a", "b", "c"], 200)
    draws = drawn(150, 20, 6)
    result = ek.bias_variance(
        KNeighborsClassifier(4), X[:150], y[:150], loss="log", smoothing=0.1,
        test=(X[150:], y[150:]), draws=draws,
    )  # fmt: skip
    shares = np.array(
        [KNeighborsClassifier(4).fit(X[d], y[d]).predict_proba(X[150:]) for d in draws]
    )
    own = np.searchsorted(["a", "b", "c"], y[150:])
    losses = -np.log(0.9 * shares + 0.1 / 3)[:, np.arange(50), own]
    assert result.value("loss") == pytest.approx(losses.mean(), rel=CLOSE)
    assert parts_sum(result) == pytest.approx(result.value("loss"), rel=CLOSE)


def test_the_parts_of_zero_one_loss_of_a_case_by_hand() -> None:
    """Four rounds, one row: the truth is 0.7 and 0.3, the second class is predicted thrice."""
    told, truth = np.array([[1], [1], [1], [0]]), np.array([[0.7, 0.3]])
    rng = np.random.default_rng(1)
    expected = {
        "domingos": (0.6 - 0.75, 1.0, 0.25 - 0.5),
        "james": (0.3, 0.4, 0.6 - 0.7),
        "kohavi_wolpert": (0.21, 0.45**2 - 0.1875 / 3, 0.1875 * 4 / 3),
    }
    for name, numbers in expected.items():
        parts = ZERO_ONE[name](told, truth, rng)
        assert parts["loss"].value == pytest.approx(0.6)
        for part, number in zip(("noise", "bias", "variance"), numbers, strict=True):
            assert parts[part].value == pytest.approx(number), (name, part)


def test_log_loss_with_a_probability_of_zero_is_refused() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ek.DataError, match="smoothing"):
        ek.bias_variance(KNeighborsClassifier(3), X, y, loss="log", rounds=5, rng=1)
    model = LogisticRegression(max_iter=500)
    result = ek.bias_variance(model, X, y, loss="log", rounds=5, rng=1)
    assert parts_sum(result) == pytest.approx(result.value("loss"), rel=CLOSE)


@pytest.mark.parametrize("part", ["bias", "variance", "loss"])
@pytest.mark.parametrize("kind", ["squared", "kohavi_wolpert", "domingos", "log"])
def test_intervals_cover_what_infinitely_many_rounds_give(kind: str, part: str) -> None:
    """Predictions of a known law: 250 decompositions of 200 rounds of 20 rows."""
    rng, rows, rounds, runs = np.random.default_rng(11), 20, 200, 250
    centre = rng.normal(size=rows)
    target = centre + rng.normal(size=rows)
    common = 0.5  # of the variance, for rounds move rows together
    label = (target > 0).astype(int)
    truth = np.eye(2)[label]
    share = norm.cdf(centre)
    exact = {
        "squared": (((centre - target) ** 2).mean(), 1.0),
        "kohavi_wolpert": (((share - label) ** 2).mean(), (share * (1 - share)).mean()),
        "domingos": (((share > 0.5) != label).mean(), None),
    }
    missed = (share * (1 - label) + (1 - share) * label).mean()
    covered = 0
    for _ in range(runs):
        told = centre + np.sqrt(common) * rng.normal(size=(rounds, 1)) + np.sqrt(
            1 - common) * rng.normal(size=(rounds, rows))  # fmt: skip
        if kind == "squared":
            parts = squared_parts(told, target, Influence(0.0, np.zeros(rounds)))
            true = {"bias": exact[kind][0], "variance": 1.0, "loss": exact[kind][0] + 1.0}[part]
        elif kind == "log":
            logits = np.stack([-np.logaddexp(0, told), -np.logaddexp(0, -told)], axis=2)
            parts = log_parts(logits, truth)
            points, weights = np.polynomial.hermite_e.hermegauss(60)
            at = centre[:, None] + points
            low, high = (
                (-np.logaddexp(0, sign * at)) @ weights / weights.sum() for sign in (1, -1)
            )
            variance = -np.logaddexp(low, high).mean()
            loss = -np.where(label == 1, high, low).mean()
            true = {"bias": loss - variance, "variance": variance, "loss": loss}[part]
        else:
            parts = ZERO_ONE[kind]((told > 0).astype(int), truth, rng)
            bias = exact[kind][0]
            true = {"bias": bias, "variance": missed - bias, "loss": missed}[part]
        error = standard_error(parts[part].psi)
        covered += abs(parts[part].value - true) <= 2.0 * error
    assert covered / runs > 0.92  # of 0.95, with a simulation error of 0.013
    assert kind == "domingos" or covered / runs < 0.98


def surface(X: Any) -> Any:
    return np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 2 + X[:, 2] * X[:, 3]


def fresh(rng: np.random.Generator) -> tuple[Any, Any]:
    X = rng.normal(size=(400, 5))
    return X, surface(X) + 0.5 * rng.normal(size=400)


TABLE = {  # 400 training sets of another program, and the same 400 test rows
    "1-NN": (KNeighborsRegressor(1), 0.227, 0.798),
    "5-NN": (KNeighborsRegressor(5), 0.414, 0.197),
    "15-NN": (KNeighborsRegressor(15), 0.649, 0.077),
    "OLS": (LinearRegression(), 1.633, 0.048),
}


@pytest.mark.parametrize("name", TABLE)
def test_fresh_training_sets_give_the_known_bias_and_variance(name: str) -> None:
    model, bias, variance = TABLE[name]
    asked = np.random.default_rng(0).normal(size=(400, 5))
    test = (asked, surface(asked))
    rounds = 120
    result = ek.bias_variance(model, generate=fresh, truth=surface, test=test, rounds=rounds, rng=5)
    both = np.sqrt(1 + rounds / 400)  # the known figures have an error, too, and 3 digits
    for part, known in (("bias", bias), ("variance", variance), ("noise", 0.25)):
        far = abs(result.value(part) - known)
        assert far < 3.5 * both * result.std_error(part) + 0.0005, part
    assert parts_sum(result) == pytest.approx(result.value("loss"), rel=CLOSE)


def test_the_bootstrap_says_that_it_understates_the_variance_of_one_neighbour() -> None:
    X, y = fresh(np.random.default_rng(3))
    asked = np.random.default_rng(0).normal(size=(200, 5))
    model = KNeighborsRegressor(1)
    result = ek.bias_variance(
        model, X, y, truth=surface, test=(asked, surface(asked)), rounds=50, rng=1
    )
    assert result.value("variance") < 0.7 * 0.798
    assert "understates" in str(result)


def test_workers_and_more_rounds_change_no_number() -> None:
    X, y = load_iris(return_X_y=True)
    model = DecisionTreeClassifier()
    one = ek.bias_variance(model, X, y, loss="zero_one", rounds=6, rng=1, n_jobs=1)
    two = ek.bias_variance(model, X, y, loss="zero_one", rounds=6, rng=1, n_jobs=2)
    assert one.to_frame().equals(two.to_frame())
    few = ek.bias_variance(KNeighborsRegressor(), X[:, :3], X[:, 3], rounds=5, rng=1)
    many = ek.bias_variance(KNeighborsRegressor(), X[:, :3], X[:, 3], rounds=8, rng=1)
    np.testing.assert_array_equal(few.parts["loss"].psi, many.parts["loss"].psi[:5])


def test_a_subsample_of_half_the_rows() -> None:
    X, y = load_diabetes(return_X_y=True)
    result = ek.bias_variance(KNeighborsRegressor(3), X, y, scheme="subsample", rounds=9, rng=1)
    assert (result.train_rows, result.rows) == (154, 133)
    assert "half the rows" in str(result)


def test_a_model_that_never_changes_has_no_variance() -> None:
    X, y = load_iris(return_X_y=True)
    model = DummyClassifier(strategy="constant", constant=0)
    for definition in ZERO_ONE:
        result = ek.bias_variance(
            model, X, y, loss="zero_one", definition=definition, rounds=5, rng=2
        )
        assert result.value("variance") == pytest.approx(0, abs=CLOSE)
        assert result.std_error("bias") == pytest.approx(0, abs=CLOSE)


def test_what_does_not_fit_together_is_refused() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = KNeighborsRegressor()
    for options, words in (
        ({"loss": "hinge"}, "loss must be one of"),
        ({"scheme": "fresh"}, "belong together"),
        ({"loss": "zero_one"}, "is of labels, and KNeighborsRegressor predicts numbers"),
        ({"rounds": 2}, "at least 3"),
        ({"test_size": 1.5}, "test_size"),
        ({"truth": np.zeros(3)}, "truth must have shape"),
        ({"draws": np.full((3, 9), 999)}, "draws must be rows"),
    ):
        with pytest.raises(ek.DataError, match=words):
            ek.bias_variance(model, X, y, **options)
