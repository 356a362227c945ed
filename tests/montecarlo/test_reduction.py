"""Control variates: unbiased, with a Monte-Carlo error that is right, and a gain that is true."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln

import estkit as ek
from estkit.montecarlo import contrasts
from estkit.montecarlo.influence import Draws, Influence
from estkit.montecarlo.measures import MEASURES
from estkit.montecarlo.reduction import adjusted
from estkit.montecarlo.summary import Cell, found

SIZE, REPEATS = 250, 400
# The true standard deviation comes from 400 repeats, so it is itself known to 3.5 %.
CALIBRATED = 0.1
N = 30
EXACT = 1e-9
# E s / σ of a normal sample of 30.
C4 = math.sqrt(2 / (N - 1)) * math.exp(gammaln(N / 2) - gammaln((N - 1) / 2))


def mean(x: Any) -> Any:
    return x.mean(axis=1)


def variance(x: Any) -> Any:
    return x.var(axis=1, ddof=1)


def claimed(x: Any) -> Any:
    s = x.std(axis=1, ddof=1)
    return ek.Estimate(s, std_error=s / math.sqrt(2 * (N - 1)))


def picky(x: Any) -> Any:
    """Fail where the variance is large, so that failures go along with the control."""
    return np.where(variance(x) > 1.3, np.nan, x.std(axis=1, ddof=1))


def constant(x: Any) -> Any:
    return np.full(len(x), 0.1 + 0.2)


VARIANCE = {"variance": (variance, 1.0)}
SEVERAL = {
    **VARIANCE, "mean": (mean, 0.0), "cube": (lambda x: (x**3).mean(axis=1), 0.0),
}  # fmt: skip
CONTROLS: dict[str, dict[str, Any]] = {
    "none": {},
    "one": VARIANCE,
    "several": SEVERAL,
    "collinear": {**SEVERAL, "sum": (lambda x: variance(x) + 2 * mean(x), 1.0)},
    "constant": {**VARIANCE, "constant": (constant, 0.3)},
    "scales": {"variance": (lambda x: 1e8 * variance(x), 1e8),
               "mean": (lambda x: 1e-8 * mean(x), 0.0)},
}  # fmt: skip


@functools.cache
def run(kind: str, replicates: int = SIZE * REPEATS, seed: int = 4) -> ek.StudyResult:
    """Study s, s where it does not fail, the median and the mean of normal samples of 30."""
    normal = ek.vectorized(lambda rng, replicates: rng.normal(size=(replicates, N)))
    functions: dict[str, Any] = {
        "s": ek.vectorized(claimed), "picky": ek.vectorized(picky), "mean": ek.vectorized(mean),
        "median": ek.vectorized(lambda x: np.median(x, axis=1)),
    }  # fmt: skip
    truth = {"s": 1.0, "picky": 1.0, "mean": 0.0, "median": 0.0}
    controls = {
        name: (ek.vectorized(function), expected)
        for name, (function, expected) in CONTROLS[kind].items()
    }
    return ek.Study(normal, functions, truth=truth, controls=controls).run(replicates, rng=seed)


@functools.cache
def cells(kind: str) -> dict[str, Cell]:
    return {cell.estimator: cell for cell in run(kind)._cells()}


def parts(cell: Cell, size: int) -> list[Cell]:
    """Cut a long study into many short ones."""
    return [
        cell._replace(
            draws=Draws(*(column[i : i + size] for column in cell.draws)),
            controls=None if cell.controls is None else cell.controls[i : i + size],
        )
        for i in range(0, len(cell.draws.estimate), size)
    ]


def calibration(values: Any, errors: Any) -> float:
    return math.sqrt(np.mean(np.square(errors))) / float(np.std(values, ddof=1))


@pytest.mark.parametrize("name", ["bias", "rmse", "empirical_se", "coverage"])
@pytest.mark.parametrize("kind", ["one", "several", "collinear", "constant"])
def test_the_error_that_is_told_is_the_error(kind: str, name: str) -> None:
    each = [found(part, MEASURES[name]) for part in parts(cells(kind)["s"], SIZE)]
    values, errors = [own.value for own in each], [own.error for own in each]
    assert calibration(values, errors) == pytest.approx(1, abs=CALIBRATED)


@pytest.mark.parametrize("name", ["bias", "rmse", "empirical_se"])
def test_failures_that_go_along_with_a_control_neither_bias_nor_mislead(name: str) -> None:
    each = [found(part, MEASURES[name]) for part in parts(cells("one")["picky"], SIZE)]
    values, errors = [own.value for own in each], [own.error for own in each]
    assert calibration(values, errors) == pytest.approx(1, abs=CALIBRATED)
    # all the same, it is about the replicates in which there is an answer
    plain = found(cells("none")["picky"], MEASURES[name])
    assert abs(np.mean(values) - plain.value) < 4 * plain.error
    together = found(cells("one")["picky"], MEASURES[name])
    assert together.used == plain.used < 0.95 * SIZE * REPEATS
    if name == "bias":  # chance is taken out of which replicates fail, too
        assert together.gain > 1.5


@pytest.mark.parametrize("size", [20, 50])
@pytest.mark.parametrize("kind", ["one", "several"])
def test_few_replicates_are_adjusted_without_bias(kind: str, size: int) -> None:
    each = [found(part, MEASURES["bias"]) for part in parts(cells(kind)["s"], size)[:2000]]
    values, errors = np.array([(own.value, own.error) for own in each]).T
    # slopes from the same replicates are off by 0.2 to 0.3 standard deviations here
    apart = (values.mean() - (C4 - 1)) / values.std()
    assert abs(apart) < 4 / math.sqrt(len(values))
    assert calibration(values, errors) == pytest.approx(1, abs=CALIBRATED)


def test_the_gain_is_the_ratio_of_the_variances_that_are_made() -> None:
    """117 times fewer replicates for the bias of s, 3 times for that of the median."""
    for kind, name, expected in [("one", "s", 117), ("scales", "median", 3.0)]:
        with_controls, without = (
            np.var([found(part, MEASURES["bias"]).value for part in parts(own[name], SIZE)])
            for own in (cells(kind), cells("none"))
        )
        told = found(cells(kind)[name], MEASURES["bias"]).gain
        assert told == pytest.approx(expected, rel=0.15)
        # two variances from 400 repeats each: 10 %, three times that
        assert without / with_controls == pytest.approx(told, rel=0.3)


def test_the_table_tells_the_gain() -> None:
    controls = {"mean": (np.mean, 0.0)}
    functions = {"mean": np.mean, "median": np.median}
    study = ek.Study(lambda rng: rng.normal(size=N), functions, truth=0.0, controls=controls)
    result = study.run(2000, rng=1)
    rows = result.summary("bias").set_index("estimator")
    assert rows.loc["mean", "gain"] == math.inf
    assert 2.5 < rows.loc["median", "gain"] < 3.5
    text = str(result)
    assert f"bias {rows.loc['median', 'gain']:.2g} to exact" in text
    assert text.splitlines()[3].split()[1:3] == ["0", "(exact)"]
    plain = ek.Study(lambda rng: rng.normal(size=N), functions, truth=0.0).run(100, rng=1)
    assert "gain" not in plain.summary("bias") and "factor" not in str(plain)


@pytest.mark.parametrize("kind", ["collinear", "scales", "constant"])
@pytest.mark.parametrize("name", ["bias", "rmse"])
def test_what_controls_tell_twice_or_not_at_all_changes_nothing(kind: str, name: str) -> None:
    same = {"collinear": "several", "constant": "one"}
    own = found(parts(cells(kind)["s"], 100)[0], MEASURES[name])
    if kind == "scales":
        cell = parts(cells("several")["s"], 100)[0]
        assert cell.controls is not None
        cell = cell._replace(controls=cell.controls[:, :2])
    else:
        cell = parts(cells(same[kind])["s"], 100)[0]
    other = found(cell, MEASURES[name])
    assert own.value == pytest.approx(other.value, rel=EXACT)
    assert own.error == pytest.approx(other.error, rel=EXACT)
    assert own.independent == other.independent


@pytest.mark.parametrize("sizes", [[1] * 12, [2] * 9, [3, 1, 2, 2, 4, 1, 1, 5, 2, 3]])
def test_slopes_are_those_of_all_other_groups(sizes: list[int]) -> None:
    rng = np.random.default_rng(9)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    controls = rng.normal(size=(len(groups), 2)) * [1.0, 100.0]
    psi = controls @ [2.0, 0.01] + rng.exponential(size=len(groups))
    own, rank = adjusted(Influence(psi.mean(), psi), controls, groups)
    table = np.array([[np.sum(groups == g), *controls[groups == g].sum(0)] for g in set(groups)])
    sums = np.array([(psi - psi.mean())[groups == g].sum() for g in set(groups)])
    expected = psi.copy()
    for g in set(groups):
        keep = np.arange(len(table)) != g
        slopes = np.linalg.lstsq(table[keep], sums[keep])[0][1:]
        expected[groups == g] -= controls[groups == g] @ slopes
    np.testing.assert_allclose(own.psi, expected, rtol=EXACT, atol=EXACT)
    assert own.value == pytest.approx(expected.mean(), rel=EXACT)
    assert rank == 2


@pytest.mark.parametrize("kind", ["difference", "ratio"])
@pytest.mark.parametrize("pair", [("mean", "median"), ("picky", "mean")])
def test_contrasts_with_controls_are_calibrated(kind: str, pair: tuple[str, str]) -> None:
    first, second = (parts(cells("several")[name], SIZE) for name in pair)
    rows = [
        contrasts.paired(a, b, MEASURES["rmse"], 0.95, kind)
        for a, b in zip(first, second, strict=True)
    ]
    told = calibration([row["value"] for row in rows], [row["mcse"] for row in rows])
    assert told == pytest.approx(1, abs=CALIBRATED)
    plain = contrasts.paired(*(cells("none")[name] for name in pair), MEASURES["rmse"], 0.95, kind)
    apart = np.mean([row["value"] for row in rows]) - plain["value"]
    assert abs(apart) < 4 * plain["mcse"]


@pytest.mark.parametrize("shared", [False, True])
def test_contrasts_of_conditions_use_the_controls_of_both(shared: bool) -> None:
    def study(**options: Any) -> Any:
        return ek.Study(
            lambda rng, n: rng.normal(size=n), {"s": lambda x: x.std(ddof=1)}, truth=1.0,
            conditions=ek.grid(n=[20, 25]), common_random_numbers=shared, **options,
        )  # fmt: skip

    controls = {"square": (lambda x: (x**2).mean(), 1.0)}
    with_, without = (
        study(**o).run(2000, rng=5).contrast("s", "s", conditions=(0, 1)).iloc[0]
        for o in ({"controls": controls}, {})
    )
    c4 = {n: math.sqrt(2 / (n - 1)) * math.exp(gammaln(n / 2) - gammaln((n - 1) / 2))
          for n in (20, 25)}  # fmt: skip
    assert with_["mcse"] < without["mcse"] / 2.5
    assert abs(with_["value"] - (c4[20] - c4[25])) < 4 * with_["mcse"]


def test_an_expectation_that_is_not_right_is_asked_about() -> None:
    def study(expected: Any) -> ek.StudyResult:
        return ek.Study(
            lambda rng, mu: rng.normal(mu, size=N), {"s": lambda x: x.std(ddof=1)}, truth=1.0,
            conditions=ek.grid(mu=[0.0, 3.0]), controls={"mean": (np.mean, expected)},
        ).run(400, rng=1)  # fmt: skip

    wrong, right = study(0.0), study(lambda mu: mu)
    notes = wrong.summary("bias").set_index("mu")["note"]
    assert notes[0.0] == ""
    assert notes[3.0].startswith("control 'mean' is ")
    assert notes[3.0].endswith(" errors off its expectation: is that right?")
    assert "Control 'mean' is " in str(wrong)
    assert set(right.summary("bias")["note"]) == {""}
    assert "is that right" not in str(right)


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "raises": (lambda x: 1 / 0 if x[0] > 2 else 0.0, "control 'c'.*ZeroDivisionError"),
    "nan": (lambda x: np.nan if x[0] > 2 else 0.0, "control 'c'.*returned nan"),
    "two numbers": (lambda x: x[:2], r"control 'c' must be one number.*value\[0\]"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_control_that_is_not_one_number_everywhere_is_refused(kind: str) -> None:
    function, message = WRONG[kind]
    study = ek.Study(
        lambda rng: rng.normal(size=4), np.mean, truth=0.0, controls={"c": (function, 0.0)}
    )
    with pytest.raises(ek.DataError, match=message):
        study.run(500, rng=1).summary("bias")


@pytest.mark.parametrize("wrong", [np.mean, (0.0, np.mean), (np.mean,), 3])
def test_a_control_is_a_function_and_its_expectation(wrong: Any) -> None:
    with pytest.raises(ek.DataError, match="control 'c' must be a function of the data and its"):
        ek.Study(lambda rng: rng.normal(size=4), np.mean, controls={"c": wrong})


def test_too_few_replicates_to_fit_slopes_are_left_as_they_are() -> None:
    plain, controlled = (
        [found(part, MEASURES["bias"]) for part in parts(cells(kind)["s"], 8)[:20]]
        for kind in ("none", "several")
    )
    assert [own.value for own in plain] == [own.value for own in controlled]
    assert [own.error for own in plain] == [own.error for own in controlled]


def test_a_measure_that_is_nowhere_finite_is_left_as_it_is() -> None:
    open_ended = lambda x: {"value": x.mean(), "lower": -math.inf, "upper": x.mean() + 0.3}  # noqa: E731
    study = ek.Study(
        lambda rng: rng.normal(size=4), {"it": open_ended}, truth=0.0,
        controls={"mean": (np.mean, 0.0)},
    )  # fmt: skip
    rows = study.run(100, rng=1).summary(["interval_width", "relative_bias", "coverage"])
    assert rows["value"].tolist()[0] == math.inf
    assert math.isnan(rows["value"][1]) and 0 < rows["value"][2] < 1


def test_nested_replicates_are_controlled_by_population() -> None:
    # populations with their own center, known for a control; samples of each go together
    study = ek.Study(
        lambda rng, center: rng.normal(center, size=5), {"mean": np.mean}, truth=0.0,
        prepare=lambda rng: {"center": rng.normal()}, prepare_every=5,
        controls={"center": (lambda x, center: center, 0.0)},
    )  # fmt: skip
    row = study.run(5000, rng=2).summary("bias").iloc[0]
    # of 1 / 1000 + 1 / 5 / 5000, only the second is left
    assert row["mcse"] == pytest.approx(math.sqrt(1 / 5 / 5000), rel=0.1)
    assert row["gain"] == pytest.approx(1 + 25, rel=0.25)
    assert abs(row["value"]) < 4 * row["mcse"]


@pytest.mark.parametrize("antithetic", [False, True])
def test_a_store_and_a_page_keep_controls_and_gains(antithetic: bool, tmp_path: Path) -> None:
    study = ek.Study(
        lambda rng, mu: rng.normal(mu, size=8), {"median": np.median}, truth=lambda mu: mu,
        conditions=ek.grid(mu=[0.0, 3.0]), controls={"mean": (np.mean, lambda mu: mu)},
        antithetic=antithetic,
    )  # fmt: skip
    result = study.run(100, rng=1, store=tmp_path / "store")
    again = ek.open_study(tmp_path / "store")
    assert again.summary().equals(result.summary())
    assert "gain" in again.summary() and "factor" in str(again)
    result.to_html(tmp_path / "page.html")
    assert "factor" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_simultaneous_intervals_and_other_readings_of_failures_take_controls() -> None:
    def picky(x: Any) -> float:
        return math.nan if x.var() > 1.3 else float(np.abs(x).mean())

    study = ek.Study(
        lambda rng: rng.normal(size=8), {"s": np.std, "picky": picky}, truth=1.0,
        controls={"square": (lambda x: (x**2).mean(), 1.0)},
    )  # fmt: skip
    result = study.run(300, rng=1)
    for missing in ("pairwise", "complete", "worst"):
        alone = result.summary("bias", missing=missing)
        joint = result.summary("bias", missing=missing, simultaneous=True)
        width, wider = (frame["upper"] - frame["lower"] for frame in (alone, joint))
        assert (wider > width).all()
        assert alone["value"].tolist() == joint["value"].tolist()


def test_pairs_within_nests_claim_no_gain() -> None:
    study = ek.Study(
        lambda rng, center: rng.normal(center, size=5), {"mean": np.mean}, truth=0.0,
        prepare=lambda rng: {"center": rng.normal()}, prepare_every=4, antithetic=True,
    )  # fmt: skip
    result = study.run(400, rng=2)
    assert result.summary("bias")["gain"].isna().all()
    assert "factor" not in str(result)
