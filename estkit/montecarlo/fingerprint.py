"""One hash of all that came out of a study, to tell whether two runs gave the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from estkit.montecarlo.outcomes import FIELDS, Floats, Outcomes
from estkit.montecarlo.truth import Truth


def fingerprint(
    keys: Iterable[tuple[int, str]],
    outcomes: Mapping[tuple[int, str], Outcomes],
    truths: Mapping[tuple[int, str], Truth],
) -> str:
    """Return the SHA-256 of outcomes and truths by condition and estimator, as hexadecimal digits.

    Every bit of every number counts, but for those of nan. Warnings do not: some are lost where
    workers are threads.
    """
    whole = hashlib.sha256()
    for key in sorted(keys):
        outcome, truth = outcomes[key], truths.get(key)
        answered = [outcome.names, outcome.level] if has_answers(outcome) else None
        header = [*key, answered, outcome.first, len(outcome)]
        whole.update(_text([*header, sorted(outcome.reasons.items())]))
        whole.update(np.ascontiguousarray(outcome.status).data)
        for field in FIELDS:
            column = getattr(outcome, field)
            if column is not None and not np.isnan(column).all():  # else as if it were not there
                whole.update(_text(field))
                whole.update(_bytes(column))
        if truth is not None and answered:
            whole.update(_text(["truth", truth.value.shape]))
            whole.update(_bytes(truth.value))
            whole.update(_bytes(truth.std_error))
    return whole.hexdigest()


def has_answers(outcome: Outcomes) -> bool:
    """Tell whether an estimator gave any number at all."""
    columns = [getattr(outcome, field) for field in FIELDS]
    return any(not np.isnan(c).all() for c in columns if c is not None)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


def _bytes(column: Floats) -> Any:
    missing = np.isnan(column)
    plain = np.where(missing, np.nan, column) if missing.any() else np.ascontiguousarray(column)
    return plain.astype("<f8", copy=False).data
