"""Blocks of binomial rows under a link that is not the canonical one."""

from __future__ import annotations

import math

import numpy as np

from estkit.likelihood.counts import Long, softmax_shares
from estkit.likelihood.family import Block, Floats, Sums
from estkit.likelihood.links.links import Link, expected_weight, rows


def evaluate(link: Link, eta: Floats, block: Block, *, curvature: bool) -> Sums:
    """Return the sums of a block at linear predictors; -inf where a row has no probability."""
    placed = _placed(link, eta, block)
    if placed is None:
        size = block.columns.shape[1]
        return Sums(-math.inf, np.zeros(size), np.zeros((size, size)))
    loglik, score, second = rows(link, placed, block.values, block.weights)
    information = block.columns.gram(-second) if curvature else None
    return Sums(float(loglik.sum()), block.columns.collect(score[None])[0], information)


def scores(link: Link, eta: Floats, block: Block) -> Floats:
    """Return the derivative of the log-likelihood of each row in its predictor."""
    placed = _placed(link, eta, block)
    if placed is None:
        return np.full(len(eta), math.nan)
    return rows(link, placed, block.values, block.weights).first


def expected(link: Link, eta: Floats, block: Block) -> Floats:
    """Return the expected information of a block."""
    placed = _placed(link, eta, block)
    weight = expected_weight(link, eta if placed is None else placed)
    return block.columns.gram(weight if block.weights is None else weight * block.weights)


def _placed(link: Link, eta: Floats, block: Block) -> Floats | None:
    """Return predictors inside the domain: None if one is not, but for rows without a trial."""
    beyond = ~((eta > link.lower) & (eta < link.upper))
    if not beyond.any():
        return eta
    if block.weights is None or block.weights[beyond].any():
        return None
    return np.where(beyond, link.link(np.array([0.5])), eta)


def shares(link: Link, eta: Long) -> Long:
    """Return the probabilities of failure and success, those of the logit with more digits."""
    if link.name == "logit":
        return softmax_shares(eta[:, None])
    near = eta.astype(float)
    with np.errstate(all="ignore"):  # of rows without a trial
        logs = np.column_stack([link.failure(near).value, link.success(near).value])
        return np.exp(logs.astype(np.longdouble))
