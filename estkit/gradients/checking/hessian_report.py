"""``HessianReport``: what a check of a Hessian found, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import GradientError
from estkit.estimate import plain
from estkit.gradients.checking.form import Floats
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

    from estkit.gradients.checking.scores import ScoreCheck

_SHOWN = 21  # entries: all of 6 parameters, and of more the worst
_SYMMETRIC = 1e-8


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HessianReport(Tabular):
    """A Hessian beside numerical second derivatives.

    Parameters
    ----------
    names : tuple of str
        The parameters.
    analytic, numeric, error : array of shape (k, k)
        What was given, what differences say, and how far off these may be.
    relative_error : array of shape (k, k)
        Their distance over the entry, or over what is small in the units of the two parameters.
    verdicts : array of str of shape (k, k)
        As those of a `GradientReport`.
    cause : str
        The likely cause for the whole matrix, or nothing.
    method : str
        What was differentiated.
    asymmetry : float
        The largest difference of two mirrored entries, in units in which entries are near 1.
    definiteness : str
        ``"negative definite"``, as at a maximum; ``"positive definite"``, ``"indefinite"`` or
        ``"singular"``.
    taylor : float
        The power with which the remainder of the second Taylor polynomial shrinks: 3 for a right
        gradient and Hessian; nan where the remainder is rounding, as for a quadratic function.
    calls : dict of str to int
        How often each function was called.
    score : ScoreCheck, optional
        With ``simulate=``: the mean score and the information identity.
    notes : tuple of str
        What is unusual.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> report = ek.check_hessian(lambda t: np.exp(t[0] * t[1]), lambda t: np.eye(2), [1.0, 0.5])
    >>> report
    HessianReport(3 of 3 wrong: theta1, theta0; theta0, theta0; theta1, theta1)
    >>> report.worst
    ('theta1', 'theta0')
    """

    names: tuple[str, ...]
    analytic: Floats
    numeric: Floats
    error: Floats
    relative_error: Floats
    verdicts: NDArray[np.str_]
    cause: str
    method: str
    asymmetry: float
    definiteness: str
    taylor: float = float("nan")
    calls: dict[str, int] = field(default_factory=dict)
    score: ScoreCheck | None = None
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every entry is right, the matrix symmetric and the score that of the model."""
        right = bool(np.isin(self.verdicts, ("ok", "kink")).all())
        return right and (self.score is None or self.score.ok)

    @property
    def wrong(self) -> tuple[tuple[str, str], ...]:
        """The pairs whose entry, or its mirror image, is wrong; the worst first."""
        bad = np.isin(self.verdicts, ("wrong", "not finite"))
        return tuple(self._pair(i, j) for i, j in self._entries() if bad[i, j] or bad[j, i])

    @property
    def worst(self) -> tuple[str, str]:
        """The pair with the largest relative error."""
        return self._pair(*self._entries()[0])

    def _pair(self, i: int, j: int) -> tuple[str, str]:
        return self.names[i], self.names[j]

    def _entries(self) -> list[tuple[int, int]]:
        """Return the places of the lower triangle, the worst first."""
        off = np.nan_to_num(self.relative_error, nan=np.inf)
        off = np.maximum(off, off.T)
        places = [(i, j) for i in range(len(self.names)) for j in range(i + 1)]
        return sorted(places, key=lambda place: -off[place])

    def raise_if_wrong(self, *, allow_unknown: bool = False) -> None:
        """Raise when an entry is wrong, or the check could not tell.

        Parameters
        ----------
        allow_unknown : bool
            Whether to be content where differences are too inexact to tell.

        Raises
        ------
        GradientError
            With the table; it is an AssertionError, too, for tests.
        """
        unknown = bool((self.verdicts == "cannot tell").any()) and not allow_unknown
        scored = self.score is not None and not self.score.ok
        if self.wrong or scored or unknown:
            raise GradientError(f"{self._headline()}\n\n{self}", self)

    def _headline(self) -> str:
        total = len(self.names) * (len(self.names) + 1) // 2
        if self.wrong:
            shown = "; ".join(", ".join(pair) for pair in self.wrong[:4])
            dots = "; ..." if len(self.wrong) > 4 else ""
            return f"{len(self.wrong)} of {total} wrong: {shown}{dots}"
        if self.score is not None and not self.score.ok:
            return self.score.headline
        unsure = int((np.tril(self.verdicts == "cannot tell")).sum())
        return f"cannot tell for {unsure} of {total}" if unsure else f"all {total} right"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._headline()})"

    def _table(self) -> Table:
        places = self._entries()
        chosen = sorted(places) if len(places) <= _SHOWN else places[:_SHOWN]

        def worse(i: int, j: int) -> tuple[int, int]:
            off = np.nan_to_num(self.relative_error, nan=np.inf)
            return (j, i) if off[j, i] > off[i, j] else (i, j)

        chosen = [worse(*place) for place in chosen]

        def told(values: Floats, digits: str) -> list[str]:
            return [format(values[place], digits) for place in chosen]

        columns = [
            Column("entry", [", ".join(self._pair(*place)) for place in chosen]),
            Column("analytic", told(self.analytic, ".8g"), right=True),
            Column("numeric", told(self.numeric, ".8g"), right=True),
            Column("its error", told(self.error, ".1g"), right=True),
            Column("relative error", told(self.relative_error, ".1g"), right=True),
            Column("verdict", [str(self.verdicts[place]) for place in chosen]),
        ]
        return Table(columns, f"Hessian: {self._headline()}", self._notes())

    def _notes(self) -> list[str]:
        notes = [f"Likely cause: {self.cause}."] if self.cause else []
        calls = ", ".join(f"{n} of {what}" for what, n in self.calls.items())
        notes.append(f"Numeric: {self.method}. Calls: {calls}.")
        symmetric = (
            "Symmetric" if self.asymmetry <= _SYMMETRIC else f"Asymmetry {self.asymmetry:.1g}"
        )
        notes.append(f"{symmetric}; {self.definiteness}.")
        if np.isfinite(self.taylor):
            notes.append(f"Taylor remainder of order {self.taylor:.2f} (3 for a right Hessian).")
        if len(self._entries()) > _SHOWN:
            notes.append(f"The {_SHOWN} worst of {len(self._entries())} entries are shown.")
        if self.score is not None:
            notes += self.score.lines()
        return [*notes, *self.notes]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row for each entry."""
        import pandas as pd

        places = list(np.ndindex(*self.analytic.shape))
        columns: dict[str, Any] = {
            "row": [self.names[i] for i, _ in places],
            "column": [self.names[j] for _, j in places],
        }
        for what in ("analytic", "numeric", "error", "relative_error", "verdicts"):
            columns[what.removesuffix("s")] = getattr(self, what).ravel()
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; what is not a number becomes None."""
        stored: dict[str, Any] = {"kind": type(self).__name__, "ok": self.ok}
        stored |= {"names": list(self.names), "verdicts": self.verdicts.tolist()}
        for what in ("analytic", "numeric", "error", "relative_error", "asymmetry", "taylor"):
            stored[what] = plain(getattr(self, what))
        for what in ("cause", "method", "definiteness"):
            stored[what] = getattr(self, what)
        stored["score"] = None if self.score is None else self.score.to_dict()
        return {**stored, "calls": dict(self.calls), "notes": list(self.notes)}


def definiteness(scaled: Floats) -> str:
    """Return what the eigenvalues say, in units of the parameters."""
    if not np.isfinite(scaled).all():
        return "not finite"
    values = np.linalg.eigvalsh((scaled + scaled.T) / 2)
    small = 1e-12 * np.abs(values).max()
    if (np.abs(values) <= small).any():
        return "singular"
    if (values > 0).all():
        return "positive definite"
    return "negative definite" if (values < 0).all() else "indefinite"
