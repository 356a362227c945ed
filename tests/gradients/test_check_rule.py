"""Rules are checked with a random upstream; a wrong way back is found."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.gradients import Rule, check_rule

RNG = np.random.default_rng(2)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
SQUARE = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
COUNTS = np.array([[1, 0, 2], [0, 3, 1]])


@pytest.mark.parametrize(
    ("rule", "inputs"),
    [
        (ek.gradients.product, (A, B)),
        (ek.gradients.outer_gram, (A,)),
        (ek.gradients.log_abs_det, (SQUARE,)),
        (ek.gradients.solve, (SQUARE, A)),
        (partial(ek.gradients.softmax, axis=0), (A,)),
        (ek.gradients.cosine_matrix, (A,)),
        (ek.gradients.softmax_log_likelihood, (RNG.normal(size=(2, 3)), COUNTS)),
        (ek.gradients.relu, (np.array([-1.0, 0.0, 2.0]),)),
        (ek.gradients.max_pool, (RNG.normal(size=(1, 2, 4, 4)),)),
    ],
)
def test_rules_are_right(rule: Any, inputs: Any) -> None:
    if rule is ek.gradients.max_pool:
        rule = partial(rule, kernel=2)
    report = check_rule(rule, *inputs)
    assert report.ok, str(report)


def test_a_transposed_way_back_is_named() -> None:
    def wrong(X: Any, Y: Any) -> Rule:
        value, back = ek.gradients.product(X, Y)
        return Rule(value, lambda upstream: (back(upstream)[0].T, back(upstream)[1]))

    report = check_rule(wrong, SQUARE, SQUARE + 1)
    assert "transposed" in report.cause("X[0,1]")
    assert all(name.startswith("X") for name in report.wrong)


def test_what_is_no_way_back_is_refused() -> None:
    def shape(X: Any) -> Rule:
        return Rule(np.sum(X), lambda upstream: (upstream,))

    with pytest.raises(ek.DataError, match="shape \\(\\) for X, expected \\(3, 4\\)"):
        check_rule(shape, A)
    with pytest.raises(ek.DataError, match="differentiated="):
        check_rule(lambda x: Rule(np.asarray(x), lambda upstream: (upstream, upstream)), A)
    with pytest.raises(ek.DataError, match="must return a tuple, got ndarray"):
        check_rule(lambda x: Rule(np.asarray(x), lambda upstream: upstream), A)  # type: ignore
