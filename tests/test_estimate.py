"""``Estimate``: what it holds, how it is shown and stored."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import estkit as ek
from estkit.estimate import normal_quantile, with_error

# A quantile is right to rounding.
EXACT = 1e-13

numbers = st.floats(-1e12, 1e12)
errors = st.floats(1e-9, 1e12)


def quantile(level: float) -> float:
    with mp.workdps(40):
        return float(mp.sqrt(2) * mp.erfinv(mp.mpf(level)))


# --- what it holds ---


@given(value=numbers, error=errors, level=st.floats(0.01, 0.999))
def test_the_interval_follows_from_the_error(value: float, error: float, level: float) -> None:
    estimate = ek.Estimate(value, std_error=error, level=level)
    half_width = quantile(level) * error
    assert estimate.lower == pytest.approx(value - half_width, abs=1e-12 * (abs(value) + error))
    assert estimate.upper == pytest.approx(value + half_width, abs=1e-12 * (abs(value) + error))


@pytest.mark.parametrize("level", [1e-9, 0.5, 0.9, 0.95, 0.99, 1 - 1e-9])
def test_the_quantile_is_right(level: float) -> None:
    assert normal_quantile(level) == pytest.approx(quantile(level), rel=1e-12)


def test_a_vector_has_an_interval_for_each_parameter() -> None:
    estimate = ek.Estimate([1.0, 2.0], names=["a", "b"], std_error=[0.5, 0.25], level=0.9)
    np.testing.assert_allclose(estimate.upper, [1 + quantile(0.9) / 2, 2 + quantile(0.9) / 4])
    assert estimate.names == ("a", "b")


def test_given_limits_are_kept() -> None:
    estimate = ek.Estimate(1.0, std_error=0.5, lower=-np.inf, upper=1.7)
    assert (estimate.lower, estimate.upper) == (-np.inf, 1.7)


def test_names_are_made_where_none_are_given() -> None:
    assert ek.Estimate(1.0).names == ("value",)
    assert ek.Estimate([1.0, 2.0]).names == ("value[0]", "value[1]")
    assert ek.Estimate(1.0, names="age").names == ("age",)


@pytest.mark.parametrize("value", [1, True, np.float32(1), np.int8(1), np.array(1.0)])
def test_one_number_is_a_float(value: Any) -> None:
    assert type(ek.Estimate(value).value) is float


def test_an_unknown_error_is_nan() -> None:
    estimate = ek.Estimate([1.0, 2.0], std_error=[0.5, np.nan])
    assert np.isnan(estimate.upper).tolist() == [False, True]
    assert ek.Estimate(1.0).lower is None


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a word": ("a", {}, r"value.*'a'"),
    "nothing": (None, {}, "value.*None"),
    "a complex number": (1j, {}, "value.*real"),
    "a matrix": ([[1.0]], {}, r"value.*\(1, 1\)"),
    "a negative error": (1.0, {"std_error": -0.5}, r"std_error.*-0\.5"),
    "an error of another shape": ([1.0, 2.0], {"std_error": 1.0}, r"std_error.*\(\).*\(2,\)"),
    "limits of another shape": (1.0, {"lower": [0.0], "upper": [1.0]}, r"lower.*\(1,\)"),
    "one limit": (1.0, {"lower": 0.0}, "both lower and upper"),
    "limits the wrong way round": (1.0, {"lower": 2.0, "upper": 0.0}, r"lower.*upper"),
    "too few names": ([1.0, 2.0], {"names": ["a"]}, "names has 1 entries but value has 2"),
    "equal names": ([1.0, 2.0], {"names": ["a", "a"]}, "differ"),
    "an unknown status": (1.0, {"status": "fine"}, r"'not_converged'.*'fine'"),
    "a level in percent": (1.0, {"level": 95}, r"level.*95.*0\.95"),
    "a level of 0": (1.0, {"level": 0.0}, "level"),
    "a level that is no number": (1.0, {"level": float("nan")}, "level"),
    "a level in words": (1.0, {"level": "high"}, "level.*'high'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_estimate_is_refused(case: str) -> None:
    value, options, message = REFUSED[case]
    with pytest.raises(ek.DataError, match=message):
        ek.Estimate(value, **options)


def test_it_cannot_be_changed() -> None:
    given = np.array([1.0, 2.0])
    estimate = ek.Estimate(given, std_error=given)
    given[0] = 9.0
    assert estimate.value.tolist() == [1.0, 2.0]
    with pytest.raises(FrozenInstanceError):
        estimate.value = 1.0  # type: ignore[misc]
    for array in (estimate.value, estimate.std_error, estimate.lower):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


# --- stored and shown ---

STORED = {
    "a number": ek.Estimate(2.0),
    "with an error": ek.Estimate(2.0, std_error=0.5, level=0.9),
    "a vector": ek.Estimate([1.0, 2.0], names=["a", "b"], std_error=[0.1, 0.2]),
    "an unknown error": ek.Estimate([1.0, 2.0], std_error=[0.1, np.nan]),
    "one-sided": ek.Estimate(1.0, lower=-np.inf, upper=2.0),
    "failed": ek.Estimate(np.nan, status="failed", reason="too few rows"),
    "numpy options": ek.Estimate(1.0, std_error=0.5, level=np.float32(0.9), reason=np.str_("")),
}


@pytest.mark.parametrize("case", STORED)
def test_it_survives_storage(case: str) -> None:
    estimate = STORED[case]
    plain = json.loads(json.dumps(estimate.to_dict(), allow_nan=False))
    for again in (ek.Estimate.from_dict(plain), pickle.loads(pickle.dumps(estimate)),
                  copy.deepcopy(estimate)):  # fmt: skip
        pd.testing.assert_frame_equal(again.to_frame(), estimate.to_frame())
        assert (again.names, again.status, again.reason) == (
            estimate.names, estimate.status, estimate.reason,
        )  # fmt: skip
        assert again.level == pytest.approx(estimate.level)
        assert type(again.value) is type(estimate.value)


@pytest.mark.parametrize("plain", [{}, {"format": "estkit.Estimate"}, {"value": 1.0}, [],
                                   {"format": "estkit.Estimate", "version": 2, "value": 1.0},
                                   {"format": "estkit.Estimate", "version": 1}])  # fmt: skip
def test_another_format_is_refused(plain: Any) -> None:
    with pytest.raises(ek.DataError, match=r"Expected a dict|estkit\.Estimate"):
        ek.Estimate.from_dict(plain)


def test_the_frame_has_fixed_columns() -> None:
    for estimate in STORED.values():
        frame = estimate.to_frame()
        assert list(frame) == [
            "name", "estimate", "std_error", "lower", "upper", "status", "reason",
        ]  # fmt: skip
        assert len(frame) == len(estimate.names)


def test_every_form_shows_the_number_and_its_error() -> None:
    estimate = ek.Estimate(12.34567, std_error=0.0213)
    assert repr(estimate) == "Estimate(12.346 ± 0.021, 95% interval 12.304 to 12.387)"
    vector = STORED["a vector"]
    assert repr(vector) == "Estimate(a=1.00 ± 0.10, b=2.00 ± 0.20)"
    for text in (str(vector), vector._repr_html_()):
        assert [part for part in ("a", "b", "0.1", "0.2") if part not in text] == []
    assert "too few rows" in repr(STORED["failed"])
    assert "nan" not in repr(STORED["failed"])
    for estimate in STORED.values():
        assert "\n" not in repr(estimate)


# --- digits ---


@pytest.mark.parametrize(("value", "error", "shown"), [
    (12.34567, 0.0213, ("12.346", "0.021")),
    (1234567.0, 4321.0, ("1234600", "4300")),
    (9.99999, 0.0999, ("10.00", "0.10")),
    (9.99999, 0.996, ("10.0", "1.0")),
    (99.95, 0.0949, ("99.950", "0.095")),
    (0.0, 0.5, ("0.00", "0.50")),
    (1234.5, 99.6, ("1230", "100")),
    (-3.14159, 0.01, ("-3.142", "0.010")),
    (3.14159, None, ("3.14159", "")),
    (3.14159, 0.0, ("3.14159", "0")),
    (3.14159, float("nan"), ("3.14159", "nan")),
    (float("nan"), 0.1, ("nan", "0.1")),
])  # fmt: skip
def test_digits_end_where_the_error_begins(value: float, error: Any, shown: Any) -> None:
    assert with_error(value, error) == shown


@given(value=st.floats(-1e300, 1e300), error=st.floats(1e-300, 1e300))
def test_what_is_shown_is_within_the_error(value: float, error: float) -> None:
    """Two digits of the error: it is off by a twentieth at most, and so is the value."""
    shown, shown_error = with_error(value, error)
    assert float(shown_error) == pytest.approx(error, rel=0.051)
    rounding = 1e-14 * abs(value)  # no more digits than a float has
    assert abs(float(shown) - value) <= 0.051 * error + rounding
    assert len(shown) <= 24


def test_zero_has_no_sign() -> None:
    assert with_error(-0.0004, 0.01)[0] == "0.000"
