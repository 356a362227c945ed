"""``five_by_two``: two models on five halvings of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

from estkit.comparison.evaluation import compare
from estkit.comparison.verdict import PairedTest


class FiveByTwo(NamedTuple):
    """Both tests on the same five halvings.

    Parameters
    ----------
    t : PairedTest
        Dietterich's t with 5 degrees of freedom.
    f : PairedTest
        Alpaydin's combined F with 10 and 5.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_iris
    >>> ek.five_by_two("knn", "tree", *load_iris(return_X_y=True), rng=1).t.df
    5.0
    """

    t: PairedTest
    f: PairedTest


def five_by_two(
    a: Any,
    b: Any,
    X: Any,
    y: Any,
    *,
    scoring: Any = None,
    groups: Any = None,
    task: str | None = None,
    rng: Any = None,
    n_jobs: int | None = None,
) -> FiveByTwo:
    """Compare two models on five halvings of the data, stratified by class.

    Parameters
    ----------
    a, b : estimator or name
        The models, as in `compare`.
    X, y, scoring, groups, task, rng, n_jobs
        As in `compare`; the first score is tested.

    Returns
    -------
    FiveByTwo
        The 5x2cv t test of Dietterich (1998, Neural Computation 10) and the combined F test of
        Alpaydin (1999, Neural Computation 11), of which the F depends less on the first halving.

    Examples
    --------
    >>> import estkit as ek
    >>> from sklearn.datasets import load_diabetes
    >>> ek.five_by_two("knn", "linear", *load_diabetes(return_X_y=True), rng=1).f
    PairedTest(five_by_two_f: knn - linear rmse 4.57, p = 0.043, linear is better)
    """
    names = [each if isinstance(each, str) else type(each).__name__ for each in (a, b)]
    if names[0] == names[1]:
        names = [f"{names[0]} ({letter})" for letter in "ab"]
    models = dict(zip(names, (a, b), strict=True))
    result = compare(models, X, y, cv=(2, 5), scoring=scoring, groups=groups, task=task, rng=rng,
                     n_jobs=n_jobs)  # fmt: skip
    first, second = names
    return FiveByTwo(
        result.test(first, second, "five_by_two_t"), result.test(first, second, "five_by_two_f")
    )
