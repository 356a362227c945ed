"""Linear dependence is found before the fit, and the message names the right columns."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import estkit as ek

Floats = NDArray[np.float64]

# The message shows six digits.
SHOWN = 1e-5
# A fit beside near dependence must be as good as any other, or refused.
STD_ERRORS = 1e-6
FITTED = 1e-9

ROWS = 60
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, ROWS))
GROUP = np.eye(3)[np.arange(ROWS) % 3]
FAMILIES = {
    "binomial": (ek.Binomial(), RNG.random(ROWS) < 0.5),
    "softmax": (ek.Softmax(), RNG.integers(0, 3, size=ROWS)),
    "gaussian": (ek.Gaussian(), RNG.normal(size=ROWS)),
}

# the columns, which of them are named as dependent, and on which they depend
DEPENDENT: dict[str, tuple[dict[str, Floats], str, set[str]]] = {
    "a duplicate": ({"a": A, "b": B, "copy": A}, "copy", {"a"}),
    "a multiple": ({"a": A, "b": B, "twice": -2 * A}, "twice", {"a"}),
    "a sum": ({"a": A, "b": B, "sum": A + 3 * B}, "sum", {"a", "b"}),
    "all dummies": (dict(zip("uvw", GROUP.T, strict=True)), "w", {"u", "v"}),
    "percentages": ({"a": A, "b": B, "rest": 100 - A - B}, "rest", {"a", "b"}),
    "Fahrenheit": ({"celsius": A, "fahrenheit": 1.8 * A + 32}, "fahrenheit", {"celsius"}),
    "last of many": ({**{f"c{j}": RNG.normal(size=ROWS) for j in range(8)}, "a": A, "copy": A},
                     "copy", {"a"}),
}  # fmt: skip
WITHOUT_INTERCEPT = ("a duplicate", "a multiple", "a sum", "last of many")


def refusal(columns: Any, family: str = "binomial", **options: Any) -> str:
    with pytest.raises(ek.RankError) as caught:
        ek.fit(FAMILIES[family][0], columns, FAMILIES[family][1][: rows_in(columns)], **options)
    assert "linearly dependent" in str(caught.value)
    assert not caught.value.result.converged
    assert np.isnan(caught.value.result.std_errors).all()
    return str(caught.value)


def rows_in(columns: Any) -> int:
    return len(next(iter(columns.values()))) if isinstance(columns, dict) else len(columns)


def combination(message: str, name: str) -> dict[str, float]:
    """Read back what a column is said to be the sum of."""
    sentence = re.search(rf"'{name}' = (.*?)[;.] ?(?:Drop|')", message)
    assert sentence, message
    terms = re.findall(r"([-+]?[\d.]+(?:e[-+]?\d+)?)·'(\w+)'", sentence[1])
    return {column: float(weight) for weight, column in terms}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", DEPENDENT)
def test_the_dependent_column_is_named(case: str, family: str) -> None:
    columns, name, parts = DEPENDENT[case]
    message = refusal(columns, family)
    assert f"Drop '{name}'," in message
    assert set(combination(message, name)) == parts
    kept = {other: column for other, column in columns.items() if other != name}
    model, y = FAMILIES[family]
    assert ek.fit(model, kept, y).converged


@pytest.mark.parametrize("unit", [1e-100, 1e-8, 1.0, 1e8, 1e100])
@pytest.mark.parametrize("case", DEPENDENT)
def test_the_combination_that_is_named_holds(case: str, unit: float) -> None:
    columns, name, _ = DEPENDENT[case]
    scaled = {n: c * (unit if j % 2 else 1.0) for j, (n, c) in enumerate(columns.items())}
    parts = combination(refusal(scaled), name)
    rest = scaled[name] - sum(weight * scaled[column] for column, weight in parts.items())
    assert np.ptp(rest) <= SHOWN * len(columns) * np.ptp(scaled[name])  # up to the intercept


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("case", WITHOUT_INTERCEPT)
def test_without_intercept(case: str, unit: float) -> None:
    columns, name, parts = DEPENDENT[case]
    scaled = {n: c * (unit if j % 2 else 1.0) for j, (n, c) in enumerate(columns.items())}
    message = refusal(scaled, intercept=False)
    assert set(combination(message, name)) == parts
    assert "constant" not in message


def test_all_dummies_without_intercept_have_full_rank() -> None:
    family, y = FAMILIES["binomial"]
    assert ek.fit(family, DEPENDENT["all dummies"][0], y, intercept=False).converged


@pytest.mark.parametrize("distance", [1e4, 1e8, 1e12])
@pytest.mark.parametrize("case", ["a duplicate", "a multiple", "a sum", "percentages"])
def test_columns_far_from_0(case: str, distance: float) -> None:
    columns, name, _ = DEPENDENT[case]
    far = {n: c + distance for n, c in columns.items() if n != name}
    parts = list(far.values())
    far[name] = {"a duplicate": parts[0], "a multiple": 2 * parts[0], "a sum": parts[0] + parts[1],
                 "percentages": 100 - parts[0] - parts[1]}[case]  # fmt: skip
    assert f"Drop '{name}'," in refusal(far)


CONSTANTS: dict[str, Floats] = {
    "zeros": np.zeros(ROWS),
    "ones": np.ones(ROWS),
    "a tenth": np.full(ROWS, 0.1),
    "large": np.full(ROWS, 1.2345e9),
    "huge": np.full(ROWS, 1e300),
    "tiny": np.full(ROWS, 1e-300),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", CONSTANTS)
def test_a_constant_beside_the_intercept_is_named(case: str, family: str) -> None:
    message = refusal({"a": A, "year": CONSTANTS[case]}, family)
    assert "'year' does not vary" in message
    assert "'a'" not in message
    assert "intercept=False" in message


@pytest.mark.parametrize("family", FAMILIES)
def test_a_column_of_zeros_without_intercept_is_named(family: str) -> None:
    message = refusal({"a": A, "empty": np.zeros(ROWS)}, family, intercept=False)
    assert "'empty' is 0 in every row" in message


def test_a_constant_is_an_intercept_where_there_is_none() -> None:
    family, y = FAMILIES["binomial"]
    own = ek.fit(family, {"one": np.full(ROWS, 4.0), "a": A}, y, intercept=False)
    wanted = ek.fit(family, A, y)
    np.testing.assert_allclose(own.params * [4.0, 1.0], wanted.params, rtol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [2, 3, 5])
def test_fewer_rows_than_coefficients(family: str, rows: int) -> None:
    columns = {f"c{j}": RNG.normal(size=rows) for j in range(6)}
    model, _ = FAMILIES[family]
    with pytest.raises(ek.RankError, match=rf"{rows} rows cannot determine 7 coefficients"):
        ek.fit(model, columns, [0, 1, *[0] * (rows - 2)])


def test_rows_of_weight_zero_do_not_lend_rank() -> None:
    family, y = FAMILIES["binomial"]
    late = np.zeros(ROWS)
    late[-3:] = RNG.normal(size=3)
    assert ek.fit(family, {"a": A, "late": late}, y, errors="return").names
    weights = np.ones(ROWS, dtype=int)
    weights[-3:] = 0
    assert "'late' does not vary" in refusal({"a": A, "late": late}, weights=weights)


def test_several_dependent_columns_are_all_named() -> None:
    message = refusal({"a": A, "a2": 2 * A, "b": B, "b2": B + A, "one": B})
    assert [name for name in ("'a2'", "'b2'", "'one'") if name not in message] == []
    assert "Drop 'a2', 'b2', 'one'" in message


def test_the_verdict_is_that_of_exact_arithmetic() -> None:
    """Small whole numbers, whose rank numpy finds without doubt."""
    wrong, verdicts = [], set()
    for seed in range(400):
        rng = np.random.default_rng(seed)
        n, p = int(rng.integers(8, 25)), int(rng.integers(1, 6))
        X = rng.integers(-1, 2, size=(n, p)).astype(float)
        if seed % 3 == 0 and p > 1:
            X[:, rng.integers(p)] = X @ rng.integers(-2, 3, size=p)
        intercept = bool(seed % 2)
        design = np.column_stack([np.ones(n), X]) if intercept else X
        expected = np.linalg.matrix_rank(design) == design.shape[1]
        try:
            ek.fit(ek.Gaussian(), X * 10.0 ** (seed % 9 - 4), rng.normal(size=n),
                   intercept=intercept)  # fmt: skip
            found = True
        except ek.RankError:
            found = False
        verdicts.add(expected)
        if found != expected:
            wrong.append(seed)
    assert wrong == []
    assert verdicts == {True, False}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12])
def test_near_dependence_is_solved_or_refused(distance: float, family: str) -> None:
    """A column that differs from another by `distance` spans the same plane as the difference.

    What rounding leaves of the difference is taken from the columns as they are.
    """
    model, y = FAMILIES[family]
    near = A + distance * B
    wanted = ek.fit(model, np.column_stack([A, (near - A) / distance]), y)
    try:
        fit = ek.fit(model, np.column_stack([A, near]), y)
    except ek.FitError as error:
        assert distance < 1e-6, error  # R's glm solves this one
        return
    np.testing.assert_allclose(fit.predict(), wanted.predict(), atol=FITTED * 100)
    last = [i for i, name in enumerate(fit.names) if name.endswith("x1")]
    np.testing.assert_allclose(
        fit.std_errors[last] * distance, wanted.std_errors[last], rtol=STD_ERRORS
    )
