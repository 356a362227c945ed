"""Every family takes its data in any form, gives the same numbers, and refuses bad data clearly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import estkit as ek

# The same numbers in another container: only the order of the additions can differ.
SAME = 1e-12
ROWS = 120


def columns() -> Any:
    """Two columns of small whole numbers, which every numeric type holds exactly."""
    return np.random.default_rng(0).integers(0, 6, size=(ROWS, 2))


def frame() -> pd.DataFrame:
    return pd.DataFrame(columns(), columns=["age", "dose"])


def assert_same(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found.params, wanted.params, rtol=SAME, atol=SAME)
    np.testing.assert_allclose(found.std_errors, wanted.std_errors, rtol=SAME)
    assert found.loglik == pytest.approx(wanted.loglik, rel=SAME)
    assert found.n_obs == wanted.n_obs


def terms(fit: Any) -> list[str]:
    return list(dict.fromkeys(name.rsplit(":", 1)[-1] for name in fit.names))


# --- the same numbers from any form ---


@pytest.mark.parametrize(
    "dtype", ["f4", "f2", "i1", "u1", "i2", "u4", "i8", "u8", ">f8", ">i4", "g", "O"]
)
def test_any_numeric_type(simple: Any, dtype: str) -> None:
    wanted = simple.redrawn(columns().astype(float)).fit()
    assert_same(simple.redrawn(columns().astype(dtype)).fit(), wanted)


def test_bool_columns(simple: Any) -> None:
    wanted = simple.redrawn((columns() > 2).astype(float)).fit()
    assert_same(simple.redrawn(columns() > 2).fit(), wanted)


def test_float32_is_computed_in_float64(simple: Any) -> None:
    fine = np.random.default_rng(1).normal(size=(ROWS, 2)).astype(np.float32)
    assert_same(simple.redrawn(fine).fit(), simple.redrawn(fine.astype(float)).fit())


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "transposed": lambda X: X.T.copy().T,
    "misaligned": lambda X: np.frombuffer(b" " + X.tobytes(), offset=1).reshape(X.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_in_memory(simple: Any, layout: str) -> None:
    X = columns().astype(float)
    assert_same(simple.redrawn(LAYOUTS[layout](X)).fit(), simple.redrawn(X).fit())


def test_memory_mapped_and_read_only(simple: Any, tmp_path: Path) -> None:
    X = columns().astype(float)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    assert_same(simple.redrawn(mapped).fit(), simple.redrawn(X).fit())


FRAMES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda X: X,
    "pandas with nullable integers": lambda X: X.astype("Int64"),
    "pandas on arrow": lambda X: X.astype("int64[pyarrow]"),
    "pandas objects": lambda X: X.astype(object),
    "pandas in float32": lambda X: X.astype(np.float32),
    "polars": lambda X: pl.DataFrame(X.to_dict("list")),
    "polars in uint8": lambda X: pl.DataFrame(X.to_dict("list")).cast(pl.UInt8),
    "arrow": lambda X: pa.table(X.to_dict("list")),
    "dict of lists": lambda X: X.to_dict("list"),
    "dict of arrays": lambda X: {name: X[name].to_numpy() for name in X},
}


@pytest.mark.parametrize("form", FRAMES)
def test_frames_give_the_same_numbers_and_keep_their_names(simple: Any, form: str) -> None:
    fit = simple.redrawn(FRAMES[form](frame())).fit()
    assert_same(fit, simple.redrawn(columns()).fit())
    assert terms(fit) == ["intercept", "age", "dose"]


LISTS: dict[str, Callable[[Any], Any]] = {
    "lists": lambda X: X.tolist(),
    "tuples": lambda X: tuple(map(tuple, X.tolist())),
    "list of arrays": list,
}


@pytest.mark.parametrize("form", LISTS)
def test_lists_give_the_same_numbers(simple: Any, form: str) -> None:
    fit = simple.redrawn(LISTS[form](columns())).fit()
    assert_same(fit, simple.redrawn(columns()).fit())
    assert terms(fit) == ["intercept", "x0", "x1"]


def test_one_column_needs_no_second_dimension(simple: Any) -> None:
    one = columns()[:, 0]
    wanted = simple.redrawn(one[:, None]).fit()
    for form in (one, one.tolist(), pd.Series(one), pl.Series("x0", one), pd.Index(one)):
        fit = simple.redrawn(form).fit()
        assert_same(fit, wanted)
        assert terms(fit) == ["intercept", "x0"]


def test_a_named_series_gives_its_name(simple: Any) -> None:
    for series in (pd.Series(columns()[:, 0], name="dose"), pl.Series("dose", columns()[:, 0])):
        assert terms(simple.redrawn(series).fit()) == ["intercept", "dose"]


def test_an_unnamed_series_is_named_like_an_array(simple: Any) -> None:
    for series in (pd.Series(columns()[:, 0]), pl.Series(columns()[:, 0])):
        assert terms(simple.redrawn(series).fit()) == ["intercept", "x0"]


Y_FORMS: dict[str, Callable[[list[Any]], Any]] = {
    "array": np.array,
    "objects": lambda y: np.array(y, dtype=object),
    "tuple": tuple,
    "pandas": pd.Series,
    "polars": pl.Series,
    "frame of one column": lambda y: pd.DataFrame({"outcome": y}),
    "array of one column": lambda y: np.array(y)[:, None],
}


@pytest.mark.parametrize("form", Y_FORMS)
def test_the_response_comes_in_any_form(simple: Any, form: str) -> None:
    drawn = simple.redrawn(columns())
    labels = list(drawn.y)
    as_rows = Y_FORMS[form](labels)
    assert_same(drawn.changed(y=as_rows).fit(), drawn.fit())


def test_weights_come_in_any_form(simple: Any) -> None:
    drawn = simple.redrawn(columns())
    weights = np.random.default_rng(2).integers(1, 4, size=ROWS)
    wanted = drawn.fit(weights=weights.astype(float))
    forms = (weights, weights.tolist(), weights.astype(np.uint8), pd.Series(weights),
             pl.Series(weights), weights[:, None], pd.DataFrame({"w": weights}))  # fmt: skip
    for form in forms:
        assert_same(drawn.fit(weights=form), wanted)


# --- nothing is changed ---


def test_the_input_is_not_modified(example: Any) -> None:
    X = example.X.to_numpy(dtype=float)
    y = example.y.copy() if hasattr(example.y, "copy") else list(example.y)
    weights = np.ones(example.rows)
    before = X.tobytes(), str(y), weights.tobytes()
    fit = ek.fit(example.family, X, y, weights=weights, intercept=False)
    fit.predict(X[:3])
    fit.simulate(rng=1)
    assert before == (X.tobytes(), str(y), weights.tobytes())


def test_what_is_changed_afterwards_does_not_change_the_fit(simple: Any) -> None:
    X = columns().astype(float)
    fit = simple.redrawn(X).fit()
    params, loglik = fit.params.copy(), fit.loglik
    X[:] = 0.0
    np.testing.assert_array_equal(fit.params, params)
    assert fit.loglik == loglik


def test_the_global_random_state_is_left_alone(simple: Any) -> None:
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    simple.redrawn(columns()).fit().simulate(rng=1)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
