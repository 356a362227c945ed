"""Proximal Newton steps on a working set: a likelihood minus l₁ |b| + ½ l₂ b².

Each step minimises the quadratic model with its corners (Lee, Sun and Saunders 2014). The curvature
is summed over rows seldom: it is kept from step to step and from strength to strength, corrected by
what the gradients show (BFGS), until new curvature costs less than the steps it saves.
"""

from __future__ import annotations

import math

import numpy as np

from estkit.likelihood.family import Floats
from estkit.likelihood.penalties import quadratic
from estkit.likelihood.penalties.rowwise import RowLikelihood
from estkit.likelihood.penalties.working_set import WorkingSet

STEPS = 200
_HALVINGS = 40
_AIM = 0.8  # what is confirmed over all columns is summed in another order
_NEARLY = 0.93  # of the penalty: a pull from which on a candidate is taken into use
_INNER = 0.05  # the quadratic is solved to this part of the tolerance
_SHRINKS = 0.2  # what a step with old curvature makes of the KKT error, before it is known
_FRESH_STEPS = 2.0  # that it takes with new curvature
_OVERHEAD = 1e6  # operations that take as long as the calls of one step
_PROXIMAL = 1e-3  # of the curvature, what flat directions are given
_FINEST = 1e-13  # what rounding leaves of a gradient, relative to its size
_ROUNDING = 1e-14
_FINE = 1e-9  # a KKT error below which digits are polished, as long as steps halve it
_POLISHES = 4
_PATIENCE = 30  # steps in which the KKT error has to halve
_TINY = 1e-300


class ProximalNewton:
    """Where the iteration is: coefficients, linear predictors, gradient and curvature.

    Parameters
    ----------
    likelihood : RowLikelihood
        What is maximised.
    working : WorkingSet
        The columns.
    eta : array of shape (K, n)
        The linear predictors where all coefficients are 0.

    Attributes
    ----------
    coefs : array of shape (K, m)
        The coefficients, in the order of `working`.
    pull : array of shape (K, m)
        The gradient of the log-likelihood; of candidates, where it was last asked for.
    iterations : int
        The steps since it was last set to 0; at its `limit` they are given up.
    unit : float
        ‖r‖ for the unit in which KKT errors are measured, ‖x‖ ‖r‖.
    """

    def __init__(self, likelihood: RowLikelihood, working: WorkingSet, eta: Floats) -> None:
        self.likelihood, self.working, self.eta = likelihood, working, eta
        residual = likelihood.residual(eta)
        self.coefs = np.zeros((len(eta), working.size))
        self.pull = residual.sum(axis=1, keepdims=True)[:, : working.start]
        self.iterations, self.limit = 0, STEPS
        self.unit = 1.0
        self._weights: Floats | None = None
        self._hessian = np.zeros((len(eta), 0, len(eta), 0))

    def add(self, pull: Floats) -> None:
        """Take in candidates that were added to the working set, with coefficient 0."""
        self.coefs = np.concatenate([self.coefs, np.zeros_like(pull)], axis=1)
        self.pull = np.concatenate([self.pull, pull], axis=1)

    def error(self, l1: Floats, l2: Floats, first: int = 0, last: int | None = None) -> float:
        """Return the largest violation of the KKT conditions by some of the coefficients."""
        part = slice(first, last)
        coefs, l1 = self.coefs[:, part], l1[part]
        pull = self.pull[:, part] - l2[part] * coefs
        away = np.abs(pull - l1 * np.sign(coefs))
        error = np.where(coefs != 0, away, np.maximum(np.abs(pull) - l1, 0.0))
        return float((error / (self.unit * self.working.scale[part])).max(initial=0.0))

    def solve(self, l1: Floats, l2: Floats, tolerance: float) -> None:
        """Go to the maximum over the working set, as near as the tolerance or rounding allows."""
        with np.errstate(over="ignore", invalid="ignore"):  # a wild step is halved
            self._solve(l1, l2, tolerance)

    def _solve(self, l1: Floats, l2: Floats, tolerance: float) -> None:
        working, target = self.working, _AIM * tolerance
        settled, shrinks, stuck, idle, least = True, _SHRINKS, 0, 0, math.inf
        self._employ(l1)
        l1, l2 = l1[self._order], l2[self._order]
        before = self.error(l1, l2, 0, working.front)
        while self.iterations < self.limit:
            if before <= target or stuck > 1:
                if settled:
                    return
                candidates = working.candidates(self.likelihood.residual(self.eta))
                self.pull[:, working.front :] = candidates
                settled = True
                if stuck > 1 or self.error(l1, l2, working.front) <= target:
                    return
                self._employ(l1)
                l1, l2 = l1[self._order], l2[self._order]
                before = self.error(l1, l2, 0, working.front)
            wanted = math.log(target / before) / math.log(shrinks)
            if self._weights is None or stuck > 0 or self._worth_renewing(wanted):
                self._weights = self.likelihood.curvature(self.eta)
                self._hessian = self._hessian[:, :0, :, :0]
            self._bend()
            length = self._step(l1[: working.front], l2[: working.front], tolerance)
            settled = False
            self.iterations += 1
            error = self.error(l1, l2, 0, working.front)
            shrinks = min(max(error / before, 1e-3), 0.9)
            stuck = stuck + 1 if length == 0 or (length == 1 and error > 0.9 * before) else 0
            idle = 0 if error < 0.5 * least else idle + 1
            least, before = min(least, error), error
            if idle > (_POLISHES if error < _FINE else _PATIENCE):
                stuck = 2  # rounding is all that is left, or this leads nowhere

    def _worth_renewing(self, steps: float) -> bool:
        """Tell whether new curvature costs less than the steps that are left with the old one."""
        size = len(self.coefs) * self.working.front
        rows = self.eta.shape[1]
        step = size**3 / 3 + 16 * rows * size + _OVERHEAD
        return bool(steps * step > rows * size**2 / 2 + _FRESH_STEPS * step)

    def _employ(self, l1: Floats) -> None:
        """Bring candidates to the front that are pulled from 0, or nearly so."""
        wanted = (np.abs(self.pull) > _NEARLY * l1).any(axis=0) | (l1 == 0)
        wanted[: self.working.front] = False
        self._order = self.working.promote(wanted)
        self.coefs, self.pull = self.coefs[:, self._order], self.pull[:, self._order]

    def _bend(self) -> None:
        """Add the curvature of columns that came into use."""
        assert self._weights is not None
        old, size, predictors = self._hessian.shape[1], self.working.front, len(self.coefs)
        if old == size:
            return
        wider = np.zeros((predictors, size, predictors, size))
        wider[:, :old, :, :old] = self._hessian
        for k in range(predictors):
            for other in range(k + 1):
                gram = self.working.gram(self._weights[k, other], old)
                wider[k, :, other, old:] = wider[other, :, k, old:] = gram
                wider[k, old:, other, :] = wider[other, old:, k, :] = gram.T
        self._hessian = wider

    def _step(self, l1: Floats, l2: Floats, tolerance: float) -> float:
        """Go to the minimum of the quadratic model, or half-way and so on until it gains.

        Returns what part of the way was gone.
        """
        predictors, front = len(self.coefs), self.working.front
        here = self.coefs[:, :front]
        hessian = self._regular(l2)
        linear = (self.pull[:, :front] - l2 * here).ravel() + hessian @ here.ravel()
        exact = _INNER * max(tolerance, _FINEST) * self.unit * self.working.scale[:front]
        every = [np.tile(part, predictors) for part in (l1, exact)]
        new = quadratic.minimise(hessian, linear, every[0], here.ravel(), every[1])
        new = new.reshape(here.shape)
        if self.likelihood.symmetric:
            new = level(new, l1, l2)
        move = self.working.times(new - here)
        value = self._objective(here, self.eta, l1, l2)
        length = 1.0
        for _ in range(_HALVINGS):
            there = new if length == 1 else here + length * (new - here)
            eta = self.eta + length * move
            if self._objective(there, eta, l1, l2) >= value - _ROUNDING * abs(value):
                break
            length /= 2
        else:
            return 0.0
        pull = self.working.correlate(self.likelihood.residual(eta))
        self._learn((there - here).ravel(), (self.pull[:, :front] - pull).ravel())
        self.coefs, self.pull, self.eta = self.coefs.copy(), self.pull.copy(), eta
        self.coefs[:, :front], self.pull[:, :front] = there, pull
        return length

    def _regular(self, l2: Floats) -> Floats:
        """Return the curvature with that of the penalty, and some where the likelihood is flat."""
        predictors, front = len(self.coefs), self.working.front
        hessian = self._hessian.reshape(predictors * front, predictors * front)
        if not (l2.any() or self.likelihood.symmetric):
            return hessian
        hessian = hessian.copy()
        if self.likelihood.symmetric:  # where all predictors move alike, `level` finds the best
            blocks = hessian.reshape(predictors, front, predictors, front)
            each = np.arange(front)
            own = _PROXIMAL * np.einsum("kiki->i", blocks) / predictors**2
            blocks[:, each, :, each] += np.maximum(own, _TINY)[:, None, None]
        hessian[np.diag_indices_from(hessian)] += np.tile(l2, predictors)
        return hessian

    def _learn(self, step: Floats, change: Floats) -> None:
        """Correct the curvature along a step by how the gradient changed."""
        hessian = self._hessian.reshape(step.size, step.size)
        along = hessian @ step
        old, new = float(step @ along), float(step @ change)
        if new > 0 and old > 0:
            both = np.stack([change / new**0.5, along / old**0.5])
            hessian += both.T @ np.stack([both[0], -both[1]])

    def _objective(self, coefs: Floats, eta: Floats, l1: Floats, l2: Floats) -> float:
        penalty = float((l1 * np.abs(coefs)).sum() + 0.5 * (l2 * coefs**2).sum())
        return self.likelihood.value(eta) - penalty


def level(coefs: Floats, l1: Floats, l2: Floats) -> Floats:
    """Subtract from each column of (K, m) coefficients what makes its penalty smallest.

    The derivative of l₁ Σ |bₖ - c| + ½ l₂ Σ (bₖ - c)² in c grows with c; its root lies at a
    coefficient, or between two. Where c = 0 is as good as any other, nothing is subtracted, and
    where nothing is paid the mean is.
    """
    k = len(coefs)
    ordered = np.sort(coefs, axis=0)
    ends = np.full((1, coefs.shape[1]), np.inf)
    lower, upper = np.vstack([-ends, ordered]), np.vstack([ordered, ends])
    net = k - 2 * np.arange(k + 1)[:, None]  # coefficients above c less those below it, by piece
    with np.errstate(divide="ignore", invalid="ignore"):
        root = (coefs.sum(axis=0) + net * l1 / l2) / k
    flat = np.where(net > 0, np.inf, np.where(net < 0, -np.inf, 0.0))
    inside = np.clip(np.where(l2 > 0, root, flat), lower, upper)
    with np.errstate(invalid="ignore"):
        cost = _cost(coefs[None] - inside[:, None], l1, l2)
    best = np.where(np.isfinite(inside), cost, np.inf).argmin(axis=0)
    shift = np.take_along_axis(inside, best[None], axis=0)[0]
    gains = np.take_along_axis(cost, best[None], axis=0)[0] < _cost(coefs[None], l1, l2)[0]
    shift = np.where(gains, shift, 0.0)
    return coefs - np.where((l1 == 0) & (l2 == 0), coefs.mean(axis=0), shift)


def central(coefs: Floats, l2: Floats) -> Floats:
    """Return, of the coefficients (K, m) with the same L1 penalty, those with the smallest squares.

    For an even number of predictors any point between the two middle ones may be their level.
    """
    k = len(coefs)
    if k % 2:
        return coefs
    middle = np.sort(coefs, axis=0)[k // 2 - 1 : k // 2 + 1]
    shift = np.clip(coefs.mean(axis=0), middle[0], middle[1])
    return coefs - np.where((l2 == 0) & (middle[0] < middle[1]), shift, 0.0)


def _cost(coefs: Floats, l1: Floats, l2: Floats) -> Floats:
    cost: Floats = (l1 * np.abs(coefs) + 0.5 * l2 * coefs**2).sum(axis=1)
    return cost
