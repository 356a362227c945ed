"""A fit as plain values and back: what JSON can hold, with the version of the format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.likelihood.newton import Certificate
from estkit.likelihood.result import LikelihoodFit, frozen, sigma_estimate
from estkit.likelihood.rows import Placement

_FORMAT = {"format": "estkit.LikelihoodFit", "version": 1}


def to_plain(fit: LikelihoodFit) -> dict[str, Any]:
    """Return all that a fit needs to predict and to be read again, and no data."""
    placement = fit._placement
    return {
        **_FORMAT,
        "family": type(fit.family).__name__,
        "options": _plain(asdict(fit.family)),  # type: ignore[call-overload]
        "names": list(fit.names),
        "params": _plain(fit.params),
        "std_errors": _plain(fit.std_errors),
        "covariance": _plain(fit.covariance()),
        "loglik": _plain(fit.loglik),
        "n_obs": fit.n_obs,
        "converged": fit.converged,
        "reason": fit.reason,
        "certificate": _plain(asdict(fit.certificate)),
        "terms": list(fit.terms),
        "outcomes": _plain(list(fit.outcomes)),
        "sigma": None if fit.sigma is None else fit.sigma.value,
        "placement": {
            "shift": placement.shift.tolist(),
            "scale": None if placement.scale is None else placement.scale.tolist(),
            "intercept": placement.intercept,
            "predictors": placement.predictors,
        },
        "inside": _plain(fit._inside),
    }


def _plain(value: Any) -> Any:
    """Return what JSON can hold: Python's own numbers, and None for nan and infinity."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def from_plain(plain: Mapping[str, Any]) -> LikelihoodFit:
    """Return the fit that `to_plain` wrote.

    Raises
    ------
    DataError
        If the values are of another format or version.
    """
    found = {key: plain.get(key) for key in _FORMAT}
    if found != _FORMAT:
        raise DataError(f"Expected a dict of {_FORMAT}, got {found}.")
    from estkit import likelihood

    place = dict(plain["placement"])
    place["shift"] = np.array(place["shift"], float)
    place["scale"] = None if place["scale"] is None else np.array(place["scale"], float)
    sigma = plain["sigma"]
    return LikelihoodFit(
        family=getattr(likelihood, plain["family"])(**plain["options"]),
        names=tuple(plain["names"]),
        params=frozen(plain["params"]),
        std_errors=frozen(plain["std_errors"]),
        loglik=_number(plain["loglik"]),
        n_obs=plain["n_obs"],
        converged=plain["converged"],
        reason=plain["reason"],
        certificate=Certificate(**{k: _number(v) for k, v in plain["certificate"].items()}),
        terms=tuple(plain["terms"]),
        outcomes=tuple(plain["outcomes"]),
        sigma=None if sigma is None else sigma_estimate(sigma, plain["n_obs"]),
        _covariance=frozen(plain["covariance"]),
        _placement=Placement(**place),
        _inside=frozen(plain["inside"]),
        _rows=None,
    )
