"""The coverage of bootstrap intervals, had they been made of infinitely many resamples."""

from __future__ import annotations

from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import check_level

_LEAST = 40  # resamples, so that an eighth of them still has two tails
_PARTS = (1, 2, 4, 8)


def bootstrap_coverage(resamples: Any, truth: float, *, level: float = 0.95) -> Any:
    """Return a number for each replicate whose mean is the coverage with infinitely many resamples.

    Intervals from few resamples cover too little, by an amount that is linear in 1 / B. The
    percentile intervals of B, B / 2, B / 4 and B / 8 resamples are extrapolated to 1 / B = 0
    (Boos and Zhang 2000), so that a study needs some 50 to 200 resamples in a replicate instead of
    thousands. Single numbers lie somewhat outside 0 to 1.

    Parameters
    ----------
    resamples : array of shape (B,) or (R, B)
        The estimate in each resample, in one replicate or in many.
    truth : float
        The true value.
    level : float
        The confidence level of the intervals.

    Raises
    ------
    DataError
        If there are fewer than 40 resamples, or some are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import estkit as ek
    >>> def percentile(x, rng):
    ...     resampled = rng.choice(x, size=(99, len(x))).mean(axis=1)
    ...     return ek.bootstrap_coverage(resampled, truth=0.0)
    >>> study = ek.Study(lambda rng: rng.normal(size=15), {"percentile": percentile}, truth=0.95)
    >>> study.run(2000, rng=1).summary("bias")[["value", "mcse"]].round(3)
       value   mcse
    0 -0.029  0.007
    """
    check_level(level)
    values = np.asarray(resamples, dtype=float)
    count = values.shape[-1] if values.ndim else 0
    if values.ndim not in (1, 2) or count < _LEAST:
        raise DataError(
            f"resamples must have {_LEAST} or more for each replicate, got shape {values.shape}."
        )
    if not np.isfinite(values).all():
        raise DataError("resamples must be finite; leave out those without an estimate.")
    sizes = [count // parts for parts in _PARTS]
    covered = []
    for size, parts in zip(sizes, _PARTS, strict=True):
        cut = values[..., : size * parts].reshape(*values.shape[:-1], parts, size)
        lower, upper = np.quantile(cut, [(1 - level) / 2, (1 + level) / 2], axis=-1)
        covered.append(((lower <= truth) & (truth <= upper)).mean(axis=-1))
    intercept = np.linalg.pinv(np.vander(1 / np.array(sizes), 2, increasing=True))[0]
    found = np.tensordot(intercept, np.array(covered), axes=1)
    return float(found) if values.ndim == 1 else found
