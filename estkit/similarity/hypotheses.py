"""Tests of no similarity: whether a cosine is more than chance gives two vectors like these."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from estkit.errors import DataError
from estkit.estimate import Estimate
from estkit.similarity.inference import read_pair
from estkit.similarity.vectors import Real

NULLS = ("isotropic", "permutation", "sign")
ALTERNATIVES = ("two-sided", "greater", "less")
_EXACT = 50_000  # arrangements that are all gone through; of more, some are drawn
_NUMBERS = 1 << 20  # of arrangements looked at together
_TIE = 1e-12  # cosines as near as this to the observed one are equal to it but for rounding


def cosine_test(
    x: Any,
    y: Any,
    *,
    null: str = "isotropic",
    alternative: str = "two-sided",
    weights: Any = None,
    center: Any = False,
    draws: int = 9_999,
    rng: Any = None,
) -> Estimate:
    r"""Return the cosine of two vectors with the p-value of no similarity.

    Parameters
    ----------
    x, y : array-like of shape (n,)
        Two vectors.
    null : {"isotropic", "permutation", "sign"}
        What no similarity means. "isotropic": one of the directions is uniform on the sphere; then
        :math:`t = c \sqrt{n-1} / \sqrt{1-c^2}` follows Student's t with n - 1 degrees of freedom
        exactly (n - 2 when centred: the test of Pearson's correlation). "permutation": the
        coordinates of y are in random order, the right null for numbers that cannot be negative,
        whose cosines are not 0 on average. "sign": the sign of each product is random.
    alternative : {"two-sided", "greater", "less"}
        Which cosines speak against the null. Two-sided is twice the smaller tail for permutations,
        whose null need not be symmetric.
    weights, center
        As of `cosine_similarity`; no weights with permutations, which move coordinates.
    draws : int
        How many arrangements are drawn where there are too many (more than 50,000) for all.
    rng : int, SeedSequence, Generator or None
        The source of randomness of those draws.

    Returns
    -------
    Estimate
        The cosine and its p-value, exact unless arrangements were drawn: then it is (b + 1)/(m + 1)
        for b of m as extreme, which keeps the size of the test. It has no interval, which is what
        `cosine_interval` is for.

    Raises
    ------
    DataError
        If a vector is zero (constant, when centred) or too short, or an option is unknown.

    References
    ----------
    .. [1] Muirhead (1982), Aspects of Multivariate Statistical Theory, theorem 1.5.7. Phipson &
       Smyth (2010), "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9.

    Examples
    --------
    >>> import estkit as ek
    >>> x, y = [2, 0, 1, 3, 5, 0, 1], [1, 0, 2, 2, 6, 1, 0]
    >>> ek.cosine_test(x, y, null="permutation", alternative="greater").p_value
    0.022222222222222223
    """
    for name, given, known in (("null", null, NULLS), ("alternative", alternative, ALTERNATIVES)):
        if given not in known:
            raise DataError(f"{name} must be one of {', '.join(known)}, got {given!r}.")
    left, right, form = read_pair(x, y, weights, center, None)
    if len(left) != 1:
        raise DataError(f"cosine_test takes two vectors, got {len(left)} rows.")
    a, b = left[0], right[0]
    products = a * b
    scale = float(np.sqrt((a @ a) * (b @ b)))
    cosine = float(np.clip(products.sum() / scale, -1.0, 1.0))
    if null == "isotropic":
        p_value = _isotropic(cosine, len(a) - (2 if form.center else 1), alternative)
    else:
        if null == "permutation" and form.roots is not None:
            raise DataError("weights= belong to coordinates, which a permutation moves; use none.")
        blocks, exact = (
            _signs(products, draws, rng) if null == "sign" else _permutations(a, b, draws, rng)
        )
        p_value = _arranged(products.sum(), blocks, scale, alternative, exact)
    return Estimate(cosine, names=["cosine"], p_value=p_value)


def _isotropic(cosine: float, freedom: int, alternative: str) -> float:
    if freedom < 1:
        raise DataError("There are too few coordinates for directions to be random.")
    from scipy.special import stdtr

    rest = (1.0 - cosine) * (1.0 + cosine)
    t = cosine * math.sqrt(freedom / rest) if rest > 0 else math.copysign(math.inf, cosine)
    if alternative == "two-sided":
        return float(min(1.0, 2 * stdtr(freedom, -abs(t))))
    return float(stdtr(freedom, -t if alternative == "greater" else t))


def _permutations(a: Real, b: Real, draws: int, rng: Any) -> tuple[Iterator[Real], bool]:
    """Return sums of products of rearranged coordinates in blocks, and whether they are all."""
    n = len(a)
    if n < 20 and math.factorial(n) <= _EXACT:

        def everything() -> Iterator[Real]:
            orders = itertools.permutations(range(n))
            while some := list(itertools.islice(orders, max(1, _NUMBERS // n))):
                yield b[np.array(some)] @ a

        return everything(), True

    def one(generator: np.random.Generator, count: int) -> Real:
        return np.asarray(generator.permuted(np.tile(b, (count, 1)), axis=1) @ a)

    return _drawn(one, n, draws, rng), False


def _signs(products: Real, draws: int, rng: Any) -> tuple[Iterator[Real], bool]:
    """Return sums of products with other signs in blocks, and whether they are all."""
    products = products[products != 0]
    n = len(products)
    if n < 60 and 2**n <= _EXACT:

        def everything() -> Iterator[Real]:
            bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
            yield (1.0 - 2.0 * bits) @ products

        return everything(), True

    def one(generator: np.random.Generator, count: int) -> Real:
        return np.asarray((1.0 - 2.0 * generator.integers(0, 2, (count, n))) @ products)

    return _drawn(one, n, draws, rng), False


def _drawn(
    one: Callable[[np.random.Generator, int], Real], n: int, draws: int, rng: Any
) -> Iterator[Real]:
    if draws < 1:
        raise DataError(f"draws must be a whole number of 1 or more, got {draws!r}.")
    generator = np.random.default_rng(rng)
    step = max(1, _NUMBERS // max(n, 1))
    for start in range(0, draws, step):
        yield one(generator, min(step, draws - start))


def _arranged(
    observed: float, blocks: Iterator[Real], scale: float, alternative: str, exact: bool
) -> float:
    """Return the share of arrangements as extreme as the observed one."""
    above = below = count = 0
    for sums in blocks:
        above += int((sums >= observed - _TIE * scale).sum())
        below += int((sums <= observed + _TIE * scale).sum())
        count += len(sums)
    extra = 0 if exact else 1  # the observed arrangement is one of all
    tails = {"greater": above, "less": below, "two-sided": 2 * min(above, below) + extra}
    return min(1.0, (tails[alternative] + extra) / (count + extra))
