"""Antithetic draws: each partner has the law, the pair goes opposite ways, the error says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

import estkit as ek
from estkit.montecarlo.antithetic import Antithetic
from estkit.montecarlo.influence import Draws
from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.summary import found

SIZE = 20_000
# Forty laws and partners are tested with fixed seeds: the least p-value is near 1 in 40.
LEAST_P = 0.002
# From 500 repeats, a true standard deviation is known to 3 %.
CALIBRATED = 0.1
EXACT = 1e-12

# A law of numpy's Generator, drawn with parameters that are not the usual ones, and what it is.
LAWS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "random": (lambda g: g.random(SIZE), stats.uniform()),
    "uniform": (lambda g: g.uniform(-1, 3, SIZE), stats.uniform(-1, 4)),
    "standard_normal": (lambda g: g.standard_normal(SIZE), stats.norm()),
    "normal": (lambda g: g.normal(2, 3, SIZE), stats.norm(2, 3)),
    "lognormal": (lambda g: g.lognormal(1, 0.5, SIZE), stats.lognorm(0.5, scale=np.e)),
    "laplace": (lambda g: g.laplace(1, 2, SIZE), stats.laplace(1, 2)),
    "logistic": (lambda g: g.logistic(1, 2, SIZE), stats.logistic(1, 2)),
    "standard_cauchy": (lambda g: g.standard_cauchy(SIZE), stats.cauchy()),
    "standard_t": (lambda g: g.standard_t(4, SIZE), stats.t(4)),
    "standard_exponential": (lambda g: g.standard_exponential(SIZE), stats.expon()),
    "exponential": (lambda g: g.exponential(3, SIZE), stats.expon(scale=3)),
    "gumbel": (lambda g: g.gumbel(1, 2, SIZE), stats.gumbel_r(1, 2)),
    "pareto": (lambda g: g.pareto(2.5, SIZE), stats.lomax(2.5)),
    "power": (lambda g: g.power(2.5, SIZE), stats.powerlaw(2.5)),
    "rayleigh": (lambda g: g.rayleigh(2.0, SIZE), stats.rayleigh(scale=2.0)),
    "weibull": (lambda g: g.weibull(1.7, SIZE), stats.weibull_min(1.7)),
    "multivariate_normal": (
        lambda g: g.multivariate_normal([1, 2], [[4, 1], [1, 9]], SIZE)[:, 1],
        stats.norm(2, 3),
    ),
}
REFUSED = sorted(
    name for name in dir(np.random.Generator)
    if not name.startswith("_") and name not in {*LAWS, "integers", "bit_generator"}
)  # fmt: skip


def partners(seed: int = 1) -> tuple[Antithetic, Antithetic]:
    one, other = (Antithetic(np.random.default_rng(seed), opposite=o) for o in (False, True))
    return one, other


@pytest.mark.parametrize("law", LAWS)
def test_each_partner_has_the_law_and_the_pair_goes_opposite_ways(law: str) -> None:
    draw, true = LAWS[law]
    one, other = (draw(generator) for generator in partners())
    for each in (one, other):
        assert stats.kstest(each, true.cdf).pvalue > LEAST_P
    assert stats.spearmanr(one, other).statistic == pytest.approx(-1, abs=EXACT)
    # the opposite of the u-quantile is the (1 - u)-quantile, not only some number on its way
    np.testing.assert_allclose(true.cdf(one) + true.cdf(other), 1.0, atol=1e-9)


@pytest.mark.parametrize("name", REFUSED)
def test_a_law_without_an_opposite_is_refused_by_name(name: str) -> None:
    assert len(REFUSED) > 20
    for generator in partners():
        with pytest.raises(ek.StudyError, match=rf"rng\.{name} has no antithetic draw.*inversion"):
            getattr(generator, name)(2.0)


WHOLE: dict[str, tuple[tuple[Any, ...], dict[str, Any], int, int]] = {
    "below": ((5,), {}, 0, 4),
    "endpoint": ((5,), {"endpoint": True}, 0, 5),
    "from to": ((-3, 4), {}, -3, 3),
    "from to endpoint": ((-3, 4), {"endpoint": True}, -3, 4),
    "bytes": ((0, 256), {"dtype": np.uint8}, 0, 255),
    "flags": ((0, 2), {"dtype": bool}, 0, 1),
    "all of 64 bits": ((0, 2**64), {"dtype": np.uint64}, 0, 2**64 - 1),
    "large": ((2**62, 2**63 - 1), {}, 2**62, 2**63 - 2),
    "all signed": ((-(2**63), 2**63 - 1), {"endpoint": True}, -(2**63), 2**63 - 1),
}


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.filterwarnings("error")
def test_whole_numbers_are_reflected_within_their_range(form: str) -> None:
    given, options, least, most = WHOLE[form]
    one, other = (g.integers(*given, size=1000, **options) for g in partners())
    expected = np.random.default_rng(1).integers(*given, size=1000, **options)
    assert one.tolist() == expected.tolist()
    assert one.dtype == other.dtype == expected.dtype
    assert {int(a) + int(b) for a, b in zip(one, other, strict=True)} == {least + most}
    a, b = (g.integers(*given, **options) for g in partners())
    assert int(a) + int(b) == least + most


def test_bounds_of_whole_numbers_may_be_arrays() -> None:
    one, other = (g.integers([0, 10], [5, 20], size=(7, 2)) for g in partners())
    assert (one + other == [4, 29]).all()


FORMS: dict[str, Callable[[Any], Any]] = {
    "a number": lambda g: g.normal(),
    "a tuple": lambda g: g.normal(size=(2, 3)),
    "arrays": lambda g: g.normal([0.0, 10.0], [[1.0], [2.0]]),
    "arrays and a size": lambda g: g.uniform([0.0, 10.0], [1.0, 20.0], size=(3, 2)),
    "single": lambda g: g.standard_normal(4, dtype=np.float32),
    "single uniform": lambda g: g.random(4, dtype=np.float32),
    "single exponential": lambda g: g.standard_exponential(4, dtype=np.float32),
    "exponential number": lambda g: g.exponential(2.0),
    "exponential arrays": lambda g: g.exponential([1.0, 2.0]),
    "exponential arrays and a size": lambda g: g.exponential([1.0, 2.0], size=(3, 2)),
    "gumbel number": lambda g: g.gumbel(),
    "gumbel arrays": lambda g: g.gumbel([0.0, 1.0], [[1.0], [2.0]]),
    "no gumbel at all": lambda g: g.gumbel(size=0),
    "none of a tuple": lambda g: g.exponential(2.0, size=(3, 0)),
    "weibull arrays": lambda g: g.weibull([1.0, 2.0, 3.0]),
    "rayleigh number": lambda g: g.rayleigh(),
    "power tuple": lambda g: g.power(2.0, size=(2, 1)),
    "pareto number": lambda g: g.pareto(3.0),
    "multivariate": lambda g: g.multivariate_normal([0, 0], np.eye(2), size=(3, 2)),
    "random out": lambda g: g.random(out=np.empty(3)),
    "single out": lambda g: g.random(out=np.empty((2, 3), np.float32), dtype=np.float32),
    "normal out": lambda g: g.standard_normal(out=np.empty(3)),
    "exponential out": lambda g: g.standard_exponential(out=np.empty((2, 3))),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_ask_gives_what_the_generator_of_numpy_gives(form: str) -> None:
    draw = FORMS[form]
    expected = np.asarray(draw(np.random.default_rng(1)))
    one, other = (np.asarray(draw(generator)) for generator in partners())
    assert one.shape == other.shape == expected.shape
    assert one.dtype == other.dtype == expected.dtype
    assert len(np.unique(other)) == other.size  # no number was drawn once and spread
    assert (one != other).all()


def test_what_is_drawn_into_an_array_is_in_it() -> None:
    for name in ("random", "standard_normal", "standard_exponential"):
        for generator in partners():
            into = np.full(5, np.nan)
            assert getattr(generator, name)(out=into) is into
            again = Antithetic(np.random.default_rng(1), opposite=generator.opposite)
            assert into.tolist() == getattr(again, name)(5).tolist()


@pytest.mark.parametrize("name", ["exponential", "weibull", "pareto", "power", "rayleigh"])
def test_a_parameter_below_zero_is_refused_as_by_numpy(name: str) -> None:
    for generator in (np.random.default_rng(1), *partners()):
        with pytest.raises(ValueError, match=r"< ?=? ?0"):
            getattr(generator, name)(-1.0, 3)
        if name in ("pareto", "power"):
            with pytest.raises(ValueError, match="a <= 0"):
                getattr(generator, name)(0.0, 3)


def test_the_ends_of_a_range_stay_in_it() -> None:
    one, other = partners()
    low, high = 0.1, 0.1 + 4 * np.finfo(float).eps  # a few numbers apart, so that ends occur
    for generator in (one, other):
        drawn = generator.uniform(low, high, 10_000)
        assert drawn.min() >= low and drawn.max() <= high
    assert other.uniform(0.0, np.array([1.0, 2.0])).shape == (2,)


# --- studies ---


def normal(rng: Any) -> Any:
    return rng.normal(5.0, 1.0, size=8)


BLOCKS = ek.vectorized(lambda rng, replicates: rng.normal(5.0, 1.0, size=(replicates, 8)))
ODD = {"mean": lambda x, axis=None: np.mean(x, axis=axis),
       "median": lambda x, axis=None: np.median(x, axis=axis)}  # fmt: skip


@pytest.mark.parametrize("generate", [normal, BLOCKS])
def test_errors_that_change_sign_cancel_altogether(generate: Any) -> None:
    study = ek.Study(generate, ODD, truth=5.0, antithetic=True)
    result = study.run(600, rng=1)
    pairs = result.outcomes()["estimate"].to_numpy().reshape(2, 300, 2)
    np.testing.assert_allclose(pairs.sum(axis=2), 10.0, rtol=EXACT)
    rows = result.summary("bias")
    np.testing.assert_allclose(rows["value"], 0.0, atol=EXACT)
    np.testing.assert_allclose(rows["mcse"], 0.0, atol=EXACT)
    assert (rows["gain"] == np.inf).all()
    assert "0 (exact)" in str(result) and "bias exact" in str(result)


@pytest.mark.parametrize("generate", [normal, BLOCKS])
def test_a_measure_that_does_not_change_sign_is_told_to_lose(generate: Any) -> None:
    study = ek.Study(generate, {"var": lambda x: x.var(ddof=1)}, truth=1.0, antithetic=True)
    result = study.run(2000, rng=1)
    row = result.summary("bias").iloc[0]
    # partners have the same variance: half of the replicates tell nothing
    assert row["gain"] == pytest.approx(0.5, rel=0.01)
    assert row["mcse"] == pytest.approx(np.sqrt(2 / 7 / 1000), rel=0.1)
    assert abs(row["value"]) < 4 * row["mcse"]
    assert "bias 0.5" in str(result)


def test_one_by_one_and_in_blocks_have_the_same_law() -> None:
    def exponential(rng: Any) -> Any:
        return rng.exponential(2.0, size=8)

    blocks = ek.vectorized(lambda rng, replicates: rng.exponential(2.0, size=(replicates, 8)))
    one, two = (
        ek.Study(g, {"mean": np.mean}, truth=2.0, antithetic=True).run(4000, rng=2)
        for g in (exponential, blocks)
    )
    singles, whole = (r.outcomes()["estimate"].to_numpy() for r in (one, two))
    assert stats.ks_2samp(singles[::2], whole[::2]).pvalue > LEAST_P
    assert stats.ks_2samp(singles.reshape(-1, 2).sum(1), whole.reshape(-1, 2).sum(1)).pvalue > 0.01
    gains = [r.summary("bias")["gain"][0] for r in (one, two)]
    assert gains[0] == pytest.approx(gains[1], rel=0.15) and gains[0] > 2


def repeats(result: ek.StudyResult, size: int, name: str) -> Any:
    """Return value and error of a measure in each of many short studies."""
    (cell,) = result._cells()
    many = range(0, len(cell.draws.estimate), size)
    parts = [
        cell._replace(
            draws=Draws(*(column[i : i + size] for column in cell.draws)),
            controls=None if cell.controls is None else cell.controls[i : i + size],
        )
        for i in many
    ]
    return np.array([(own.value, own.error) for own in (found(p, MEASURES[name]) for p in parts)])


@pytest.mark.parametrize("controlled", [False, True])
@pytest.mark.parametrize("name", ["bias", "rmse", "empirical_se"])
def test_the_error_of_pairs_is_the_error_also_with_controls(controlled: bool, name: str) -> None:
    blocks = ek.vectorized(lambda rng, replicates: rng.exponential(size=(replicates, 6)))
    controls = {"mean": (ek.vectorized(lambda x: x.mean(axis=1)), 1.0)}
    study = ek.Study(
        blocks, {"s": ek.vectorized(lambda x: x.std(axis=1))}, truth=0.9, antithetic=True,
        controls=controls if controlled else None,
    )  # fmt: skip
    values, errors = repeats(study.run(200 * 500, rng=3), 200, name).T
    told = np.sqrt((errors**2).mean()) / values.std(ddof=1)
    assert told == pytest.approx(1, abs=CALIBRATED)


def test_controls_and_pairs_gain_more_together_than_alone() -> None:
    blocks = ek.vectorized(lambda rng, replicates: rng.exponential(size=(replicates, 6)))
    controls = {"mean": (ek.vectorized(lambda x: x.mean(axis=1)), 1.0)}

    def gain(**options: Any) -> float:
        own = ek.vectorized(lambda x: np.median(x, axis=1))
        result = ek.Study(blocks, {"median": own}, truth=0.7, **options).run(20_000, rng=3)
        return float(result.summary("bias")["gain"][0])

    alone = gain(antithetic=True), gain(controls=controls)
    assert min(alone) > 1.3
    assert gain(antithetic=True, controls=controls) > 1.1 * max(alone)


@pytest.mark.parametrize("right", [True, False])
def test_controls_that_cancel_in_pairs_help_nothing_and_are_still_asked_about(right: bool) -> None:
    def row(**options: Any) -> Any:
        study = ek.Study(normal, {"var": np.var}, truth=1.0, antithetic=True, **options)
        return study.run(200, rng=1).summary("bias").iloc[0]

    plain, controlled = row(), row(controls={"mean": (np.mean, 5.0 if right else 4.9)})
    assert controlled["value"] == pytest.approx(plain["value"], rel=EXACT)
    assert controlled["mcse"] == pytest.approx(plain["mcse"], rel=EXACT)
    assert controlled["note"].endswith("is that right?") == (not right)


def test_pairs_are_not_split() -> None:
    study = ek.Study(normal, ODD, truth=5.0, antithetic=True)
    for count in (1, 99, np.int64(7)):
        with pytest.raises(ek.DataError, match=f"an even number of replicates, not {count}"):
            study.run(count, rng=1)
    with pytest.raises(ek.DataError, match="even prepare_every, got 3"):
        ek.Study(normal, ODD, antithetic=True, prepare=lambda rng: {}, prepare_every=3)
    short, long = (study.run(n, rng=1).outcomes() for n in (102, 1000))
    for name, own in short.groupby("estimator"):
        beginning = long[long["estimator"] == name]["estimate"].head(102)
        assert own["estimate"].tolist() == beginning.tolist()


def test_a_law_that_is_refused_stops_the_study_with_its_name() -> None:
    study = ek.Study(lambda rng: rng.gamma(2.0, size=4), np.mean, antithetic=True)
    with pytest.raises(ek.StudyError, match=r"rng\.gamma has no antithetic draw"):
        study.run(10, rng=1)
