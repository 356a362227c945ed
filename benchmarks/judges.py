"""Judge answers by plain formulas, block by block: nothing here is shared with a contender."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from contest import Data, Judgement

BLOCK = 50_000


def judge_binary(data: Data, answer: Any) -> Judgement:
    """Evaluate the binary log-likelihood at an intercept followed by slopes."""
    X, y = data["X"], data["y"]
    intercept, slopes = float(answer[0]), np.asarray(answer[1:], dtype=float)
    parts, score = [], np.zeros(len(answer))
    for start in range(0, len(y), BLOCK):
        part, seen = X[start : start + BLOCK], y[start : start + BLOCK]
        eta = part @ slopes + intercept
        parts.append(float((seen * eta - np.logaddexp(0.0, eta)).sum()))
        residual = seen - 1.0 / (1.0 + np.exp(-eta))
        score += np.concatenate([[residual.sum()], part.T @ residual])
    return Judgement(math.fsum(parts), float(np.abs(score).max()) / len(y))


def judge_softmax(data: Data, answer: Any) -> Judgement:
    """Evaluate the softmax log-likelihood at (K, 1 + p): an intercept and slopes per outcome."""
    X, y = data["X"], data["y"]
    params = np.asarray(answer, dtype=float)
    parts, score = [], np.zeros_like(params)
    for start in range(0, len(y), BLOCK):
        part, seen = X[start : start + BLOCK], y[start : start + BLOCK]
        eta = part @ params[:, 1:].T + params[:, 0]
        eta -= eta.max(axis=1, keepdims=True)
        shares = np.exp(eta)
        totals = shares.sum(axis=1)
        each = np.arange(len(part))
        parts.append(float((eta[each, seen] - np.log(totals)).sum()))
        residual = -shares / totals[:, None]
        residual[each, seen] += 1.0
        score[:, 0] += residual.sum(axis=0)
        score[:, 1:] += residual.T @ part
    return Judgement(math.fsum(parts), float(np.abs(score).max()) / len(y))
