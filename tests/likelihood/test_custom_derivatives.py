"""How a user's likelihood is differentiated: given, by the complex step, by differences, by JAX."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

import estkit as ek
from estkit.likelihood.custom.derivatives import Derivatives, first_steps
from estkit.likelihood.custom.function import Function
from estkit.likelihood.custom.parameters import read_layout
from estkit.likelihood.custom.transforms import Transforms

Floats = NDArray[np.float64]

EXACT = 1e-12  # what rounding leaves of a complex step, in standard errors
FINE = 1e-8  # differences of sixth order

RNG = np.random.default_rng(8)
Y = RNG.normal(3.0, 2.0, size=60)
START = {"mu": 1.0, "sigma": 1.5}
BOUNDS = {"sigma": (0, None)}


def normal(params: Any, y: Floats) -> Floats:
    return -np.log(params["sigma"]) - 0.5 * ((y - params["mu"]) / params["sigma"]) ** 2


def slopes(params: Any, y: Floats) -> dict[str, Floats]:
    z = (y - params["mu"]) / params["sigma"]
    return {"mu": z / params["sigma"], "sigma": (z**2 - 1) / params["sigma"]}


def curves(params: Any, y: Floats) -> Floats:
    s, z = params["sigma"], (y - params["mu"]) / params["sigma"]
    cross = -2 * z.sum() / s**2
    return np.array([[-len(y) / s**2, cross], [cross, (1 - 3 * z**2).sum() / s**2]])


def summed(params: Any, y: Floats) -> dict[str, float]:
    return {name: float(rows.sum()) for name, rows in slopes(params, y).items()}


WANTED = ek.fit(ek.Likelihood(normal, START, bounds=BOUNDS), Y)


def same(fit: Any, tolerance: float = FINE) -> None:
    np.testing.assert_allclose(fit.params, WANTED.params, rtol=tolerance)
    np.testing.assert_allclose(fit.std_errors, WANTED.std_errors, rtol=tolerance)


# --- which are used ---


def test_the_complex_step_is_used_where_it_works() -> None:
    assert WANTED.derivatives == "complex"
    assert WANTED.derivative_error < EXACT
    assert "by the complex step, confirmed by differences" in str(WANTED)


@pytest.mark.parametrize(
    "loglik",
    [
        lambda p, y: -np.log(p.sigma) - 0.5 * np.abs((y - p.mu) / p.sigma) ** 2,
        lambda p, y: -np.log(np.real(p.sigma)) - 0.5 * ((y - p.mu) / p.sigma) ** 2,
        lambda p, y: -float(np.real(np.log(p.sigma))) - 0.5 * ((y - p.mu) / p.sigma) ** 2,
        lambda p, y: (
            special.gammaln(p.sigma) * 0 - np.log(p.sigma) - 0.5 * ((y - p.mu) / p.sigma) ** 2
        ),
        lambda p, y: np.asarray(-np.log(p.sigma) - 0.5 * ((y - p.mu) / p.sigma) ** 2, dtype=float),
    ],
    ids=["abs", "real", "float", "special function", "cast"],
)
def test_what_breaks_the_complex_step_leads_to_differences(loglik: Any) -> None:
    fit = ek.fit(ek.Likelihood(loglik, START, bounds=BOUNDS), Y)
    assert fit.derivatives == "differences"
    same(fit)
    assert 0 < fit.derivative_error < FINE
    assert "Derivatives by differences" in str(fit)


def test_a_complex_step_that_breaks_on_the_way_is_found_out() -> None:
    def piecewise(params: Any, y: Floats) -> Floats:
        z = (y - params["mu"]) / params["sigma"]
        if np.real(params["mu"]) > 2.0:  # from here on the imaginary part is lost
            z = np.abs(z)
        return -np.log(params["sigma"]) - 0.5 * z**2

    fit = ek.fit(ek.Likelihood(piecewise, START, bounds=BOUNDS), Y)
    assert fit.derivatives == "differences"
    same(fit)


def test_asking_for_a_complex_step_that_does_not_work_is_refused() -> None:
    like = ek.Likelihood(lambda p, y: -(np.abs(y - p.mu) ** 2), {"mu": 0.0}, derivatives="complex")
    with pytest.raises(ek.DataError, match="complex step and differences disagree"):
        ek.fit(like, Y)


def test_asking_for_differences_gives_them() -> None:
    fit = ek.fit(ek.Likelihood(normal, START, bounds=BOUNDS, derivatives="differences"), Y)
    assert fit.derivatives == "differences"
    same(fit)


@pytest.mark.parametrize("gradient", [slopes, summed])
@pytest.mark.parametrize("hessian", [None, curves])
def test_given_derivatives_are_used(gradient: Any, hessian: Any) -> None:
    counted = {"gradient": 0, "loglik": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any) -> Any:
            counted[name] += 1
            return function(*given)

        return called

    like = ek.Likelihood(
        counting("loglik", normal), START, counting("gradient", gradient), hessian, bounds=BOUNDS
    )
    fit = ek.fit(like, Y)
    same(fit)
    assert fit.derivatives == "given"
    assert counted["gradient"] > 5
    np.testing.assert_allclose(fit.covariance("HC0"), WANTED.covariance("HC0"), rtol=1e-6)


def test_a_given_gradient_makes_the_fit() -> None:
    # On the way the gradient is a little longer than it should be: the path must change with it.
    paths: list[list[float]] = [[], []]
    for factor, path in zip((1.0, 1.0 + 5e-7), paths, strict=True):

        def stretched(params: Any, y: Floats, factor: float = factor, path: Any = path) -> Any:
            path.append(float(params["mu"]))
            return {name: factor * rows for name, rows in slopes(params, y).items()}

        ek.fit(ek.Likelihood(normal, START, stretched, bounds=BOUNDS), Y)
    assert paths[0] != paths[1]


def test_given_derivatives_of_an_array_of_parameters() -> None:
    like = ek.Likelihood(
        lambda t, y: -t[1] - 0.5 * (y - t[0]) ** 2 * np.exp(-2 * t[1]),
        [0.0, 0.0],
        lambda t, y: np.stack(
            [(y - t[0]) * np.exp(-2 * t[1]), (y - t[0]) ** 2 * np.exp(-2 * t[1]) - 1], axis=1
        ),
        names=["mu", "log_sigma"],
    )
    fit = ek.fit(like, Y)
    assert fit.names == ("mu", "log_sigma")
    np.testing.assert_allclose(fit.params, [Y.mean(), np.log(Y.std())], rtol=FINE)


def test_a_hessian_may_be_a_mapping_of_pairs() -> None:
    def pairs(params: Any, y: Floats) -> dict[tuple[str, str], float]:
        whole = curves(params, y)
        return {
            ("mu", "mu"): whole[0, 0],
            ("sigma", "mu"): whole[1, 0],
            ("sigma", "sigma"): whole[1, 1],
        }

    same(ek.fit(ek.Likelihood(normal, START, slopes, pairs, bounds=BOUNDS), Y))


# --- which are wrong ---


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s, p: {**s, "sigma": -s["sigma"]}, "the same with the other sign"),
        (lambda s, p: {**s, "sigma": s["sigma"] * p["sigma"]}, "on the transformed scale"),
        (lambda s, p: {**s, "sigma": 2 * s["sigma"]}, "2 times as much"),
        (lambda s, p: {**s, "sigma": 0 * s["sigma"]}, "and not 0"),
        (lambda s, p: {"mu": s["mu"], "sigma": s["mu"]}, "in another order"),
        (lambda s, p: {**s, "sigma": s["sigma"] + 1e-4}, "gradient is wrong for 'sigma'"),
    ],
    ids=["sign", "scale", "factor", "zero", "order", "digits"],
)
def test_a_wrong_gradient_is_refused(change: Any, told: str) -> None:
    like = ek.Likelihood(normal, START, lambda p, y: change(slopes(p, y), p), bounds=BOUNDS)
    with pytest.raises(ek.DataError, match="gradient is wrong for 'sigma'") as caught:
        ek.fit(like, Y)
    assert told in str(caught.value)
    given = change(slopes(START, Y), START)["sigma"].sum()
    right = slopes(START, Y)["sigma"].sum()
    assert f"returned {given:.6g}" in str(caught.value)
    assert f"give {right:.6g}" in str(caught.value)


@pytest.mark.parametrize("by_row", [True, False])
def test_the_refusal_quotes_the_checker_and_check_shows_all(by_row: bool) -> None:
    def negative(params: Any, y: Floats) -> dict[str, Any]:
        rows = slopes(params, y)
        rows["sigma"] = -rows["sigma"]
        return rows if by_row else {name: part.sum() for name, part in rows.items()}

    like = ek.Likelihood(normal, START, negative, bounds=BOUNDS)
    with pytest.raises(ek.DataError, match=r"Likely cause: sign.*Likelihood\.check"):
        ek.fit(like, Y)
    report = like.check(Y, at={"mu": 2.0, "sigma": 1e-3})
    assert report.wrong == ("sigma",)
    assert report.verdicts[0] == "ok"
    assert ek.Likelihood(normal, START, slopes, bounds=BOUNDS).check(Y).ok
    with pytest.raises(ek.DataError, match="no gradient="):
        ek.Likelihood(normal, START).check(Y)


def test_a_wrong_sign_is_found_where_the_gradient_is_zero() -> None:
    like = ek.Likelihood(
        lambda p, y: -0.5 * (y - p.mu) ** 2, {"mu": Y.mean()}, lambda p, y: {"mu": p.mu - y}
    )
    with pytest.raises(ek.DataError, match="other sign"):
        ek.fit(like, Y)


def test_a_wrong_hessian_is_refused() -> None:
    like = ek.Likelihood(normal, START, slopes, lambda p, y: -curves(p, y), bounds=BOUNDS)
    with pytest.raises(ek.DataError, match="hessian is wrong for 'mu', 'mu'") as caught:
        ek.fit(like, Y)
    assert f"returned {60 / 1.5**2:.6g}" in str(caught.value)


@pytest.mark.parametrize(
    ("gradient", "told"),
    [
        (lambda p, y: {"mu": 1.0}, "nothing for 'sigma'"),
        (lambda p, y: {"mu": y, "sigma": 1.0}, "totals for ['sigma'] and values for each row"),
        (lambda p, y: np.zeros(3), "its last axis must be the 2 parameters"),
        (lambda p, y: {"mu": np.zeros((2, 2)), "sigma": 0.0}, "shape (2, 2) for 'mu'"),
    ],
    ids=["missing", "mixed", "length", "shape"],
)
def test_a_gradient_of_another_form_is_refused(gradient: Any, told: str) -> None:
    with pytest.raises(ek.DataError) as caught:
        ek.fit(ek.Likelihood(normal, START, gradient, bounds=BOUNDS), Y)
    assert told in str(caught.value)


def test_a_hessian_of_totals_cannot_be_weighted() -> None:
    like = ek.Likelihood(normal, START, slopes, curves, bounds=BOUNDS)
    with pytest.raises(ek.DataError, match="unweighted total"):
        ek.fit(like, Y, weights=np.ones(60))


# --- how exact differences are ---


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_differences_are_as_exact_as_they_say(size: float) -> None:
    layout = read_layout({"a": 2.0 * size, "b": 1.0}, None, None)
    unbounded = Transforms(np.full(2, -np.inf), np.full(2, np.inf))

    def loglik(params: Any) -> Floats:
        return -np.cosh((Y - params.a / size) / 3) * np.exp(params.b)

    point = np.array([2.0 * size, 1.0])
    function = Function(loglik, (), layout, unbounded)
    made = Derivatives(function, "differences", first_steps(function, point)).tuned(point)
    slopes, error = made.difference_slopes(point)
    z = (Y - 2.0) / 3
    truth = np.array([np.sinh(z).sum() * np.e / 3 / size, -np.cosh(z).sum() * np.e])
    found = slopes.sum(axis=0)
    assert (np.abs(found - truth) <= error).all()
    assert (error <= 1e-9 * np.abs(made.steps / 0.05) ** -1).all()
    cross = np.sinh(z).sum() * np.e / 3 / size
    bent = -np.cosh(z).sum() * np.e
    hessian = -np.array([[bent / 9 / size**2, cross], [cross, bent]])
    scale = np.sqrt(np.abs(np.diag(hessian)))
    difference = (made.information(point) - hessian) / np.outer(scale, scale)
    assert np.abs(difference).max() < FINE


# --- JAX, by a stand-in: it is not among the packages that estkit is tested with ---


class Array(np.ndarray[Any, Any]):
    """An array that says it is JAX's, and sets values as JAX does."""

    @property
    def at(self) -> Any:
        class Setter:
            def __init__(self, array: Any, index: Any = None) -> None:
                self.array, self.index = array, index

            def __getitem__(self, index: Any) -> Any:
                return Setter(self.array, index)

            def set(self, values: Any) -> Any:
                whole = self.array.astype(np.result_type(self.array, values))
                whole[self.index] = values
                return whole

        return Setter(self)


def stand_in(dtype: Any) -> dict[str, ModuleType]:
    """Return modules that differentiate by the complex step what JAX would."""
    jax, numpy = ModuleType("jax"), ModuleType("jax.numpy")

    def jacfwd(function: Any) -> Any:
        def slopes(at: Floats) -> Any:
            units = np.eye(len(at)) * 1e-30j
            return np.stack([function(at + u).imag / 1e-30 for u in units], -1).astype(dtype)

        return slopes

    def hessian(function: Any) -> Any:
        def matrix(at: Floats) -> Any:
            units = np.eye(len(at)) * 1e-4
            slope = jacfwd(lambda t: np.atleast_1d(function(t)))
            return np.stack([(slope(at + u) - slope(at - u))[0] / 2e-4 for u in units])

        return matrix

    numpy.asarray = lambda values: np.asarray(values).view(Array)  # type: ignore[attr-defined]
    numpy.atleast_1d = np.atleast_1d  # type: ignore[attr-defined]
    jax.jit = lambda function: function  # type: ignore[attr-defined]
    jax.jacfwd, jax.hessian, jax.numpy = jacfwd, hessian, numpy  # type: ignore[attr-defined]
    return {"jax": jax, "jax.numpy": numpy}


@pytest.mark.parametrize("weights", [None, np.arange(60) % 3])
def test_jax_is_used_when_asked_for(monkeypatch: pytest.MonkeyPatch, weights: Any) -> None:
    for name, module in stand_in(float).items():
        monkeypatch.setitem(sys.modules, name, module)
    options: Any = {"bounds": BOUNDS, "derivatives": "jax"}
    like = ek.Likelihood(normal, {**START, "lost": 1.0}, fixed={"lost": 2.0}, **options)
    fit = ek.fit(like, Y, weights=weights)
    assert fit.derivatives == "jax"
    wanted = ek.fit(ek.Likelihood(normal, START, bounds=BOUNDS), Y, weights=weights)
    np.testing.assert_allclose(fit.params, wanted.params, rtol=FINE)
    np.testing.assert_allclose(fit.std_errors, wanted.std_errors, rtol=1e-6)


def test_single_precision_of_jax_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in stand_in(np.float32).items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(ek.DataError, match="jax_enable_x64"):
        ek.fit(ek.Likelihood(normal, START, bounds=BOUNDS, derivatives="jax"), Y)


def test_jax_is_missing_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ek.MissingExtraError, match="pip install jax"):
        ek.fit(ek.Likelihood(normal, START, bounds=BOUNDS, derivatives="jax"), Y)
