"""Scores of data drawn from the model: their mean is 0 and their variance the information."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import normal_quantile, plain
from estkit.gradients.checking.form import Floats, Form, read_answer

_ALARM = 1e-5  # the chance that a right score is called wrong


@dataclass(frozen=True, eq=False)
class ScoreCheck:
    """Whether a log-likelihood is one: the two Bartlett identities, by simulation.

    Parameters
    ----------
    names : tuple of str
        The parameters.
    draws : int
        The data sets that were drawn at these parameters.
    mean, std_error : array of shape (k,)
        The mean score and its Monte-Carlo error.
    gap, gap_error : array of shape (k, k), optional
        The mean of score·scoreᵀ + Hessian, which is 0, and its Monte-Carlo error.
    """

    names: tuple[str, ...]
    draws: int
    mean: Floats
    std_error: Floats
    gap: Floats | None = None
    gap_error: Floats | None = None

    @property
    def z(self) -> Floats:
        """The mean score over its error."""
        return _over(self.mean, self.std_error)

    @property
    def gap_z(self) -> Floats:
        """The gap of the information identity over its error."""
        if self.gap is None or self.gap_error is None:
            return np.zeros((0, 0))
        return _over(self.gap, self.gap_error)

    @property
    def ok(self) -> bool:
        """Whether all are 0 within their errors."""
        every = np.concatenate([self.z.ravel(), self.gap_z.ravel()])
        return bool((np.abs(every) <= normal_quantile(1 - _ALARM / len(every))).all())

    @property
    def headline(self) -> str:
        """What is worst, in a line."""
        j = int(np.argmax(np.abs(self.z)))
        if self.gap is None or np.abs(self.z).max() >= np.abs(self.gap_z).max():
            return f"the mean score of {self.names[j]} is {self.z[j]:.1f} errors from 0"
        i, j = divmod(int(np.argmax(np.abs(self.gap_z))), len(self.names))
        return (
            f"the information of {self.names[i]}, {self.names[j]} is {self.gap_z[i, j]:.1f} errors "
            f"from the variance of the score"
        )

    def lines(self) -> list[str]:
        """Return what it says in sentences."""
        j = int(np.argmax(np.abs(self.z)))
        lines = [
            f"Mean score over {self.draws} data sets: at most {abs(self.z[j]):.1f} Monte-Carlo "
            f"errors from 0 ({self.names[j]}: {self.mean[j]:.3g} ± {self.std_error[j]:.2g})."
        ]
        if self.gap is not None and self.gap_error is not None:
            i, j = divmod(int(np.argmax(np.abs(self.gap_z))), len(self.names))
            lines.append(
                f"Information identity: at most {abs(self.gap_z[i, j]):.1f} Monte-Carlo errors "
                f"apart ({self.names[i]}, {self.names[j]}: {self.gap[i, j]:.3g} ± "
                f"{self.gap_error[i, j]:.2g})."
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        fields = ("draws", "mean", "std_error", "gap", "gap_error")
        return {"ok": self.ok, **{what: plain(getattr(self, what)) for what in fields}}


def _over(value: Floats, error: Floats) -> Floats:
    with np.errstate(all="ignore"):
        ratio: Floats = np.where(value == 0, 0.0, value / error)
    return ratio


def check_scores(
    gradient: Callable[..., Any],
    hessian: Callable[..., Any] | None,
    simulate: Callable[..., Any],
    form: Form,
    draws: int,
    rng: np.random.Generator,
) -> ScoreCheck:
    """Return the mean score, and the information identity, over data drawn at the parameters."""
    if draws < 30:
        raise DataError(f"draws must be 30 or more to have an error, got {draws}.")
    k = len(form.values)
    scores, gaps = np.empty((draws, k)), np.empty((draws if hessian else 0, k, k))
    for r in range(draws):
        data = simulate(form.formed(form.values), rng)
        answer = gradient(form.formed(form.values), data)
        scores[r] = read_answer(answer, form, _rows(answer, form)).values.sum(axis=0)
        if hessian is not None:
            second = np.asarray(hessian(form.formed(form.values), data), dtype=float)
            gaps[r] = np.outer(scores[r], scores[r]) + second.reshape(k, k)
    root = np.sqrt(draws)
    mean, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / root
    if hessian is None:
        return ScoreCheck(form.names, draws, mean, error)
    return ScoreCheck(form.names, draws, mean, error, gaps.mean(axis=0),
                      gaps.std(axis=0, ddof=1) / root)  # fmt: skip


def _rows(answer: Any, form: Form) -> tuple[int, ...]:
    """Return the shape of the values that a gradient was given for."""
    if isinstance(answer, dict):
        for _, name, shape in form.places():
            given = np.shape(answer.get(name, 0.0))
            return given[: len(given) - len(shape)]
    given = np.shape(answer)
    return given[: max(0, len(given) - len(form.shapes.get("", (0,))))]
