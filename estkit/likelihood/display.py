"""The table of a fit: coefficients with their errors above, the certificate below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from estkit.estimate import with_error
from estkit.table import Column, Table

if TYPE_CHECKING:
    from estkit.likelihood.result import LikelihoodFit

_ROUNDING = 1e-12
_STATISTIC_ERROR = 0.1  # a test statistic is shown to two decimals


def table_of(fit: LikelihoodFit, level: float, errors: NDArray[np.float64]) -> Table:
    """Return the coefficient table with its notes."""
    statistic, p_value = fit._wald_statistics(errors)
    limits = fit._wald_limits(errors, level)
    terms = list(fit.terms) * (len(fit.names) // len(fit.terms))
    columns = [
        Column("term", terms),
        Column("estimate", fit.params, errors),
        Column("std_error", errors, style="error"),
        Column("statistic", statistic, np.full(len(errors), _STATISTIC_ERROR)),
        Column("p_value", p_value, style="p_value"),
        Column("lower", limits[:, 0], errors),
        Column("upper", limits[:, 1], errors),
    ]
    if tuple(terms) != fit.names:
        named = zip(fit.names, terms, strict=True)
        outcomes = [name.removesuffix(f":{term}") for name, term in named]
        columns.insert(0, Column("outcome", outcomes))
    return Table(columns, fit._title, _notes(fit))


def parameter_table(
    fit: LikelihoodFit, level: float, errors: NDArray[np.float64], *, title: str | None = None
) -> Table:
    """Return the table of parameters that nobody would test for 0, such as those of a law."""
    limits = fit._wald_limits(errors, level)
    columns = [
        Column("term", list(fit.names)),
        Column("estimate", fit.params, errors),
        Column("std_error", errors, style="error"),
        Column("lower", limits[:, 0], errors),
        Column("upper", limits[:, 1], errors),
    ]
    if title is not None:
        return Table(columns, title, _notes(fit))
    law, fixed = fit.family.law, getattr(fit.family, "fixed", None) or {}
    title = f"Distribution {getattr(law, 'name', law)}, {fit.n_obs} observations"
    held = ", ".join(f"{name} = {value:g}" for name, value in fixed.items() if value is not None)
    return Table(columns, title + (f", {held}" if held else ""), _notes(fit))


def _notes(fit: LikelihoodFit) -> list[str]:
    if not fit.converged:
        return [f"Not converged: {fit.reason}"]
    measured = fit.certificate
    totals = f"log-likelihood {fit.loglik:.5g}"
    if fit.constant:
        origin = getattr(fit.family, "coefficients", "constants")
        totals += f" ({origin} {fit.constant:+.5g})"
    if fit.covariance_kind == "linearized":
        totals = f"pseudo-{totals}; standard errors linearized for sampling weights"
    elif np.isnan(getattr(fit, "effective", 0.0)):  # sampling weights without standard errors
        totals = f"pseudo-{totals}"
    else:
        totals += f", AIC {fit.aic:.5g}, BIC {fit.bic:.5g}"
    if fit.sigma is not None and fit.sigma.std_error is None:
        totals += f"; sigma {fit.sigma.value:.4g}"
    elif fit.sigma is not None:
        value, error = with_error(fit.sigma.value, fit.sigma.std_error)
        totals += f"; sigma {value} ± {error}"
    kkt = getattr(fit, "kkt", None)
    steps = "1 iteration" if measured.iterations == 1 else f"{measured.iterations} iterations"
    found = (
        f"Newton decrement {_small(measured.newton_decrement)}, relative gradient "
        f"{_small(measured.relative_gradient)}, condition {measured.condition:.3g}"
    )
    if kkt is not None:
        found = f"KKT conditions hold to {_small(kkt)}"
    certified = measured.iterations or np.isfinite(measured.condition)
    return [
        *fit.notes,
        totals,
        f"Converged in {steps}: {found}." if certified else f"{fit.reason}.",
        *fit._remarks(),
    ]


def _small(measured: float) -> str:
    """Return a quantity that is 0 up to rounding, without the digits that are only rounding."""
    return f"{measured:.1g}" if measured >= _ROUNDING else f"<{_ROUNDING:.0g}"
