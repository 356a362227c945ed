"""``Estimate``: a value with its own error, the answer of every estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

STATUSES = ("ok", "not_converged", "failed")


@lru_cache(maxsize=64)
def normal_quantile(level: float) -> float:
    """Return z such that a standard normal lies within ±z with probability `level`."""
    from statistics import NormalDist

    check_level(level)
    return -NormalDist().inv_cdf((1.0 - level) / 2)


def check_level(level: Any) -> None:
    """Raise unless `level` is a probability strictly between 0 and 1."""
    if not (isinstance(level, int | float | np.number) and 0 < level < 1):
        raise DataError(f"level must lie strictly between 0 and 1, got {level!r}; say 0.95.")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Estimate:
    """An estimate and its own error: what every estimator in estkit answers with.

    Parameters
    ----------
    value : float or array of shape (k,)
        The estimate; one number or a vector of parameters.
    names : sequence of str, optional
        A name for each parameter. By default ``"value"``, or ``"value[0]"``, ``"value[1]"``, ...
    std_error : float or array of shape (k,), optional
        The standard error of each parameter, not negative; NaN where it is not known.
    lower, upper : float or array of shape (k,), optional
        The limits of an interval with confidence `level`; give both or none (use ±inf for a
        one-sided one). By default value ± z·std_error when there is a standard error.
    level : float
        The confidence level of the interval.
    p_value : float or array of shape (k,), optional
        The p-value of a test about each parameter, between 0 and 1; NaN where there is none.
    status : {"ok", "not_converged", "failed"}
        Whether the value may be used.
    reason : str
        Why the status is not ``"ok"``.

    Raises
    ------
    DataError
        If the shapes differ, a standard error is negative, a p-value is no probability, or the
        status is unknown.

    Examples
    --------
    >>> import estkit as ek
    >>> ek.Estimate(12.34567, std_error=0.0213)
    Estimate(12.346 ± 0.021, 95% interval 12.304 to 12.387)
    >>> slopes = ek.Estimate([1.0, 2.5], names=["a", "b"], std_error=[0.5, 0.25])
    >>> slopes.upper.round(2)
    array([1.98, 2.99])
    """

    value: Any
    names: Any = None
    std_error: Any = None
    lower: Any = None
    upper: Any = None
    level: float = 0.95
    p_value: Any = None
    status: str = "ok"
    reason: str = ""

    def __init__(
        self,
        value: Any,
        *,
        names: Sequence[str] | None = None,
        std_error: Any = None,
        lower: Any = None,
        upper: Any = None,
        level: float = 0.95,
        p_value: Any = None,
        status: str = "ok",
        reason: str = "",
    ) -> None:
        value = _numbers("value", value)
        if status not in STATUSES:
            raise DataError(f"status must be one of {STATUSES}, got {status!r}.")
        if (lower is None) != (upper is None):
            raise DataError("Give both lower and upper; -inf or inf stands for an open side.")
        half_width = normal_quantile(level)
        if std_error is not None:
            std_error = _numbers("std_error", std_error, like=value)
            if np.any(np.less(std_error, 0)):
                raise DataError(f"std_error must not be negative, got {std_error!r}.")
        if lower is not None:
            lower = _numbers("lower", lower, like=value)
            upper = _numbers("upper", upper, like=value)
            if np.any(np.greater(lower, upper)):
                raise DataError(f"lower must not be above upper, got {lower!r} and {upper!r}.")
        elif std_error is not None:
            lower = _numbers("lower", value - half_width * std_error)
            upper = _numbers("upper", value + half_width * std_error)
        if p_value is not None:
            p_value = _numbers("p_value", p_value, like=value)
            if np.any(np.less(p_value, 0) | np.greater(p_value, 1)):
                raise DataError(f"p_value must lie between 0 and 1, got {p_value!r}.")
        set_field = object.__setattr__
        set_field(self, "value", value)
        set_field(self, "names", _parameter_names(names, value))
        set_field(self, "std_error", std_error)
        set_field(self, "lower", lower)
        set_field(self, "upper", upper)
        set_field(self, "level", level)
        set_field(self, "p_value", p_value)
        set_field(self, "status", status)
        set_field(self, "reason", reason)

    def __repr__(self) -> str:
        if self.status != "ok":
            return f"Estimate({self.status}: {self.reason})"
        if not isinstance(self.value, float):
            shown = ", ".join(_term(*row) for row in zip(self.names, *self._pairs(), strict=True))
            return f"Estimate({shown})"
        value, error = with_error(self.value, self.std_error)
        text = value if self.std_error is None else f"{value} ± {error}"
        if self.lower is not None:
            reference = (self.upper - self.lower) / 4 if self.std_error is None else self.std_error
            lower, upper = (with_error(limit, reference)[0] for limit in (self.lower, self.upper))
            text += f", {100 * self.level:g}% interval {lower} to {upper}"
        return f"Estimate({text})"

    def __str__(self) -> str:
        if isinstance(self.value, float) or self.status != "ok":
            return repr(self)
        return str(self.to_frame().to_string(index=False))

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))

    def _pairs(self) -> tuple[Any, Any]:
        errors = [None] * len(self.names) if self.std_error is None else self.std_error
        return self.value, errors

    def to_estimate(self) -> Estimate:
        """Return itself, so that every result can be asked for its estimate."""
        return self

    def to_frame(self) -> pd.DataFrame:
        """Return a tidy frame: name, estimate, std_error, lower, upper, status, reason.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.Estimate(2.0, std_error=0.5).to_frame()[["name", "estimate", "std_error"]]
            name  estimate  std_error
        0  value       2.0        0.5
        """
        import pandas as pd

        columns = {"name": list(self.names), "estimate": np.atleast_1d(self.value)}
        for column in ("std_error", "lower", "upper"):
            given = getattr(self, column)
            columns[column] = np.atleast_1d(np.full(np.shape(self.value), np.nan, float)
                                            if given is None else given)  # fmt: skip
        return pd.DataFrame(columns).assign(status=self.status, reason=self.reason)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.Estimate(2.0, std_error=0.5).to_dict()["std_error"]
        0.5
        """
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {"format": "estkit.Estimate", "version": 1, **plain(own)}

    @classmethod
    def from_dict(cls, stored: Any) -> Estimate:
        """Return the estimate that `to_dict` wrote.

        Examples
        --------
        >>> import estkit as ek
        >>> ek.Estimate.from_dict(ek.Estimate(2.0, std_error=0.5).to_dict())
        Estimate(2.00 ± 0.50, 95% interval 1.02 to 2.98)
        """
        wanted = {f.name for f in fields(cls)} - {"p_value"}  # which came later
        found = stored if isinstance(stored, Mapping) else {}
        if (found.get("format"), found.get("version")) != ("estkit.Estimate", 1):
            raise DataError(
                f"Expected a dict of format 'estkit.Estimate', version 1; got {stored!r:.80}."
            )
        if not wanted <= set(found):
            raise DataError(
                f"Expected a dict of an estkit.Estimate; it lacks {sorted(wanted - set(found))}."
            )
        given = {f.name: stored.get(f.name) for f in fields(cls)}
        for name in ("value", "std_error", "lower", "upper", "p_value"):
            if given[name] is not None or name == "value":
                given[name] = _restored(given[name])
        return cls(given.pop("value"), **given)


def _restored(stored: Any) -> Any:
    if isinstance(stored, list):
        return [_restored(part) for part in stored]
    return math.nan if stored is None else float(stored)


def _term(name: str, value: float, error: float | None) -> str:
    shown, shown_error = with_error(value, error)
    return f"{name}={shown}" if error is None else f"{name}={shown} ± {shown_error}"


def _numbers(field: str, given: Any, like: Any = None) -> Any:
    """Return a float, or a read-only float64 vector, of the same shape as `like`."""
    if type(given) is float:
        number: Any = given
    else:
        number = np.asarray(given)
        if number.dtype.kind == "O" and isinstance(given, Real):  # such as a fraction, or 2**70
            number = np.asarray(float(given))
        if number.dtype.kind not in "fiub":
            raise DataError(f"{field} must hold real numbers, got {given!r}.")
        if number.ndim > 1:
            raise DataError(f"{field} must be a number or a vector, got shape {number.shape}.")
        if isinstance(given, np.ma.MaskedArray):  # what is masked is not known
            number = np.ma.filled(given.astype(float), np.nan)
        if number.ndim == 0:
            number = float(number)
        else:
            number = np.array(number, dtype=float)
            number.flags.writeable = False
    if like is not None and np.shape(number) != np.shape(like):
        raise DataError(
            f"{field} has shape {np.shape(number)} but value has shape {np.shape(like)}."
        )
    return number


def _parameter_names(names: Sequence[str] | None, value: Any) -> tuple[str, ...]:
    size = 1 if isinstance(value, float) else len(value)
    if names is None:
        return ("value",) if isinstance(value, float) else tuple(f"value[{i}]" for i in range(size))
    named = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    if len(named) != size:
        raise DataError(f"names has {len(named)} entries but value has {size}: {named!r}.")
    if len(set(named)) != size:
        raise DataError(f"names must differ from each other, got {named!r}.")
    return named


def with_error(value: float, std_error: float | None) -> tuple[str, str]:
    """Return `value` and `std_error` as text, cut where the error makes digits meaningless.

    The error keeps two significant digits and the value ends at the same decimal place; without
    an error the value keeps six significant digits.

    Examples
    --------
    >>> from estkit.estimate import with_error
    >>> with_error(12.34567, 0.0213)
    ('12.346', '0.021')
    >>> with_error(1234567.0, 4321.0)
    ('1234600', '4300')
    """
    if std_error is None or not math.isfinite(std_error) or std_error <= 0:
        shown = f"{value:.6g}"
        return shown, "" if std_error is None else f"{std_error:.2g}"
    if not math.isfinite(value):
        return f"{value}", f"{std_error:.2g}"
    place = 1 - int(f"{std_error:.1e}".split("e")[1])
    magnitude = max(abs(value), std_error)
    if place > 12 or magnitude >= 1e9:
        digits = max(0, min(15, place + int(f"{magnitude:.0e}".split("e")[1])))
        return f"{value:.{digits}e}", f"{std_error:.1e}"
    if place < 0:
        return f"{round(value, place):.0f}", f"{round(std_error, place):.0f}"
    shown = f"{value:.{place}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown, f"{std_error:.{place}f}"


def plain(value: Any) -> Any:
    """Return what JSON can hold: Python's own values, None for nan, text for what else there is.

    Examples
    --------
    >>> from estkit.estimate import plain
    >>> plain({"limits": (float("-inf"), 2.0), "error": float("nan")})
    {'limits': ['-inf', 2.0], 'error': None}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if math.isinf(value):
            return str(value)
        return None if math.isnan(value) else value
    return value if value is None or isinstance(value, bool | int | str) else repr(value)
