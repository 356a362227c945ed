"""Control variates: what chance did to statistics of known expectation, taken out of a measure.

A control c has a known expectation μ. Chance moved its mean by c̄ - μ, and with it a measure by
β (c̄ - μ), where β is the slope of the influence values ψ on c; so the measure less that has the
influence values ψ - β (c - μ), of smaller variance (Lavenberg and Welch 1981).
"""

from __future__ import annotations

import numpy as np

from estkit.montecarlo.influence import Floats, Influence


def adjusted(influence: Influence, controls: Floats) -> Influence:
    """Return a measure less what its controls explain.

    Parameters
    ----------
    influence : Influence
        The measure, and ψ of shape (R,).
    controls : array of shape (R, q)
        The controls less their known expectations.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.montecarlo.influence import Influence
    >>> from estkit.montecarlo.reduction import adjusted
    >>> control = np.array([[0.5], [1.5], [-0.5], [0.5]])
    >>> found = adjusted(Influence(2.0, 1.0 + 2 * control[:, 0]), control)
    >>> round(found.value, 12), found.psi.round(12).tolist()
    (1.0, [1.0, 1.0, 1.0, 1.0])
    """
    moved = controls.mean(axis=0)
    centred = controls - moved
    slopes = np.linalg.lstsq(centred, influence.psi - influence.psi.mean())[0]
    value = influence.value - float(moved @ slopes)
    return influence._replace(value=value, psi=influence.psi - controls @ slopes)
