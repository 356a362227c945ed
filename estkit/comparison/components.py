"""The parts of an expected loss, each with what every round contributes to its Monte-Carlo error.

Rounds are independent given the rows. Parts that average products of two rounds (squared loss and
Kohavi-Wolpert) take pairs of different rounds only, so that bias² is not inflated by variance /
rounds; their influence values are the pseudo-values of the jackknife. Parts that depend on the most
frequent class jump; their error is that of resampled rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.scores import Floats
from estkit.montecarlo.influence import Influence, mean_of

Parts = dict[str, Influence]
_RESAMPLES = 200
_BLOCK = 1 << 17  # resampled frequencies at a time


def squared_parts(told: Floats, target: Floats, noise: Influence) -> Parts:
    """Return noise, bias² and variance of predictions (rounds, m) of a target (m,)."""
    far = told - target
    loss = (far * far).mean(axis=1)
    together = (far @ far.sum(axis=0)) / far.shape[1] - loss
    return _additive(loss, together / (len(far) - 1), noise)


def _additive(loss: Floats, pairs: Floats, noise: Influence) -> Parts:
    """Return the parts from the loss of every round, and its products with all other rounds."""
    rounds, bias = len(loss), float(pairs.mean())
    without = (rounds * bias - 2 * pairs) / (rounds - 2)
    psi = rounds * bias - (rounds - 1) * without
    variance = float(loss.mean()) - bias
    total = noise.value + bias + variance
    return {
        "noise": noise,
        "bias": Influence(bias, psi),
        "variance": Influence(variance, loss - psi),
        "loss": Influence(total, loss + noise.psi),
    }


def kohavi_wolpert_parts(told: NDArray[Any], truth: Floats) -> Parts:
    """Return the parts of Kohavi and Wolpert (1996), bias² corrected for the number of rounds.

    Parameters
    ----------
    told : array of int of shape (rounds, m)
        Codes of classes.
    truth : array of shape (m, q)
        The probability of every class.
    """
    rounds = len(told)
    apart = rounds * (truth - _frequencies(told, truth.shape[1]))
    square = (truth * truth).sum(axis=1)
    hit = np.take_along_axis(truth.T, told, axis=0)
    product = (truth * apart).sum(axis=1) - np.take_along_axis(apart.T, told, axis=0)
    pairs = (product - (square + 1 - 2 * hit)).mean(axis=1) / (2 * (rounds - 1))
    noise = float(((1 - square) / 2).mean())
    return _additive((1 - hit).mean(axis=1) - noise, pairs, Influence(noise, np.zeros(rounds)))


def main_parts(told: NDArray[Any], truth: Floats, definition: str, rng: Any) -> Parts:
    """Return the parts about the most frequent class, of Domingos (2000) or James (2003).

    Domingos: noise is c₁N, bias says whether the main class is not the likeliest one, variance is
    that of unbiased rows less that of biased ones, where it lowers the loss. James: what the main
    class loses, and what changes of the class add to that.
    """
    rounds, classes = len(told), truth.shape[1]
    split = _domingos if definition == "domingos" else _james
    loss = (1 - np.take_along_axis(truth.T, told, axis=0)).mean(axis=1)
    parts = {name: float(part.mean()) for name, part in split(
        _frequencies(told, classes), truth).items()}  # fmt: skip
    drawn = rng.multinomial(rounds, np.full(rounds, 1 / rounds), size=_RESAMPLES) / rounds
    again = {name: np.zeros(_RESAMPLES) for name in parts}
    size = max(1, _BLOCK // (_RESAMPLES * classes))
    for start in range(0, told.shape[1], size):
        own = told[:, start : start + size]
        rest = [drawn @ (own == code).astype(float) for code in range(1, classes)]
        shares = np.stack([1 - sum(rest), *rest], axis=-1)
        for name, part in split(shares, truth[start : start + size]).items():
            again[name] += part.sum(axis=-1) / told.shape[1]
    scale = np.sqrt(_RESAMPLES)
    found = {n: Influence(v, scale * again[n], by_replicate=False) for n, v in parts.items()}
    return {**found, "loss": mean_of(loss)}


def _domingos(shares: Floats, truth: Floats) -> dict[str, Floats]:
    best = truth.argmax(axis=-1)
    known = np.arange(len(best))
    right = shares[..., known, best]
    biased = shares.argmax(axis=-1) != best
    missed = 1 - (shares * truth).sum(axis=-1)
    return {
        "noise": missed - (1 - right),
        "bias": biased.astype(float),
        "variance": (1 - right) - biased,
        "unbiased variance": np.where(biased, 0.0, 1 - right),
        "biased variance": np.where(biased, right, 0.0),
    }


def _james(shares: Floats, truth: Floats) -> dict[str, Floats]:
    known = np.arange(len(truth))
    best, main = truth.max(axis=-1), truth[known, shares.argmax(axis=-1)]
    missed = 1 - (shares * truth).sum(axis=-1)
    noise = np.broadcast_to(1 - best, main.shape)
    return {"noise": noise, "bias": best - main, "variance": missed - (1 - main)}


def log_parts(told: Floats, truth: Floats) -> Parts:
    """Return the parts of Heskes (1998) for log probabilities (rounds, m, q).

    Bias is the Kullback-Leibler divergence of the normalised geometric mean from the truth,
    variance that of the rounds from that mean, corrected to second order for their number.
    """
    rounds, rows = told.shape[:2]
    middle = told.mean(axis=0)
    total = np.logaddexp.reduce(middle, axis=1)
    mean = np.exp(middle - total[:, None])
    far = told - middle
    shift = (mean * far).sum(axis=2)
    spread = ((mean * far * far).sum(axis=2) - shift**2).sum(axis=0) / (rounds - 1)
    variance = float((-total + spread / (2 * rounds)).mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = 0.0 - float(np.where(truth > 0, truth * np.log(truth), 0.0).sum() / rows)
    loss = -(truth * told).sum(axis=2).mean(axis=1)
    changes = -shift.mean(axis=1)
    return {
        "noise": Influence(noise, np.zeros(rounds)),
        "bias": Influence(float(loss.mean()) - noise - variance, loss - changes),
        "variance": Influence(variance, changes),
        "loss": mean_of(loss),
    }


def _frequencies(told: NDArray[Any], classes: int) -> Floats:
    return np.stack([(told == code).mean(axis=0) for code in range(classes)], axis=-1)


ZERO_ONE: dict[str, Callable[[NDArray[Any], Floats, Any], Parts]] = {
    "domingos": lambda told, truth, rng: main_parts(told, truth, "domingos", rng),
    "kohavi_wolpert": lambda told, truth, rng: kohavi_wolpert_parts(told, truth),
    "james": lambda told, truth, rng: main_parts(told, truth, "james", rng),
}
