"""``PairedTest``: what a test says of two models, and what it could have found."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from estkit.errors import DataError
from estkit.estimate import check_level, plain
from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

ALTERNATIVES = ("two-sided", "better", "worse")
_FAR = 8.0  # a normal variable is hardly ever that far from its mean: 6e-16


class Posterior(NamedTuple):
    """How probable it is that the first model is better, practically equal, or worse."""

    better: float
    equivalent: float
    worse: float


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PairedTest(Tabular):
    """The difference of two models on the same rows, and whether it may be luck.

    Parameters
    ----------
    a, b : str
        The models; every difference is that of a less b.
    method, score : str
        The test, and what it compares.
    greater_is_better : bool
        The direction of the score.
    estimate, std_error : float
        The difference in the unit of the score, and its error.
    lower, upper : float
        Its interval.
    level : float
        The confidence of the interval.
    statistic, df : float
        The statistic and the degrees of freedom of a t; inf for one that is normal, nan for others
        (a count, a chi-squared with 1, an F with 10 and 5).
    p_value : float
        Under the hypothesis that a is as good as b; nan for a Bayesian method.
    alternative : {"two-sided", "better", "worse"}
        Of what the test could convince: that a differs from b, is better, or is worse.
    posterior : Posterior, optional
        The probabilities that a is better, equivalent or worse, of a Bayesian method.
    basis : str
        What it was computed from.
    notes : tuple of str
        What is known of the test, or was unusual.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> result = ek.compare(["knn", "linear"], *load_diabetes(return_X_y=True), cv=(10, 2), rng=1)
    >>> found = result.test("knn", "linear")
    >>> found
    PairedTest(corrected_t: knn - linear rmse 6.4 ± 1.6, p = 0.001, linear is better)
    >>> round(found.detectable(), 1), round(found.power(2.0), 2)
    (4.8, 0.22)
    """

    a: str
    b: str
    method: str
    score: str
    greater_is_better: bool
    estimate: float
    std_error: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    level: float = 0.95
    statistic: float = math.nan
    df: float = math.nan
    p_value: float = math.nan
    alternative: str = "two-sided"
    posterior: Posterior | None = None
    basis: str = ""
    notes: tuple[str, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the difference."""
        return self.lower, self.upper

    @property
    def better(self) -> str | None:
        """The model with the better score here, whether by luck or not; None if they are equal."""
        if not self.estimate:
            return None
        return self.a if (self.estimate > 0) == self.greater_is_better else self.b

    def power(self, difference: float) -> float:
        """Return how probable p < 1 - level is, if the models truly differ by so much.

        Parameters
        ----------
        difference : float
            In the unit of the score. The standard error is taken to be the one found here, so this
            says what a new comparison of the same size could find, nothing about this one's luck.

        Returns
        -------
        float
            The power; nan where the test has no standard error.
        """
        return _power(abs(difference), self.std_error, self._df, self.level, self.alternative)

    def detectable(self, power: float = 0.8) -> float:
        """Return the least true difference that is found with this probability.

        Parameters
        ----------
        power : float
            The probability, above 1 - level.

        Returns
        -------
        float
            The difference in the unit of the score; nan where the test has no standard error.
        """
        from scipy.optimize import brentq

        if not 1 - self.level < power < 1:
            raise DataError(f"power must lie between {1 - self.level:g} and 1, got {power!r}.")
        if not math.isfinite(self.std_error) or math.isnan(self._df):
            return math.nan

        def lacking(errors: float) -> float:
            found = _power(errors, 1.0, self._df, self.level, self.alternative)
            return found - power

        most = 1.0
        while lacking(most) < 0:
            most *= 2
        return float(brentq(lacking, 0, most, xtol=1e-12)) * self.std_error

    @property
    def _df(self) -> float:
        """Those of the error: normal where the statistic is no t; none for a Bayesian method."""
        if self.posterior:
            return math.nan
        return math.inf if math.isnan(self.df) else self.df

    def to_frame(self) -> pd.DataFrame:
        """Return one row: a, b, method, score, estimate, interval, p-value, power, notes."""
        import pandas as pd

        return pd.DataFrame([self.row()])

    def row(self) -> dict[str, Any]:
        """Return what a table of tests shows of this one."""
        posterior = self.posterior or Posterior(math.nan, math.nan, math.nan)
        return {
            "a": self.a, "b": self.b, "method": self.method, "score": self.score,
            "estimate": self.estimate, "std_error": self.std_error,
            "lower": self.lower, "upper": self.upper,
            "statistic": self.statistic, "df": self.df, "p_value": self.p_value,
            "better": self.better, "p_better": posterior.better,
            "p_equivalent": posterior.equivalent, "p_worse": posterior.worse,
            "detectable": self.detectable(), "notes": " ".join(self.notes),
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, with the version of the format."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        own["posterior"] = self.posterior._asdict() if self.posterior else None
        own |= {"better": self.better, "detectable": self.detectable()}
        return {"format": "estkit.PairedTest", "version": 1, **plain(own)}

    def __repr__(self) -> str:
        known = [self.std_error] if math.isfinite(self.std_error) else None
        shown = Column("", [float(f"{self.estimate:.4g}")], known).shown()[0]
        error = Column("", [self.std_error], style="error").shown()[0]
        parts = [f"{self.a} - {self.b} {self.score} {shown}" + (f" ± {error}" if error else "")]
        if self.posterior:
            shares = ", ".join(f"{share:.3f}" for share in self.posterior)
            parts.append(f"P(better, equivalent, worse) = {shares}")
        else:
            p = Column("", [self.p_value], style="p_value").shown()[0]
            parts.append(f"p {p}" if p.startswith("<") else f"p = {p}")
        parts.append(f"{self.better} is better" if self.better else "they are equal")
        return f"PairedTest({self.method}: {', '.join(parts)})"

    def _table(self) -> Table:
        error = [self.std_error]
        columns = [
            Column("a - b", [f"{self.a} - {self.b}"]),
            Column(self.score, [self.estimate], error),
            Column("error", error, style="error"),
            Column("lower", [self.lower], error),
            Column("upper", [self.upper], error),
        ]
        if self.posterior:
            columns += [Column(f"P({name})", [value], style="p_value")
                        for name, value in self.posterior._asdict().items()]  # fmt: skip
        else:
            columns += [Column("statistic", [round(self.statistic, 3)]),
                        Column("df", [self.df]),
                        Column("p", [self.p_value], style="p_value"),
                        Column("detectable", [self.detectable()], error)]  # fmt: skip
        better = "greater" if self.greater_is_better else "less"
        winner = f"{self.better} does better here" if self.better else "they do equally well"
        notes = [f"{self.score}: {better} is better; {winner}. From {self.basis}."]
        if not self.posterior and math.isfinite(self.std_error):
            notes.append("detectable: the true difference that such a test finds with power 0.8.")
        title = f"{self.method}, {self.alternative}, {100 * self.level:g}% interval"
        return Table(columns, title, [*notes, *self.notes])


def concluded(
    estimate: float,
    std_error: float,
    df: float,
    *,
    level: float,
    alternative: str,
    greater_is_better: bool,
) -> dict[str, float]:
    """Return estimate, error, interval, statistic and p-value of a t test; normal if df is inf.

    An estimate of 0 has statistic 0 and p-value 1 whatever its error, 0 included.
    """
    from scipy.special import stdtr, stdtrit

    check_level(level)
    if alternative not in ALTERNATIVES:
        raise DataError(f"alternative must be one of {ALTERNATIVES}, got {alternative!r}.")
    sides = 2 if alternative == "two-sided" else 1
    statistic = 0.0 if estimate == 0 else math.copysign(math.inf, estimate)
    if estimate and std_error:
        statistic = estimate / std_error
    gain = statistic if greater_is_better else -statistic
    tail = {"two-sided": -abs(gain), "better": -gain, "worse": gain}[alternative]
    p_value = float(stdtr(df, tail))
    half_width = float(stdtrit(df, 1 - (1 - level) / sides)) * std_error
    lower, upper = estimate - half_width, estimate + half_width
    if alternative != "two-sided":
        open_above = (alternative == "better") == greater_is_better
        lower, upper = (lower, math.inf) if open_above else (-math.inf, upper)
    p_value = 1.0 if estimate == 0 else min(1.0, sides * p_value)
    return {"estimate": estimate, "std_error": std_error, "lower": lower, "upper": upper,
            "statistic": statistic, "df": float(df), "p_value": p_value}  # fmt: skip


def _power(difference: float, error: float, df: float, level: float, alternative: str) -> float:
    from scipy.special import nctdtr, ndtr, ndtri, stdtrit

    if math.isnan(df) or not math.isfinite(error):
        return math.nan
    if error == 0:
        return 1.0 if difference else 1 - level
    sides = 2 if alternative == "two-sided" else 1
    tail, shift = 1 - (1 - level) / sides, difference / error
    if math.isinf(df):
        limit = float(ndtri(tail))
        return float(ndtr(shift - limit)) + (float(ndtr(-shift - limit)) if sides == 2 else 0.0)
    limit = float(stdtrit(df, tail))
    both = sides == 2 and shift < _FAR
    return _beyond(limit, df, shift) + (float(nctdtr(df, shift, -limit)) if both else 0.0)


def _beyond(limit: float, df: float, shift: float) -> float:
    """Return how probable a noncentral t above a limit is.

    scipy's answer is nan for some far shifts. There it is the average over the numerator z of the
    probability that the denominator, a root of chi-squared over df, is below (z + shift) / limit.
    """
    from scipy.special import chdtr, nctdtr

    below = float(nctdtr(df, shift, limit))
    if not math.isnan(below) or limit <= 0:
        return 1 - below
    from scipy.integrate import quad

    def density(z: float) -> float:
        ratio = max(z + shift, 0.0) / limit
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * float(chdtr(df, df * ratio**2))

    middle = min(max(limit - shift, -_FAR), _FAR)
    return min(1.0, float(quad(density, -_FAR - 1, _FAR + 1, points=[middle], limit=200)[0]))
