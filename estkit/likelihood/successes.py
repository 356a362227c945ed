"""Successes out of trials, from y in any of its forms: what a binomial likelihood is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from estkit import data
from estkit.errors import DataError
from estkit.labels import Labels, read_labels
from estkit.likelihood.counts import constants_of
from estkit.likelihood.family import Response
from estkit.likelihood.weights import Weights, hold_shares, read_totals, read_weights


def read_successes(y: Any, weights: Any, rows: int, *, success: Any) -> Response:
    """Check y and weights, and return successes and trials of every row.

    y holds 0 and 1, bools, two labels of which `success` names one, counts of successes and
    failures, or shares with the trials as weights.
    """
    weights = read_weights(weights, rows=rows)
    if data.is_table(y) or (success is None and hold_shares(y, weights)):
        return _read_counts(y, weights, rows, success)
    labels = read_labels(y)
    data.check_rows("y", len(labels.codes), rows)
    outcomes = _outcomes(labels, y, success)
    values = np.array([outcome == outcomes[1] for outcome in labels.outcomes], float)
    values = values[labels.codes]
    if weights is None:
        return Response(values, None, rows, 0.0, outcomes, "labels")
    if weights.kind == "analytic":
        raise DataError(
            "analytic_weights are the trials of a share, but y holds labels; for rows that "
            "were observed several times pass weights."
        )
    repeats = weights.values
    return Response(
        values * repeats, repeats, weights.n_obs(), 0.0, outcomes, "labels",
        weighting=weights.kind,
    )  # fmt: skip


def _read_counts(y: Any, weights: Weights | None, rows: int, success: Any) -> Response:
    counts, _, weights = read_totals(y, weights)
    if counts.shape != (rows, 2):
        raise DataError(
            f"y has shape {counts.shape}; for counts give {rows} rows of (successes, "
            f"failures), or use Softmax for more than two outcomes."
        )
    if success is not None:
        raise DataError("success= names a label, but y holds counts; leave success out.")
    trials = counts.sum(axis=1)
    if not trials.any():
        raise DataError("y has no trials: all successes and failures are 0.")
    weight = weights.values
    return Response(
        counts[:, 0] * weight, trials * weight, weights.n_obs(trials > 0),
        outcomes=("failure", "success"), kind="counts", weighting=weights.kind,
        repeats=weight, **constants_of(counts, weight),
    )  # fmt: skip


def _outcomes(labels: Labels, y: Any, success: Any) -> tuple[Any, Any]:
    found, given = labels.outcomes, success is not None
    if given and success not in found:
        raise DataError(f"success={success!r} is not among the labels of y: {_listed(found)}.")
    if not given and all(_is_zero_or_one(outcome) for outcome in found):
        return (False, True) if isinstance(found[0], bool) else (0, 1)
    numeric = all(isinstance(outcome, int | float) for outcome in found)
    if not given and numeric and len(found) > 2:
        wrong = next(outcome for outcome in found if not _is_zero_or_one(outcome))
        row = int(np.argmax(labels.codes == found.index(wrong)))
        raise DataError(
            f"y: row {row} (counted from 0) is {wrong:g}, expected 0 or 1; for counts pass an "
            f"(n, 2) array of successes and failures."
        )
    if len(found) > 2:
        raise DataError(
            f"y has {len(found)} labels ({_listed(found)}), a binomial response has two; use "
            f"Softmax, or code y as success or not yourself."
        )
    if given:
        others = [outcome for outcome in found if outcome != success]
        return (others[0] if others else "other", success)
    raise DataError(
        f"y has the labels {_listed(found)}; say which is the success, for example "
        f"Binomial(success={found[-1]!r})."
    )


def _is_zero_or_one(outcome: Any) -> bool:
    return isinstance(outcome, bool | int | float) and outcome in (0, 1)


def _listed(outcomes: Sequence[Any]) -> str:
    shown = ", ".join(repr(outcome) for outcome in outcomes[:6])
    return shown if len(outcomes) <= 6 else f"{shown}, ... ({len(outcomes)} in all)"
