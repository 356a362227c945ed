"""What results of statsmodels, scipy and scikit-learn say, as an `Estimate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import Estimate

_LEVEL = 0.95


def from_statsmodels(answer: Any) -> Estimate:
    """Return the parameters of a statsmodels result, with its intervals and p-values."""
    names = getattr(answer.params, "index", None)
    if names is None:
        model = getattr(answer, "model", None)
        names = getattr(model, "param_names", getattr(model, "exog_names", None))
    params = np.asarray(answer.params)
    if params.ndim != 1 or names is None or len(names) != params.size:
        names = [f"value[{i}]" for i in range(params.size)]
    converged = getattr(answer, "converged", None)
    if converged is None:
        converged = (getattr(answer, "mle_retvals", None) or {}).get("converged", True)
    more: dict[str, Any] = {}
    if params.ndim == 1 and hasattr(answer, "conf_int"):  # by t where statsmodels does so
        more["lower"], more["upper"] = np.asarray(answer.conf_int()).T
    if hasattr(answer, "pvalues"):
        more["p_value"] = np.asarray(answer.pvalues).ravel(order="F")
    return Estimate(
        params.ravel(order="F"),
        names=[str(name) for name in names],
        std_error=np.asarray(answer.bse).ravel(order="F"),
        status="ok" if converged else "not_converged",
        reason="" if converged else "statsmodels reports converged=False",
        **more,
    )


def is_of_scipy(answer: Any) -> bool:
    """Tell whether an object is a result of scipy's."""
    return type(answer).__module__.split(".")[0] == "scipy" and not isinstance(answer, np.ndarray)


def from_scipy(answer: Any) -> Estimate:
    """Return the estimate and p-value of a test, or the parameters of a fit or an optimum.

    A test whose interval is about a parameter gives that parameter: the mean or the difference of
    means of a t-test, the share of `binomtest`. Other tests give their statistic.
    """
    if hasattr(answer, "slope"):
        return _from_line(answer)
    if hasattr(answer, "success"):
        return _from_optimum(answer)
    if hasattr(answer, "standard_error") and hasattr(answer, "bootstrap_distribution"):
        raise DataError(
            "a bootstrap result of scipy holds no estimate; return ek.Estimate(value, lower=..., "
            "upper=..., std_error=...) with its limits."
        )
    if not hasattr(answer, "statistic"):
        raise DataError(
            f"a scipy result of type {type(answer).__name__} has neither a statistic nor "
            f"parameters; return the numbers that you want to study."
        )
    value: Any = np.asarray(answer.statistic, float)[()]
    more: dict[str, Any] = {}
    p_value = getattr(answer, "pvalue", None)
    limits = _limits(answer)
    if limits is not None:
        lower, upper = (np.asarray(limit, float)[()] for limit in limits)
        value, more = _parameter(answer, value, lower, upper)
        more |= {"lower": lower, "upper": upper, "level": _LEVEL}
    return Estimate(value, p_value=p_value, **more)


def _limits(answer: Any) -> tuple[Any, Any] | None:
    compute = getattr(answer, "proportion_ci", getattr(answer, "confidence_interval", None))
    if compute is None or not callable(compute):
        return None
    interval = compute(confidence_level=_LEVEL)
    return interval.low, interval.high


def _parameter(answer: Any, statistic: Any, lower: Any, upper: Any) -> tuple[Any, dict[str, Any]]:
    """Return the parameter that an interval is about, and its standard error if that shows."""
    if not hasattr(answer, "df"):  # the statistic is the parameter, as a correlation is
        return statistic, {}
    middle = (lower + upper) / 2  # of a t-test: mean ± t · standard error
    if not np.isfinite(middle).all():
        raise DataError(
            "a one-sided t-test of scipy does not tell its estimate; return "
            "ek.Estimate(mean, p_value=...) with the mean that you test."
        )
    from scipy.special import stdtrit

    half_width = (upper - lower) / 2
    return middle, {"std_error": half_width / stdtrit(answer.df, 0.5 + _LEVEL / 2)}


def _from_line(answer: Any) -> Estimate:
    """Return slope and intercept; the result does not tell the degrees of freedom of limits."""
    names = ["slope", "intercept"]
    value = [answer.slope, answer.intercept]
    if hasattr(answer, "stderr"):
        gap = [np.nan, np.nan]
        errors = [answer.stderr, answer.intercept_stderr]
        p_value = [answer.pvalue, np.nan]
        return Estimate(value, names=names, std_error=errors, lower=gap, upper=gap, p_value=p_value)
    if hasattr(answer, "low_slope"):
        lower, upper = [answer.low_slope, np.nan], [answer.high_slope, np.nan]
        return Estimate(value, names=names, lower=lower, upper=upper)
    return Estimate(value, names=names)


def _from_optimum(answer: Any) -> Estimate:
    params = answer.x if hasattr(answer, "x") else answer.params
    names = getattr(params, "_fields", None)
    done = bool(answer.success)
    return Estimate(
        np.atleast_1d(np.asarray(params, float)),
        names=names,
        status="ok" if done else "not_converged",
        reason="" if done else str(answer.message),
    )


def is_of_sklearn(answer: Any) -> bool:
    """Tell whether an object is a fitted scikit-learn estimator with coefficients."""
    return hasattr(answer, "get_params") and hasattr(answer, "fit")


def from_sklearn(answer: Any) -> Estimate:
    """Return the coefficients of a fitted scikit-learn estimator, the intercepts first.

    Names are those of the columns; with several outcomes ``"outcome:column"``. A solver that used
    all of its iterations has not converged.
    """
    fitted = answer.steps[-1][1] if hasattr(answer, "steps") else answer
    if not hasattr(fitted, "coef_"):
        raise DataError(
            f"{type(fitted).__name__} has no coefficients; give a function of the data that "
            f"returns the number you want to study, such as a prediction or a score."
        )
    coefficients = np.atleast_2d(np.asarray(fitted.coef_, float))
    outcomes, columns = coefficients.shape
    found = getattr(fitted, "feature_names_in_", None)
    names = [str(name) for name in found] if found is not None and len(found) == columns else [
        f"x{j}" for j in range(columns)
    ]  # fmt: skip
    if getattr(fitted, "fit_intercept", False):
        intercepts = np.broadcast_to(np.asarray(fitted.intercept_, float), (outcomes,))
        coefficients = np.column_stack([intercepts, coefficients])
        names = ["intercept", *names]
    if outcomes > 1:
        classes = getattr(fitted, "classes_", range(outcomes))
        labels = classes if len(classes) == outcomes else range(outcomes)
        names = [f"{label}:{name}" for label in labels for name in names]
    used = np.max(getattr(fitted, "n_iter_", None) or 0, initial=0)
    most = getattr(fitted, "max_iter", None)
    done = most is None or most < 0 or used < most  # -1 stands for no limit
    return Estimate(
        coefficients.ravel(),
        names=names,
        status="ok" if done else "not_converged",
        reason="" if done else f"{type(fitted).__name__} used all of its {used} iterations",
    )


class Refitted:
    """A scikit-learn estimator as a function of the data: a clone of it, fitted.

    Randomness of its own is drawn from the replicate's stream, so that replicates stay independent.

    Parameters
    ----------
    estimator : object
        With ``get_params`` and ``fit``.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        seeds = [n for n in estimator.get_params() if n.split("__")[-1] == "random_state"]
        fixed = [n for n in seeds if estimator.get_params()[n] is not None]
        if fixed:
            raise DataError(
                f"{type(estimator).__name__} has {fixed[0]}={estimator.get_params()[fixed[0]]!r}, "
                f"so all replicates would share its draws; leave it None and it gets the stream "
                f"of each replicate."
            )
        self._seeds = seeds

    def __call__(self, X: Any, y: Any, rng: np.random.Generator) -> Any:
        """Return a fitted clone."""
        from sklearn.base import clone

        fresh = clone(self.estimator)
        if self._seeds:
            seed = int(rng.integers(0, 1 << 31))
            fresh.set_params(**dict.fromkeys(self._seeds, seed))
        return fresh.fit(X, y)
