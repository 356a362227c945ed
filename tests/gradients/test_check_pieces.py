"""Functions smooth in pieces: steps over a kink accuse no right gradient, and hide no bug."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import estkit as ek
from estkit import gradients as g

Floats = NDArray[np.float64]


def network(
    seed: int, bend: Any, pool: Any, bug: str = "", rows: int = 6, size: int = 6
) -> tuple[Callable[[Any], float], Callable[[Any], Any], dict[str, Floats]]:
    """Return log-likelihood, gradient and parameters of a small convolutional network."""
    rng = np.random.default_rng(seed)
    x, y, half = rng.normal(size=(rows, 1, size, size)), rng.integers(0, 3, rows), size // 2
    shapes = {"filters": (3, 1, 3, 3), "shift": (3,), "weights": (3, 3 * half**2), "bias": (3,)}
    at = {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}

    def layers(p: Any) -> list[g.Rule]:
        seen = g.convolution(x, p["filters"], p["shift"], padding=1)
        pooled = pool((bent := bend(seen.value)).value, 2)
        return [
            seen,
            bent,
            pooled,
            g.affine(p["weights"], pooled.value.reshape(rows, -1), p["bias"]),
        ]

    def loglik(p: Any) -> float:
        return float(g.softmax_log_likelihood(layers(p)[-1].value, y).value)

    def gradient(p: Any) -> Any:
        seen, bent, pooled, logits = layers(p)
        to_weights, back, to_bias = logits.vjp(*g.softmax_log_likelihood(logits.value, y).vjp(1.0))
        up = pooled.vjp(back.reshape(pooled.value.shape))
        _, to_filters, to_shift = seen.vjp(*(up if bug == "mask" else bent.vjp(*up)))
        first = to_filters.copy()
        if bug == "pair":
            first[0, 0, 0, 0], first[0, 0, 2, 1] = first[0, 0, 2, 1], first[0, 0, 0, 0]
        told = {"sign": -first, "factor": 2 * first, "transposed": first.transpose(0, 1, 3, 2)}
        return {"filters": told.get(bug, first), "shift": to_shift, "weights": to_weights,
                "bias": to_bias}  # fmt: skip

    return loglik, gradient, at


@pytest.mark.parametrize("directions", [None, 0])
def test_max_pooling_is_no_error(directions: int | None) -> None:
    """Steps of 1e-4 change which element of a window is largest; smaller ones do not."""
    report = ek.check_gradient(*network(5, g.tanh, g.max_pool), directions=directions)
    assert report.ok, str(report)
    assert "smaller steps" in report.methods


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pool", [g.max_pool, g.average_pool])
def test_networks_with_relu_are_right(pool: Any, seed: int) -> None:
    report = ek.check_gradient(*network(seed, g.relu, pool, rows=10))
    assert report.ok, str(report)


@pytest.mark.parametrize("bug", ["sign", "factor", "transposed", "pair", "mask"])
def test_bugs_in_networks_are_found(bug: str) -> None:
    report = ek.check_gradient(*network(5, g.relu, g.max_pool, bug, rows=8, size=4), directions=0)
    touched = ("filters", "shift") if bug == "mask" else "filters"
    assert report.wrong
    assert all(name.startswith(touched) for name in report.wrong)
    told = {"sign": "sign", "factor": "factor 2", "pair": "swapped with filters", "mask": "",
            "transposed": "swapped with filters"}[bug]  # fmt: skip
    assert told in report.cause(report.wrong[0])


def pieces(rng: np.random.Generator, count: int) -> tuple[Callable[[float], float], Any, float]:
    """Return a function with kinks at distances from 1e-9 to 3, its derivative, and a point."""
    at = 10.0 ** rng.uniform(-9, 0.5, count) * rng.choice([-1, 1], count)
    size = rng.normal(size=count) * 10.0 ** rng.uniform(-6, 1, count)
    a, b, c = rng.normal(size=3) * 10.0 ** rng.uniform(-2, 1, 3)
    speed, offset = 10.0 ** rng.uniform(-0.5, 1), rng.choice([0.0, 1.0, 100.0])
    hard = rng.random(count) < 0.7  # else only the second derivative jumps

    def function(t: float) -> float:
        d = np.real(t) - at
        bent = np.where(hard, np.abs(d), d * np.abs(d) / 2) @ size
        return float(offset + a * np.sin(speed * t) + b * np.exp(t) + c * t + bent)

    def slope(t: float) -> float:
        bent = np.where(hard, np.sign(t - at), np.abs(t - at)) @ size
        return float(a * speed * np.cos(speed * t) + b * np.exp(t) + c + bent)

    return function, slope, float(rng.choice([0.0, 1e-4, 0.7]))


@pytest.mark.parametrize("count", [1, 3, 10])
def test_kinks_at_any_distance_are_no_error_and_hide_none(count: int) -> None:
    rng = np.random.default_rng(count)
    missed = 0
    for _ in range(40):
        function, slope, at = pieces(rng, count)
        report = ek.check_gradient(function, slope, at)
        assert report.wrong == (), str(report)
        factor = rng.choice([-1, 2, 0.5, 1.1])
        missed += ek.check_gradient(function, lambda t: factor * slope(t), at).ok  # noqa: B023
    assert missed <= 1  # a bug between the slopes to both sides of a kink cannot be seen
