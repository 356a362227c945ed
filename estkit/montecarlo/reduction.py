"""Control variates: what chance did to statistics of known expectation, taken out of a measure.

A control c has a known expectation μ. Chance moved its mean by c̄ - μ, and with it a measure by
β (c̄ - μ), where β is the slope of the influence values ψ on c; so the measure less that has the
influence values ψ - β (c - μ), of smaller variance (Lavenberg and Welch 1981). A slope from the
same replicates would go along with c̄ and so bias the measure by about a third of its error with 20
replicates; here that of a replicate comes from all the others (Avramidis and Wilson 1993).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from estkit.montecarlo.influence import Floats, Influence, standard_error

_NO_SPREAD = 1e-12  # of a control, relative to its size: it is constant
_DEPENDENT = 1e-12  # an eigenvalue of the correlations: a control is a combination of others
_FAR = 5.0  # Monte-Carlo errors: a control so far from its expectation has another one
_FEW = 30  # replicates, that cannot tell


def adjusted(
    influence: Influence, controls: Floats, groups: NDArray[np.intp] | None = None
) -> tuple[Influence, int]:
    """Return a measure less what its controls explain, and how many slopes that took.

    Parameters
    ----------
    influence : Influence
        The measure, and ψ of shape (R,).
    controls : array of shape (R, q)
        The controls less their known expectations.
    groups : array of int of shape (R,), optional
        Which replicates depend on each other: the slopes are those of their sums, and for all of a
        group they come from the other groups.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.montecarlo.influence import Influence
    >>> from estkit.montecarlo.reduction import adjusted
    >>> control = np.array([[0.5], [1.5], [-0.5], [0.5]])
    >>> found, slopes = adjusted(Influence(2.0, 1.0 + 2 * control[:, 0]), control)
    >>> round(found.value, 12), found.psi.round(12).tolist(), slopes
    (1.0, [1.0, 1.0, 1.0, 1.0], 1)
    """
    if not np.isfinite(influence.psi).all():
        return influence, 0
    group = None if groups is None else np.unique(groups, return_inverse=True)[1]
    center = influence.psi.mean()
    slopes, rank = _slopes_without(influence.psi - center, controls, group)
    own = slopes if group is None else slopes[group]
    psi = influence.psi - np.einsum("ij,ij->i", controls, own)
    value = influence.value + float(psi.mean() - center)
    return influence._replace(value=value, psi=psi), rank


def _slopes_without(
    psi: Floats, controls: Floats, group: NDArray[np.intp] | None
) -> tuple[Floats, int]:
    """Return the slopes from all groups but one, of shape (groups, q), and the rank.

    They follow from the slopes β of all: leaving out a group with the row x, the residual e and the
    leverage h moves them by -(X'X)⁻¹ x e / (1 - h).
    """
    centred = controls - controls.mean(axis=0)
    scale = np.sqrt((centred**2).mean(axis=0))
    varies = scale > _NO_SPREAD * np.abs(controls).max(axis=0)
    unit = np.where(varies, scale, np.inf)
    table: Floats = np.column_stack([np.ones(len(psi)), centred / unit])
    sums = psi
    if group is not None:
        table = np.stack([np.bincount(group, weights=column) for column in table.T], axis=1)
        sums = np.bincount(group, weights=psi).astype(float)
    length = np.sqrt((table**2).sum(axis=0))
    length[length <= _NO_SPREAD * np.sqrt(len(psi))] = np.inf  # opposite draws cancel in a pair
    table /= length
    inverse = np.linalg.pinv(table.T @ table, rcond=_DEPENDENT, hermitian=True)
    rank = round(float(np.trace(inverse @ (table.T @ table)))) - 1
    rows = table @ inverse
    slopes = sums @ rows
    leverage = np.einsum("ij,ij->i", rows, table)
    alone = leverage > 1 - _NO_SPREAD**0.5  # no other group tells of a control
    left = np.where(alone, 0.0, (sums - table @ slopes) / np.where(alone, 1.0, 1 - leverage))
    without = slopes - rows * left[:, None]
    return (without / length)[:, 1:] / unit, rank


def far_off(name: str, control: Floats, groups: NDArray[np.intp] | None) -> str:
    """Return a question where a control, less its expectation, is too far from 0 for chance."""
    rounding = _NO_SPREAD * float(np.abs(control).max())
    if len(control) < _FEW or control.std() <= rounding:
        return ""
    # opposite draws may leave no error
    apart = abs(float(control.mean())) / max(standard_error(control, groups), rounding)
    if not apart > _FAR:
        return ""
    return f"control {name!r} is {apart:.3g} errors off its expectation: is that right?"


def factors(gains: Mapping[str, Sequence[float]]) -> list[str]:
    """Return in words what variance reduction gained for each measure, from least to most."""
    shown = []
    for name, each in gains.items():
        known = [gain for gain in each if not math.isnan(gain)]
        if known:
            ends = dict.fromkeys(_factor(end) for end in (min(known), max(known)))
            shown.append(f"{name} {' to '.join(ends)}")
    text = f"Replicates that variance reduction saves, as a factor: {', '.join(shown)}."
    return [text] if shown else []


def _factor(gain: float) -> str:
    return "exact" if gain == math.inf else f"{gain:.2g}" if gain < 100 else f"{gain:.0f}"
