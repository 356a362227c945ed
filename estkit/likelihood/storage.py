"""A fit as plain values and back: what JSON can hold, with the version of the format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from estkit.errors import DataError
from estkit.estimate import plain
from estkit.likelihood.custom.fit import CustomFit
from estkit.likelihood.distribution.fit import DistributionFit
from estkit.likelihood.joint.fit import JointFit
from estkit.likelihood.matched.fit import MatchedFit
from estkit.likelihood.newton import Certificate
from estkit.likelihood.ordinal.model import OrdinalFit
from estkit.likelihood.penalties.fit import PenalisedFit
from estkit.likelihood.regression_fit import RegressionFit
from estkit.likelihood.result import LikelihoodFit, sigma_estimate
from estkit.likelihood.uncertainty import frozen

_KEYS = (
    "family options names params std_errors covariance loglik n_obs converged status reason "
    "certificate terms outcomes sigma constant point covariance_kind dropped notes"
).split()
# A kind of result has `_own_plain` and `_own_fields` for what it holds beside the common fields.
_KINDS: dict[str, type[LikelihoodFit]] = {
    kind.__name__: kind
    for kind in (
        RegressionFit,
        PenalisedFit,
        OrdinalFit,
        MatchedFit,
        JointFit,
        DistributionFit,
        CustomFit,
    )
}
_FORMAT = {"format": "estkit.LikelihoodFit", "version": 1}


def to_plain(fit: LikelihoodFit) -> dict[str, Any]:
    """Return all that a fit needs to predict and to be read again, and no data."""
    return {
        **_FORMAT,
        "kind": type(fit).__name__,
        "family": type(fit.family).__name__,
        "options": fit._options(),
        "names": list(fit.names),
        "params": plain(fit.params),
        "std_errors": plain(fit.std_errors),
        "covariance": plain(fit._covariance),
        "loglik": plain(fit.loglik),
        "n_obs": fit.n_obs,
        "converged": fit.converged,
        "status": fit.status,
        "reason": fit.reason,
        "certificate": plain(asdict(fit.certificate)),
        "terms": list(fit.terms),
        "outcomes": plain(list(fit.outcomes)),
        "sigma": None if fit.sigma is None else fit.sigma.value,
        "constant": plain(fit.constant),
        "covariance_kind": fit.covariance_kind,
        "dropped": list(fit.dropped),
        "notes": list(fit.notes),
        "point": plain(fit._point),
        **fit._own_plain(),
    }


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def from_plain(stored: Any) -> LikelihoodFit:
    """Return the fit that `to_plain` wrote.

    Raises
    ------
    DataError
        If the values are of another format or version.
    """
    found = stored if isinstance(stored, Mapping) else {}
    if {key: found.get(key) for key in _FORMAT} != _FORMAT:
        raise DataError(f"Expected a dict of {_FORMAT}, got {stored!r:.80}.")
    kind = _KINDS.get(found.get("kind", "RegressionFit"))
    if kind is None:
        raise DataError(f"Expected a fit of a kind in {tuple(_KINDS)}, got {found['kind']!r:.80}.")
    lacking = [name for name in _KEYS if name not in stored]
    if lacking:
        raise DataError(f"Expected a dict that `to_dict` wrote; it lacks {lacking}.")
    sigma, pseudo = stored["sigma"], stored["covariance_kind"] in ("linearized", "none")
    return kind(
        family=kind._family(stored),
        names=tuple(stored["names"]),
        params=frozen(stored["params"]),
        std_errors=frozen(stored["std_errors"]),
        loglik=_number(stored["loglik"]),
        n_obs=stored["n_obs"],
        converged=stored["converged"],
        status=stored["status"],
        reason=stored["reason"],
        certificate=Certificate(**{k: _number(v) for k, v in stored["certificate"].items()}),
        terms=tuple(stored["terms"]),
        outcomes=tuple(stored["outcomes"]),
        sigma=None if sigma is None else sigma_estimate(sigma, None if pseudo else stored["n_obs"]),
        constant=_number(stored["constant"]),
        covariance_kind=stored["covariance_kind"],
        dropped=tuple(stored["dropped"]),
        notes=tuple(stored["notes"]),
        _covariance=frozen(stored["covariance"]),
        _point=frozen(stored["point"]),
        _model=None,
        **kind._own_fields(stored),
    )
