"""Parameters at an end of their range or of the sample: no kind of covariance gives an error."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import estkit as ek

FITS: dict[str, tuple[Callable[[], ek.LikelihoodFit], list[bool]]] = {
    "binom": (
        lambda: ek.fit(ek.Distribution("binom", fixed={"n": 5}), [0, 0, 0], groups=[1, 2, 3]),
        [True],
    ),
    "uniform": (lambda: ek.fit(ek.Distribution("uniform"), [0.1, 0.4, 0.5]), [True, True]),
    "expon": (
        lambda: ek.fit(ek.Distribution("expon", fixed={"loc": None}), [1.0, 2.0, 4.0]),
        [True, False],
    ),
    "multinomial": (
        lambda: ek.fit(ek.Distribution("multinomial"), [[3, 4, 0], [4, 2, 0]]),
        [False, False, True],
    ),
    "joint": (
        lambda: ek.fit(
            ek.Joint("bernoulli"),
            [[0], [0], [1], [0], [1]],
            [0, 0, 1, 1, 1],
            groups=[1, 2, 3, 4, 5],
        ),
        [False, False, True, False],
    ),
}
KINDS = ("observed", "expected", "HC0", "HC1", "cluster")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FITS)
def test_no_kind_of_covariance_gives_an_error_at_an_end(name: str, kind: str) -> None:
    make, at_end = FITS[name]
    fit = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            covariance = fit.covariance(kind)
        except ek.EstkitError as refusal:  # no groups, too few rows, no expected information
            assert "cluster" in str(refusal) or "HC1" in str(refusal) or "expected" in str(refusal)
            return
        limits, errors = fit.interval(kind=kind), fit.to_frame(kind=kind)["std_error"].to_numpy()
        last = fit.delta(lambda params: params[-1], kind=kind)
    ends = np.array(at_end)
    assert (np.isnan(covariance) == (ends | ends[:, None])).all()
    assert (np.isnan(limits) == ends[:, None]).all()
    assert (np.isnan(errors) == ends).all()
    np.testing.assert_allclose(last.std_error, errors[-1], rtol=1e-9)


@pytest.mark.parametrize("name", FITS)
def test_a_wald_test_of_what_has_no_error_is_refused(name: str) -> None:
    make, at_end = FITS[name]
    fit = make()
    for parameter, ended in zip(fit.names, at_end, strict=True):
        for kind in (None, "HC0"):
            if ended:
                with pytest.raises(ek.EstkitError, match=f"no standard error of {parameter}"):
                    fit.wald_test([parameter], kind=kind)
            else:
                assert fit.wald_test([parameter], kind=kind).statistic > 0.0


def test_a_share_that_is_known_keeps_its_sandwich_beside_one_at_its_end() -> None:
    """Beside a category that was never seen the others have the errors of a fit without it."""
    full = ek.fit(ek.Distribution("multinomial"), [[3, 4, 0], [4, 2, 0]])
    short = ek.fit(ek.Distribution("multinomial"), [[3, 4], [4, 2]])
    np.testing.assert_allclose(
        full.covariance("HC0")[:2, :2], short.covariance("HC0"), rtol=1e-12, atol=0.0
    )


WITHOUT_MAXIMUM: dict[str, tuple[Callable[..., ek.LikelihoodFit], str]] = {
    "uniform": (
        lambda **how: ek.fit(ek.Distribution("uniform"), [2.0, 2.0], **how),
        "values are 2",
    ),
    "expon": (
        lambda **how: ek.fit(ek.Distribution("expon", fixed={"loc": None}), [2.0, 2.0], **how),
        "values are 2",
    ),
    "pareto": (
        lambda **how: ek.fit(
            ek.Distribution("pareto"), ek.Censored([-np.inf, 2.0], [1.5, 2.0]), **how
        ),
        "no derivative finds",
    ),
    "matched": (
        lambda **how: ek.fit(
            ek.ConditionalLogit(), {"x": [1, 2, 3, 5], "still": [1, 1, 2, 2]}, [0, 1, 1, 0],
            groups=[0, 0, 1, 1], **how,
        ),
        "'still' does not vary within any stratum",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_MAXIMUM)
def test_what_has_no_maximum_is_returned_or_raised_as_was_asked(name: str) -> None:
    make, said = WITHOUT_MAXIMUM[name]
    with pytest.raises(ek.FitError, match=said) as caught:
        make()
    fit = make(errors="return")
    for found in (fit, caught.value.result):
        assert not found.converged and said in found.reason
        assert np.isnan(found.params).all() and np.isnan(found.std_errors).all()
        assert "nan" not in repr(found).replace("likelihood nan", "") and str(found)
