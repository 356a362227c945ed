"""What every likelihood promises, checked on every family that is public and has a reference case.

The examples come from tests/references (see conftest.py). The independent log-likelihoods are the
one thing that a new family has to add here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import estkit as ek
from estkit.likelihood.family import Block

Floats = NDArray[np.float64]

# An independent sum over the rows, which is rounded in another order.
LOGLIK = 1e-11
# What the design promises under any origin and scale of the columns.
SAME = 1e-9
# The same sums, only added up in another order; the standard errors of longley lose 1e8 of it.
REORDERED = 1e-9


def binomial(y: Any, fit: Any, mean: Floats, weights: Floats) -> float:
    if np.ndim(y) == 2:
        counts = np.asarray(y)
        return float(weights @ stats.binom.logpmf(counts[:, 0], counts.sum(axis=1), mean))
    hit = np.asarray(y) == fit.outcomes[1]
    return float(weights @ stats.bernoulli.logpmf(hit, mean))


def softmax(y: Any, fit: Any, mean: Floats, weights: Floats) -> float:
    if np.ndim(y) == 2:
        counts = np.asarray(y)
        return float(weights @ stats.multinomial.logpmf(counts, counts.sum(axis=1), mean))
    counts = np.asarray(y)[:, None] == np.array(fit.outcomes)
    return float(weights @ stats.multinomial.logpmf(counts.astype(int), 1, mean))


def gaussian(y: Any, fit: Any, mean: Floats, weights: Floats) -> float:
    return float(weights @ stats.norm.logpdf(np.asarray(y), mean, fit.sigma.value))


LOGLIKS: dict[str, Callable[..., float]] = {
    "Binomial": binomial,
    "Softmax": softmax,
    "Gaussian": gaussian,
}


def block_of(example: Any, scale: float = 1.0) -> tuple[Block, int]:
    """Return standardised columns times `scale` with the outcomes, and the number of parameters."""
    response = example.family.encode(example.y, example.options.get("weights"), example.rows)
    offset = example.family.encode_offset(example.options.get("offset"), response)
    columns = example.design()
    varies = np.ptp(columns, axis=0) > 0
    spread = np.where(varies, columns.std(axis=0), 1.0)
    has_intercept = example.options.get("intercept", True)
    center = columns.mean(axis=0) * varies * has_intercept
    design = (columns - center) / spread * scale
    size = example.family.predictors(response) * design.shape[1]
    return Block(design, response.values, response.weights, offset), size


def same(found: Any, wanted: Any, tolerance: float) -> None:
    """Compare two fits of the same model: everything that is reported."""
    scale = np.abs(wanted.params) + wanted.std_errors
    np.testing.assert_array_less(np.abs(found.params - wanted.params), tolerance * scale)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=tolerance)
    for criterion in ("loglik", "aic", "bic"):
        got, expected = getattr(found, criterion), getattr(wanted, criterion)
        assert got == pytest.approx(expected, rel=tolerance, abs=tolerance)
    assert found.n_obs == wanted.n_obs
    assert found.names == wanted.names
    if wanted.sigma is not None:
        assert found.sigma.value == pytest.approx(wanted.sigma.value, rel=tolerance)
        assert found.sigma.std_error == pytest.approx(wanted.sigma.std_error, rel=tolerance)


def test_every_public_family_takes_part(families: set[str], simple: Any) -> None:
    assert type(simple.family).__name__ in families
    assert families == set(LOGLIKS)


# --- derivatives ---


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("reach", [0.0, 0.5, 10.0])
def test_the_gradient_is_the_slope_of_the_loglik(example: Any, reach: float, scale: float) -> None:
    block, size = block_of(example, scale)
    point = np.random.default_rng(1).normal(size=size) * reach / scale

    def both(params: Floats) -> tuple[float, Floats]:
        sums = example.family.evaluate(params, block, curvature=False)
        return float(sums.loglik), sums.gradient

    ek.check_gradient(both, None, point).raise_if_wrong()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("reach", [0.0, 0.5, 10.0])
def test_the_information_is_minus_the_slope_of_the_gradient(
    example: Any, reach: float, scale: float
) -> None:
    block, size = block_of(example, scale)
    point = np.random.default_rng(2).normal(size=size) * reach / scale

    def sums(params: Floats, curvature: bool) -> Any:
        return example.family.evaluate(params, block, curvature=curvature)

    report = ek.check_hessian(
        lambda params: float(sums(params, False).loglik),
        lambda params: -sums(params, True).information,
        point,
        gradient=lambda params: sums(params, False).gradient,
    )
    # Far out, where probabilities are 0 or 1, entries of the information are below rounding.
    report.raise_if_wrong(allow_unknown=reach > 1)
    assert report.asymmetry == 0


@pytest.mark.parametrize("reach", [0.0, 3.0, 1e3, 1e6])
def test_the_gradient_is_the_sum_of_the_scores(example: Any, reach: float) -> None:
    block, size = block_of(example)
    point = np.random.default_rng(3).normal(size=size) * reach
    scores = example.family.scores(point, block)
    gradient = example.family.evaluate(point, block, curvature=False).gradient
    assert scores.shape == (example.rows, size)
    allowed = 1e-13 * np.abs(scores).sum(axis=0) + 1e-300
    np.testing.assert_array_less(np.abs(scores.sum(axis=0) - gradient), allowed)


@pytest.mark.parametrize("reach", [50.0, 800.0, 1e5, 1e100])
def test_extreme_predictors_stay_finite(example: Any, reach: float) -> None:
    block, size = block_of(example)
    point = np.random.default_rng(4).normal(size=size) * reach
    sums = example.family.evaluate(point, block, curvature=True)
    assert np.isfinite(sums.loglik)
    assert np.isfinite(sums.gradient).all()
    weight = 1.0 if block.weights is None else block.weights[:, None]
    rounding = 1e-15 * float((weight * block.design**2).sum())
    assert np.linalg.eigvalsh(sums.information)[0] >= -rounding


# --- the maximum ---


def test_the_loglik_is_that_of_scipy(example: Any) -> None:
    fit = example.fit()
    weights = example.options.get("weights")
    repeats = np.ones(example.rows) if weights is None else np.asarray(weights, dtype=float)
    mean = fit.predict(example.X, offset=example.options.get("offset"))
    expected = LOGLIKS[type(example.family).__name__](example.y, fit, mean, repeats)
    assert fit.loglik == pytest.approx(expected, rel=LOGLIK)


def test_no_neighbour_is_more_likely(example: Any) -> None:
    """An offset moves the linear predictors as other parameters would."""
    fit = example.fit()
    weights = example.options.get("weights")
    repeats = np.ones(example.rows) if weights is None else np.asarray(weights, dtype=float)
    loglik = LOGLIKS[type(example.family).__name__]
    rng = np.random.default_rng(5)
    for _ in range(10):
        part = rng.normal(size=len(fit.params)) * fit.std_errors * 0.3
        mean = fit.predict(example.X, offset=moved_offset(example, fit, part))
        assert loglik(example.y, fit, mean, repeats) < fit.loglik


def test_criteria_count_every_parameter(example: Any) -> None:
    fit = example.fit()
    count = len(fit.params) + (fit.sigma is not None)
    assert fit.aic == pytest.approx(2 * count - 2 * fit.loglik, rel=1e-15)
    assert fit.bic == pytest.approx(np.log(fit.n_obs) * count - 2 * fit.loglik, rel=1e-15)


def test_the_certificate_holds(example: Any) -> None:
    fit = example.fit()
    assert fit.converged
    assert fit.certificate.newton_decrement < 1e-6
    assert fit.certificate.relative_gradient <= fit.certificate.newton_decrement * (1 + 1e-9)
    assert fit.certificate.condition >= 1 - 1e-9
    assert fit.n_iter == fit.certificate.iterations
    assert fit.reason == fit.certificate.reason


def test_where_the_search_starts_changes_nothing(example: Any) -> None:
    fit = example.fit()
    rng = np.random.default_rng(6)
    for distance in (1.0, 30.0):
        begin = fit.params + distance * rng.normal(size=len(fit.params)) * fit.std_errors
        same(example.fit(start=begin), fit, REORDERED)


# --- equivariance ---


@pytest.mark.parametrize("factor", [1e8, 1e-8, -1.0])
def test_the_scale_of_a_column_scales_its_coefficient(example: Any, factor: float) -> None:
    fit = example.fit()
    scale = np.where(np.arange(example.X.shape[1]) % 2, 1.0, factor)
    other = example.changed(X=example.X * scale).fit()
    unit = np.tile(np.concatenate([[1.0], scale])[len(scale) + 1 - len(fit.terms) :],
                   len(fit.names) // len(fit.terms))  # fmt: skip
    np.testing.assert_allclose(other.predict(), fit.predict(), rtol=0, atol=SAME * spread(fit))
    assert other.loglik == pytest.approx(fit.loglik, rel=SAME)
    np.testing.assert_allclose(other.params * unit, fit.params, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(other.std_errors * np.abs(unit), fit.std_errors, rtol=SAME)


@pytest.mark.parametrize("shift", [1e8, -1e8])
def test_the_origin_of_the_columns_does_not_matter(example: Any, shift: float) -> None:
    """The digits that a shift takes from the data itself are taken from both sides."""
    # where there is no intercept, it takes the place of the first column, which may hold dummies
    first_column = int(not example.options.get("intercept", True))
    far = example.changed(X=example.X.iloc[:, first_column:] + shift, intercept=True)
    near = far.changed(X=far.X - shift)
    first, second = far.fit(), near.fit()
    atol = SAME * spread(second)
    np.testing.assert_allclose(first.predict(), second.predict(), rtol=0, atol=atol)
    assert first.loglik == pytest.approx(second.loglik, rel=SAME)
    slopes = [not name.endswith("intercept") for name in first.names]
    np.testing.assert_allclose(first.params[slopes], second.params[slopes], rtol=SAME, atol=SAME)
    np.testing.assert_allclose(first.std_errors[slopes], second.std_errors[slopes], rtol=SAME)


def spread(fit: Any) -> float:
    """Return the size of the fitted values."""
    return max(1.0, float(np.abs(fit.predict()).max()))


def test_the_order_of_columns_does_not_matter(example: Any) -> None:
    fit = example.fit()
    other = example.changed(X=example.X[example.X.columns[::-1]]).fit()
    order = [other.names.index(name) for name in fit.names]
    np.testing.assert_allclose(other.params[order], fit.params, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(other.std_errors[order], fit.std_errors, rtol=SAME)
    assert other.loglik == pytest.approx(fit.loglik, rel=SAME)


def test_an_offset_moves_the_coefficients_by_what_it_holds(example: Any) -> None:
    fit = example.fit()
    part = np.random.default_rng(7).normal(size=(len(fit.params) // len(fit.terms), len(fit.terms)))
    part = (part / np.abs(example.design()).max(axis=0)).ravel()
    other = example.fit(offset=moved_offset(example, fit, part))
    np.testing.assert_allclose(other.params + part, fit.params, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(other.std_errors, fit.std_errors, rtol=SAME)
    assert other.loglik == pytest.approx(fit.loglik, rel=SAME)


def moved_offset(example: Any, fit: Any, part: Floats) -> Floats:
    """Return the offset of an example plus what `part` of the parameters gives."""
    held = example.design() @ part.reshape(-1, len(fit.terms)).T
    if fit.names == fit.terms:
        added = held[:, 0]
    else:  # a column for each outcome, and nothing for the reference
        free = list(dict.fromkeys(name.rsplit(":", 1)[0] for name in fit.names))
        outcomes = [str(outcome) for outcome in fit.outcomes]
        added = np.zeros((example.rows, len(outcomes)))
        added[:, [outcomes.index(outcome) for outcome in free]] = held
    given = example.options.get("offset")
    moved: Floats = added if given is None else np.asarray(given, dtype=float) + added
    return moved


# --- weights and rows ---


def test_weights_are_repeats(example: Any) -> None:
    weights = np.random.default_rng(8).integers(1, 4, size=example.rows)
    weighted = example.fit(weights=weights)
    repeated = example.changed(weights=None).take(np.repeat(np.arange(example.rows), weights))
    same(weighted, repeated.fit(), REORDERED)


def test_rows_of_weight_zero_are_not_there(example: Any) -> None:
    extra = np.random.default_rng(9).integers(0, example.rows, size=7)
    longer = example.take(np.concatenate([np.arange(example.rows), extra]))
    columns = longer.X.astype(float)
    columns.iloc[example.rows :] *= 50.0
    given = example.options.get("weights") or [1] * example.rows
    found = longer.changed(X=columns, weights=[*given, *[0] * 7]).fit()
    same(found, example.fit(), REORDERED)


def test_the_order_of_rows_does_not_matter(example: Any) -> None:
    shuffled = np.random.default_rng(10).permutation(example.rows)
    same(example.take(shuffled).fit(), example.fit(), REORDERED)


def test_without_columns_there_is_an_intercept(simple: Any) -> None:
    alone = ek.fit(simple.family, None, simple.y)
    same(ek.fit(simple.family, np.empty((simple.rows, 0)), simple.y), alone, 1e-15)
    assert alone.terms == ("intercept",)
    assert alone.converged
    assert alone.loglik <= simple.fit().loglik + 1e-9
