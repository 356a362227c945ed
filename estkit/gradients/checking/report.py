"""``GradientReport``: what a check of a gradient found, parameter by parameter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError, GradientError
from estkit.estimate import plain
from estkit.gradients.checking.form import Floats
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

    from estkit.gradients.checking.scores import ScoreCheck

VERDICTS = ("ok", "kink", "cannot tell", "not finite", "wrong")  # from good to bad


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GradientReport(Tabular):
    """A gradient beside numerical derivatives.

    Parameters
    ----------
    names : tuple of str
        The parameters; or the directions, and the parameters that they led to.
    analytic, numeric, error : array of shape (k,)
        What was given, what differences say, and how far off these may be. Of a Jacobian, the
        entries of the worst row for each parameter.
    relative_error : array of shape (k,)
        Their distance over the larger of the two, or over what is small beside the function.
    verdicts : tuple of str
        ``"ok"``, ``"wrong"``, ``"cannot tell"`` (differences are too inexact), ``"kink"`` (the
        slopes to both sides differ, and the analytic value lies between them), ``"not finite"``.
    causes : tuple of str
        The likely cause of each that is wrong, or nothing.
    methods : tuple of str
        ``"complex step"``, confirmed by a central difference; ``"Richardson"`` extrapolation of
        central differences; ``"one-sided"`` where the domain ends.
    below, above : array of shape (k,)
        The slopes to either side.
    rows : array of int of shape (k,), optional
        The worst row of a Jacobian.
    taylor : float
        The power with which the remainder of the first Taylor polynomial shrinks: 2 for a right
        gradient; nan where the remainder is rounding, as for a linear function.
    calls : dict of str to int
        How often the function and the gradient were called.
    score : ScoreCheck, optional
        For a log-likelihood with ``simulate=``: whether the mean score is 0.
    notes : tuple of str
        What is unusual.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> report = ek.check_gradient(
    ...     lambda t: t["a"] ** 2 * np.exp(t["b"]),
    ...     lambda t: {"a": 2 * t["a"] * np.exp(t["b"]), "b": t["a"] ** 2},
    ...     {"a": 3.0, "b": 0.5},
    ... )
    >>> report
    GradientReport(1 of 2 wrong: b)
    >>> report.ok, report.cause("b")
    (False, 'missing chain factor exp(b)')
    """

    names: tuple[str, ...]
    analytic: Floats
    numeric: Floats
    error: Floats
    relative_error: Floats
    verdicts: tuple[str, ...]
    causes: tuple[str, ...]
    methods: tuple[str, ...]
    below: Floats
    above: Floats
    rows: NDArray[np.int64] | None = None
    taylor: float = float("nan")
    calls: dict[str, int] = field(default_factory=dict)
    score: ScoreCheck | None = None
    notes: tuple[str, ...] = ()
    what: str = "Gradient"

    @property
    def ok(self) -> bool:
        """Whether every parameter is right, or at a kink and between its slopes."""
        right = all(verdict in ("ok", "kink") for verdict in self.verdicts)
        return right and (self.score is None or self.score.ok)

    @property
    def wrong(self) -> tuple[str, ...]:
        """The parameters whose analytic value is wrong or not finite."""
        bad = ("wrong", "not finite")
        return tuple(n for n, v in zip(self.names, self.verdicts, strict=True) if v in bad)

    def cause(self, name: str) -> str:
        """Return the likely cause of one that is wrong; empty when none was recognised.

        Raises
        ------
        DataError
            If there is none of that name.
        """
        if name not in self.names:
            shown = ", ".join(self.names[:10]) + (", ..." if len(self.names) > 10 else "")
            raise DataError(f"No parameter is named {name!r}; the names are {shown}.")
        return self.causes[self.names.index(name)]

    def raise_if_wrong(self, *, allow_unknown: bool = False) -> None:
        """Raise when a parameter is wrong, or the check could not tell.

        Parameters
        ----------
        allow_unknown : bool
            Whether to be content where differences are too inexact to tell.

        Raises
        ------
        GradientError
            With the table; it is an AssertionError, too, for tests.
        """
        scored = self.score is not None and not self.score.ok
        unknown = "cannot tell" in self.verdicts and not allow_unknown
        if self.wrong or scored or unknown:
            raise GradientError(f"{self._headline()}\n\n{self}", self)

    def _headline(self) -> str:
        k = len(self.names)
        if self.wrong:
            shown = ", ".join(self.wrong[:5]) + (", ..." if len(self.wrong) > 5 else "")
            return f"{len(self.wrong)} of {k} wrong: {shown}"
        if self.score is not None and not self.score.ok:
            return self.score.headline
        unsure = self.verdicts.count("cannot tell")
        if unsure:
            return f"cannot tell for {unsure} of {k}"
        kinks = self.verdicts.count("kink")
        return f"all {k} right" + (f", {kinks} at kinks" if kinks else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._headline()})"

    def _columns(self) -> list[Column]:
        return [
            Column("analytic", [f"{v:.8g}" for v in self.analytic], right=True),
            Column("numeric", [f"{v:.8g}" for v in self.numeric], right=True),
            Column("its error", [f"{v:.1g}" for v in self.error], right=True),
            Column("relative error", [f"{v:.1g}" for v in self.relative_error], right=True),
            Column("verdict", self.verdicts),
        ]

    def _table(self) -> Table:
        columns = [Column("parameter", self.names)]
        if self.rows is not None:
            columns.append(Column("worst row", self.rows, style="count"))
        columns += self._columns()
        if "kink" in self.verdicts or any("slopes" in cause for cause in self.causes):
            pairs = zip(self.below, self.above, strict=True)
            columns.append(Column("slopes", [f"{b:.4g} to {a:.4g}" for b, a in pairs], right=True))
        if any(self.causes):
            columns.append(Column("likely cause", self.causes))
        return Table(columns, f"{self.what}: {self._headline()}", self._notes())

    def _notes(self) -> list[str]:
        methods = list(dict.fromkeys(self.methods))
        told = {"complex step": "complex step, confirmed by a central difference"}
        found = ", ".join(told.get(method, method) for method in methods)
        calls = " and ".join(f"{n} of {what}" for what, n in self.calls.items())
        notes = [f"Numeric: {found}. Calls: {calls}."]
        if np.isfinite(self.taylor):
            notes.append(f"Taylor remainder of order {self.taylor:.2f} (2 for a right gradient).")
        if self.score is not None:
            notes += self.score.lines()
        return [*notes, *self.notes]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row for each parameter."""
        import pandas as pd

        columns: dict[str, Any] = {"parameter": self.names}
        if self.rows is not None:
            columns["row"] = self.rows
        for what in ("analytic", "numeric", "error", "relative_error", "below", "above"):
            columns[what] = getattr(self, what)
        columns |= {"verdict": self.verdicts, "cause": self.causes, "method": self.methods}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; what is not finite becomes None."""
        arrays = ("analytic", "numeric", "error", "relative_error", "below", "above")
        stored: dict[str, Any] = {"kind": type(self).__name__, "ok": self.ok}
        for what in ("names", "verdicts", "causes", "methods", "notes"):
            stored[what] = list(getattr(self, what))
        stored |= {what: plain(getattr(self, what)) for what in arrays}
        stored["rows"] = None if self.rows is None else self.rows.tolist()
        stored["score"] = None if self.score is None else self.score.to_dict()
        return {**stored, "taylor": plain(self.taylor), "calls": dict(self.calls)}
