"""Rules for what is subtracted from a log-likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.operands import answer, quiet, read
from estkit.gradients.rule import Rule


@quiet
def l1_penalty(X: ArrayLike, *, strength: float = 1.0) -> Rule:
    """Sum of absolute values, λ Σ |x|.

    ∂L/∂x = u λ sign(x). At 0 any number from −λ to λ is a subgradient; the convention is 0.

    Parameters
    ----------
    X : array_like
        Coefficients.
    strength : float, default 1.0
        λ, not negative.

    Returns
    -------
    Rule
        The penalty, to be subtracted from a log-likelihood; gradient to X.

    Raises
    ------
    DataError
        Where λ is negative.

    References
    ----------
    Tibshirani (1996), Regression shrinkage and selection via the lasso.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.l1_penalty([3.0, 0.0, -2.0], strength=2.0)
    >>> float(rule.value), rule.vjp(1.0)[0].tolist()
    (10.0, [2.0, 0.0, -2.0])
    """
    (X,) = read(X=X)
    by = X.dtype.type(_strength("l1_penalty", strength))
    return answer(by * np.abs(X).sum(), lambda U: (np.sign(X) * (by * U),))


@quiet
def l2_penalty(X: ArrayLike, *, strength: float = 1.0) -> Rule:
    """Half the sum of squares, ½ λ Σ x².

    ∂L/∂x = u λ x.

    Parameters
    ----------
    X : array_like
        Coefficients.
    strength : float, default 1.0
        λ, not negative: the same as in `estkit.L2`.

    Returns
    -------
    Rule
        The penalty, to be subtracted from a log-likelihood; gradient to X.

    Raises
    ------
    DataError
        Where λ is negative.

    References
    ----------
    Hoerl & Kennard (1970), Ridge regression.

    Examples
    --------
    >>> import estkit as ek
    >>> rule = ek.gradients.l2_penalty([3.0, 0.0, -2.0], strength=2.0)
    >>> float(rule.value), rule.vjp(1.0)[0].tolist()
    (13.0, [6.0, 0.0, -4.0])
    """
    (X,) = read(X=X)
    by = X.dtype.type(_strength("l2_penalty", strength))
    return answer(by * np.vdot(X, X) / 2, lambda U: (X * (by * U),))


def _strength(rule: str, strength: float) -> float:
    if not strength >= 0:
        raise DataError(f"{rule}: strength must be a number of at least 0, not {strength!r}.")
    return strength
