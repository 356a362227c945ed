"""Examples of every form that each public family takes, found in the stored reference cases.

Nothing is registered here: a family that is exported and has a reference case takes part in every
contract test that asks for an `example`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import estkit as ek

Floats = NDArray[np.float64]

REFERENCES = Path(__file__).parents[1] / "references"


@dataclass(frozen=True, eq=False)
class Example:
    """A data set and the family it is fitted by."""

    family: Any
    X: pd.DataFrame
    y: Any
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.X)

    def changed(self, **changes: Any) -> Example:
        """Return the example with other X, y, or options of `fit`."""
        own = {name: changes.pop(name) for name in ("X", "y") if name in changes}
        return replace(self, **own, options={**self.options, **changes})

    def take(self, index: Any) -> Example:
        """Return some of the rows, in the given order, perhaps repeated."""
        options = {name: rows_of(value, index) for name, value in self.options.items()}
        return replace(self, X=rows_of(self.X, index), y=rows_of(self.y, index), options=options)

    def fit(self, **changes: Any) -> Any:
        return ek.fit(self.family, self.X, self.y, **{**self.options, **changes})

    def plain(self) -> Example:
        """Return it with an intercept and without weights and offset."""
        return replace(self, options={})

    def redrawn(self, X: Any, rows: int = 120) -> Example:
        """Return other columns beside responses drawn from these: no effect, a finite maximum."""
        chosen = np.random.default_rng(20).integers(0, self.rows, size=rows)
        return Example(self.family, X, rows_of(self.y, chosen))

    def design(self) -> Floats:
        columns = self.X.to_numpy(dtype=float)
        if not self.options.get("intercept", True):
            return columns
        return np.column_stack([np.ones(self.rows), columns])


def rows_of(given: Any, index: Any) -> Any:
    """Return rows of a frame, array or list; leave alone what has no rows."""
    if isinstance(given, pd.DataFrame):
        return given.iloc[index].reset_index(drop=True)
    if isinstance(given, np.ndarray):
        return given[index]
    if isinstance(given, list):
        return [given[i] for i in np.arange(len(given))[index]]
    return given


def read(stored: dict[str, Any]) -> Example:
    """Return the example of a reference case: outcomes by name become a frame, counts an array."""

    def table(given: Any) -> Any:
        if isinstance(given, dict):
            return pd.DataFrame(given)
        return np.array(given) if given and isinstance(given[0], list) else given

    data = stored["data"]
    options = {
        "intercept": stored["intercept"],
        "weights": data.get("weights"),
        "offset": table(data.get("offset")),
    }
    family = getattr(ek, stored["family"])(**stored["options"])
    return Example(family, pd.DataFrame(data["columns"]), table(data["y"]), options)


@cache
def examples() -> dict[str, Example]:
    """Return a case for each family and each form of its data, by the name of the case."""
    found: dict[tuple[Any, ...], tuple[str, Example]] = {}
    for path in sorted(REFERENCES.glob("*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        data = stored["data"]
        first = data["y"][0] if isinstance(data["y"], list) else data["y"]
        form = (
            stored["family"],
            *stored["options"],
            type(first),
            stored["intercept"],
            "weights" in data,
            "offset" in data,
        )
        found.setdefault(form, (path.stem, read(stored)))
    return dict(found.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on every form (`example`), family (`simple`) or reference case (`stored`)."""
    if "example" in metafunc.fixturenames:
        metafunc.parametrize("example", examples().values(), ids=list(examples()))
    if "simple" in metafunc.fixturenames:
        first = {type(example.family): example.plain() for example in examples().values()}
        names = [family.__name__.lower() for family in first]
        metafunc.parametrize("simple", first.values(), ids=names)
    if "stored" in metafunc.fixturenames:  # the reference cases of the kind the file is about
        paths = sorted((REFERENCES / metafunc.module.KIND).glob("*.json"))
        cases = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        metafunc.parametrize("stored", cases, ids=[path.stem for path in paths])


@pytest.fixture
def families() -> set[str]:
    """Return the names of all public families that are sums over predictors, one a term."""
    return {
        name
        for name in ek.__all__
        if isinstance(what := getattr(ek, name), type)
        and hasattr(what, "encode")
        and hasattr(what, "evaluate")
        and not hasattr(what, "model")
    }
