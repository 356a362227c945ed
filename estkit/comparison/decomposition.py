"""``Decomposition``: what of a model's loss is noise, bias, and change with the training rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estkit.comparison.presentation import DecompositionPresentation
from estkit.errors import DataError
from estkit.estimate import plain
from estkit.montecarlo.influence import Influence, standard_error
from estkit.montecarlo.intervals import mean_interval
from estkit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition(DecompositionPresentation):
    """The parts of an expected loss, each with its Monte-Carlo error; `bias_variance` makes it.

    Parameters
    ----------
    model : str
        The kind of model.
    loss, definition, scheme : str
        What was asked for.
    rounds : int or infinity
        How many training sets.
    train_rows, rows : int
        How many rows a training set has, and how many were predicted.
    parts : mapping of str to Influence
        ``"noise"``, ``"bias"`` (squared for squared loss), ``"variance"`` and ``"loss"``, the sum;
        for Domingos also the variance on unbiased and on biased rows, whose difference is the
        variance. Each with what every round contributes.
    notes : tuple of str
        What to know when reading them.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> found = ek.bias_variance(LinearRegression(), *load_diabetes(return_X_y=True), rng=1)
    >>> found.value("loss") == found.value("bias") + found.value("variance")
    True
    >>> round(found.value("variance") / found.std_error("variance"))
    28
    """

    model: str
    loss: str
    definition: str
    scheme: str
    rounds: float
    train_rows: int
    rows: int
    parts: Mapping[str, Influence]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {part.value:.4g}" for name, part in self.parts.items())
        return f"Decomposition({self.model}, {self.loss}: {told}; {self._rounds()} {self.scheme})"

    def value(self, part: str) -> float:
        """Return a part by its name."""
        return self._part(part).value

    def std_error(self, part: str) -> float:
        """Return the Monte-Carlo standard error of a part: what other rounds would change."""
        return standard_error(self._part(part).psi)

    def interval(self, part: str, *, level: float = 0.95) -> tuple[float, float]:
        """Return a Monte-Carlo interval of a part, for infinitely many rounds on these rows."""
        value = self.value(part)
        if self.rounds == math.inf:
            return value, value
        return mean_interval(value, self.std_error(part), int(self.rounds), level)

    def to_frame(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return part, value, mcse, lower and upper."""
        import pandas as pd

        rows = [(name, self.value(name), self.std_error(name), *self.interval(name, level=level))
                for name in self.parts]  # fmt: skip
        return pd.DataFrame(rows, columns=["part", "value", "mcse", "lower", "upper"])

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format."""
        return {
            "format": "estkit.Decomposition", "version": 1, "model": self.model, "loss": self.loss,
            "definition": self.definition, "scheme": self.scheme, "rounds": plain(self.rounds),
            "train_rows": self.train_rows, "rows": self.rows, "notes": list(self.notes),
            "parts": plain(self.to_frame().to_dict("records")),
        }  # fmt: skip

    def _part(self, name: str) -> Influence:
        if name not in self.parts:
            raise DataError(f"{name!r} is not a part; they are {', '.join(self.parts)}.")
        return self.parts[name]

    def _rounds(self) -> str:
        return "all" if self.rounds == math.inf else str(self.rounds)

    def _table(self) -> Table:
        frame = self.to_frame()
        names = [
            "bias²" if name == "bias" and self.loss == "squared" else name for name in frame["part"]
        ]
        columns = [
            Column("part", names),
            Column("value", frame["value"].tolist(), frame["mcse"].tolist()),
            Column("MC error", frame["mcse"].tolist(), style="error"),
        ]
        kind = f" ({self.definition})" if self.definition else ""
        title = f"{self.model}: {self.loss} loss{kind}, {self._rounds()} rounds of {self.scheme}"
        return Table(columns, title, self.notes)
