"""``Trial``: what one model did on one fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.scores import Floats
from estkit.errors import DataError


@dataclass(frozen=True, eq=False)
class Trial:
    """What one model did on one fold.

    Parameters
    ----------
    prediction : array of shape (m,), or None
        Numbers, or codes of classes, for the test rows; None where the model failed.
    probability : array of shape (m, k), or None
        Of every class, also of those that the training rows lack.
    fit_seconds, predict_seconds : float
        How long it took to fit, and to predict the test rows, without any scoring.
    size : int or None
        The bytes of the fitted model when it is stored; of the fold `Folds.weighed` only, None for
        others and for a model that cannot be stored.
    freedom : float or None
        The effective degrees of freedom, of that fold, where they are known.
    reason : str
        Why there is no prediction.
    warning : str
        The first warning it gave.
    seen : pair, or None
        Predictions and probabilities of its training rows, where they were asked for.
    passing : bool
        Whether the reason may be gone next time, as with a lack of memory; a store does not keep
        such a trial.
    """

    prediction: NDArray[Any] | None
    probability: Floats | None = None
    fit_seconds: float = float("nan")
    predict_seconds: float = float("nan")
    size: int | None = None
    freedom: float | None = None
    reason: str = ""
    warning: str = ""
    seen: tuple[NDArray[Any], Floats | None] | None = None
    passing: bool = False


def check_rows(trial: Trial, rows: int) -> None:
    """Raise if a model did not say one finite thing about every row."""
    for given, what in ((trial.prediction, "predictions"), (trial.probability, "probabilities")):
        if given is not None and len(given) != rows:
            raise DataError(f"gave {len(given)} {what} for {rows} rows")
    if trial.probability is not None and not np.isfinite(trial.probability).all():
        raise DataError("gave probabilities that are not finite")
