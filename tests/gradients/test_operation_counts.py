"""Operation counts against loops that count their own.

The loops compute each layer number by number, forward and backward, with numbers that note every
operation; what they compute is checked against the layers themselves.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest

from estkit.gradients import (
    activation_operations,
    affine_operations,
    average_pool,
    convolution,
    convolution_operations,
    max_pool,
    pooling_operations,
    softmax_operations,
)

KINDS = ("multiplications", "additions", "comparisons", "exponentials", "divisions")
ROUNDING = 1e-12


def _noting(kind: str, operation: Callable[[float, float], float]) -> Any:
    return lambda one, other: one._note(kind, operation(one.value, other.value))


@dataclass
class Noted:
    """A number that notes what is done with it."""

    value: float
    done: ClassVar[Counter[str]] = Counter()

    def _note(self, kind: str, value: float) -> Noted:
        Noted.done[kind] += 1
        return Noted(value)

    __add__, __sub__ = _noting("additions", operator.add), _noting("additions", operator.sub)
    __mul__ = _noting("multiplications", operator.mul)
    __truediv__ = _noting("divisions", operator.truediv)

    def __gt__(self, other: Noted) -> bool:
        Noted.done["comparisons"] += 1
        return self.value > other.value

    def call(self, function: Callable[[float], float]) -> Noted:
        return self._note("exponentials", function(self.value))


def total(numbers: Iterable[Noted]) -> Noted:
    first, *others = numbers
    for other in others:
        first = first + other
    return first


def noted(array: Any) -> Any:
    return np.frompyfunc(Noted, 1, 1)(array)


def plain(array: Any) -> Any:
    return np.frompyfunc(lambda number: number.value, 1, 1)(array).astype(float)


def counted(work: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """Return what a function gives, and the operations it took."""
    Noted.done = Counter()
    found = work()
    return found, {kind: Noted.done[kind] for kind in KINDS}


def draw(*shape: int) -> Any:
    return np.random.default_rng(1).standard_normal(shape)


def gathered(places: dict[Any, list[Noted]], shape: tuple[int, ...]) -> Any:
    """Add up what has come to each place."""
    found = noted(np.zeros(shape))
    for place, numbers in places.items():
        found[place] = total(numbers)
    return found


CONVOLUTIONS = [
    ((2, 2, 5, 4), (3, 2, 3, 2), True, {}),
    ((1, 2, 5, 4), (2, 2, 3, 2), False, {"padding": 1, "stride": 2}),
    ((2, 4, 6, 5), (4, 2, 2, 2), True, {"groups": 2, "dilation": 2, "padding": 1}),
    ((1, 1, 7, 7), (1, 1, 2, 2), True, {"stride": 3}),
    ((3, 2, 1, 1), (4, 2, 1, 1), True, {}),
]


@pytest.mark.parametrize(("shape", "filters", "bias", "settings"), CONVOLUTIONS)
def test_a_convolution_takes_what_a_loop_counts(
    shape: Any, filters: Any, bias: bool, settings: Any
) -> None:
    x, kernel, shift = draw(*shape), draw(*filters), draw(filters[0])
    value, vjp = convolution(x, kernel, shift if bias else None, **settings)
    stride, pad, dilation = (settings.get(k, v) for k, v in
                             (("stride", 1), ("padding", 0), ("dilation", 1)))  # fmt: skip
    wide = noted(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))))
    up, each = draw(*value.shape), filters[0] // settings.get("groups", 1)
    weights, shifts, ups = noted(kernel), noted(shift), noted(up)
    outputs, taps = list(np.ndindex(value.shape)), list(np.ndindex(*filters[1:]))

    def under(n: int, o: int, r: int, q: int, c: int, i: int, j: int) -> tuple[int, ...]:
        channel = o // each * filters[1] + c
        return n, channel, r * stride + i * dilation, q * stride + j * dilation

    def forward() -> Any:
        found = noted(np.zeros(value.shape))
        for place in outputs:
            products = (wide[under(*place, *tap)] * weights[(place[1], *tap)] for tap in taps)
            found[place] = total(products)
            if bias:
                found[place] = found[place] + shifts[place[1]]
        return found

    def backward() -> Any:
        to_x: dict[Any, list[Noted]] = {}
        to_filters: dict[Any, list[Noted]] = {}
        to_bias: dict[Any, list[Noted]] = {}
        for place, tap in product(outputs, taps):
            here, weight = under(*place, *tap), (place[1], *tap)
            to_x.setdefault(here, []).append(ups[place] * weights[weight])
            to_filters.setdefault(weight, []).append(ups[place] * wide[here])
        for place in outputs if bias else []:
            to_bias.setdefault(place[1], []).append(ups[place])
        inner = slice(pad, -pad or None)
        found = [gathered(to_x, wide.shape)[:, :, inner, inner], gathered(to_filters, filters)]
        return [*found, gathered(to_bias, (filters[0],))] if bias else found

    told = convolution_operations(shape, filters, bias=bias, **settings)
    found, taken = counted(forward)
    np.testing.assert_allclose(plain(found), value, ROUNDING, ROUNDING)
    assert taken == asdict(told.forward)
    gradients_found, taken = counted(backward)
    for one, wanted in zip(gradients_found, vjp(up), strict=True):
        np.testing.assert_allclose(plain(one), wanted, ROUNDING, ROUNDING)
    assert taken == asdict(told.backward)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    ("shape", "kernel", "settings"),
    [
        ((1, 2, 6, 6), 2, {}),
        ((2, 1, 7, 5), 2, {"ceil_mode": True}),
        ((1, 2, 6, 7), 3, {"stride": 2, "padding": 1}),
        ((2, 6, 6), 3, {"stride": 4}),
        ((1, 1, 9, 8), (3, 2), {"stride": 2, "padding": 1, "ceil_mode": True}),
    ],
)
def test_a_pool_takes_what_a_loop_counts(kind: str, shape: Any, kernel: Any, settings: Any) -> None:
    x = draw(*shape)
    pool: Any = max_pool if kind == "max" else average_pool
    value, vjp = pool(x, kernel, **settings)
    height, width = shape[-2:]
    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    strides = (settings["stride"],) * 2 if "stride" in settings else sides
    pad, up = settings.get("padding", 0), draw(*value.shape)
    ones, ups = noted(x), noted(up)
    divisor = pool(np.ones(shape), kernel, **settings).value  # only its share of the padding
    windows: dict[Any, list[Any]] = {}
    for *maps, r, q in np.ndindex(value.shape):
        rows = range(r * strides[0] - pad, r * strides[0] - pad + sides[0])
        columns = range(q * strides[1] - pad, q * strides[1] - pad + sides[1])
        inside = [(*maps, i, j) for i in rows for j in columns
                  if 0 <= i < height and 0 <= j < width]  # fmt: skip
        windows[(*maps, r, q)] = inside
    sizes = {place: Noted(len(inside) / divisor[place]) for place, inside in windows.items()}

    def forward() -> Any:
        found = noted(np.zeros(value.shape))
        for place, inside in windows.items():
            if kind == "average":
                found[place] = total(ones[here] for here in inside) / sizes[place]
            else:
                best, *others = inside
                for other in others:
                    best = other if ones[other] > ones[best] else best
                found[place] = ones[best]
        return found

    overlap = any(side > stride for side, stride in zip(sides, strides, strict=True))

    def backward() -> Any:
        to_x: dict[Any, list[Noted]] = {}
        for place, inside in windows.items():
            if kind == "average":
                share = ups[place] / sizes[place]
                for here in inside:
                    to_x.setdefault(here, []).append(share)
            else:
                best = max(inside, key=lambda here: x[here])
                to_x.setdefault(best, [Noted(0.0)] if overlap else []).append(ups[place])
        return gathered(to_x, shape)

    told = pooling_operations(shape, kernel, kind=kind, **settings)  # type: ignore[arg-type]
    found, taken = counted(forward)
    np.testing.assert_allclose(plain(found), value, ROUNDING, ROUNDING)
    assert taken == asdict(told.forward)
    gradient, taken = counted(backward)
    np.testing.assert_allclose(plain(gradient), vjp(up)[0], ROUNDING, ROUNDING)
    assert taken == asdict(told.backward)


@pytest.mark.parametrize("bias", [True, False])
def test_an_affine_layer_takes_what_a_loop_counts(bias: bool) -> None:
    x, weights, shift, up = (noted(draw(*shape)) for shape in ((3, 4), (2, 4), (2,), (3, 2)))

    def forward() -> None:
        for n, o in np.ndindex(3, 2):
            found = total(x[n, i] * weights[o, i] for i in range(4))
            if bias:
                found + shift[o]

    def backward() -> None:
        for n, i in np.ndindex(3, 4):
            total(up[n, o] * weights[o, i] for o in range(2))
        for o, i in np.ndindex(2, 4):
            total(up[n, o] * x[n, i] for n in range(3))
        for o in range(2 if bias else 0):
            total(up[:, o])

    told = affine_operations(3, 4, 2, bias=bias)
    assert counted(forward)[1] == asdict(told.forward)
    assert counted(backward)[1] == asdict(told.backward)


def test_a_softmax_takes_what_a_loop_counts() -> None:
    z, up = noted(draw(3, 5)), noted(draw(3, 5))
    shares = noted(np.zeros((3, 5)))

    def forward() -> None:
        for n, row in enumerate(z):
            top = row[0]
            for other in row[1:]:
                top = other if other > top else top
            powers = [(number - top).call(math.exp) for number in row]
            whole = total(powers)
            shares[n] = [power / whole for power in powers]

    def backward() -> Any:
        found = noted(np.zeros((3, 5)))
        for n, row in enumerate(shares):
            mean = total(u * p for u, p in zip(up[n], row, strict=True))
            found[n] = [p * (u - mean) for u, p in zip(up[n], row, strict=True)]
        return found

    told = softmax_operations(3, 5)
    assert counted(forward)[1] == asdict(told.forward)
    gradient, taken = counted(backward)
    assert taken == asdict(told.backward)
    p = np.exp(plain(z)) / np.exp(plain(z)).sum(axis=1, keepdims=True)
    inner = (p * plain(up)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plain(gradient), p * (plain(up) - inner), ROUNDING, ROUNDING)


ONE, TWO, HALF, ZERO, ALPHA = (Noted(number) for number in (1.0, 2.0, 0.5, 0.0, 0.3))
ROOT, DENSITY = Noted(1 / math.sqrt(2)), Noted(1 / math.sqrt(2 * math.pi))


def negative(x: Noted) -> Noted:
    return Noted(-x.value)  # the sign of a number is no operation


def elu(x: Noted) -> Noted:
    return x if x > ZERO else ALPHA * (x.call(math.exp) - ONE)


def sigmoid(x: Noted) -> Noted:
    return ONE / (ONE + negative(x).call(math.exp))


def tanh(x: Noted) -> Noted:
    power = negative(TWO * x).call(math.exp)
    return (ONE - power) / (ONE + power)


def gelu(x: Noted) -> Noted:
    return (HALF * x) * (ONE + (ROOT * x).call(math.erf))


def gelu_back(x: Noted, u: Noted, v: Noted) -> Noted:
    density = (Noted(-0.5) * (x * x)).call(math.exp) * DENSITY
    return u * (Noted(v.value / x.value) + x * density)  # Φ is at hand


# name: forward of x, backward of x, u and the value
FORMULAS: dict[str, tuple[Callable[[Noted], Noted], Callable[[Noted, Noted, Noted], Any]]] = {
    "identity": (lambda x: x, lambda x, u, v: u),
    "relu": (lambda x: x if x > ZERO else ZERO, lambda x, u, v: u if x > ZERO else ZERO),
    "leaky_relu": (
        lambda x: x if x > ZERO else ALPHA * x,
        lambda x, u, v: u if x > ZERO else ALPHA * u,
    ),
    "elu": (elu, lambda x, u, v: u if x > ZERO else u * (v + ALPHA)),
    "sigmoid": (sigmoid, lambda x, u, v: u * (v * (ONE - v))),
    "tanh": (tanh, lambda x, u, v: u * (ONE - v * v)),
    "exp": (lambda x: x.call(math.exp), lambda x, u, v: u * v),
    "softplus": (
        lambda x: (ONE + x.call(math.exp)).call(math.log),
        lambda x, u, v: u * sigmoid(x),
    ),
    "gelu": (gelu, gelu_back),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_takes_what_its_formula_counts(name: str) -> None:
    forward, backward = FORMULAS[name]
    x, u, step = -0.7, 1.3, 1e-6
    value, taken = counted(lambda: forward(Noted(x)))
    told = activation_operations(name, (1,))
    assert taken == asdict(told.forward)
    gradient, taken = counted(lambda: backward(Noted(x), Noted(u), value))
    assert taken == asdict(told.backward)
    slope = (forward(Noted(x + step)).value - forward(Noted(x - step)).value) / (2 * step)
    assert gradient.value == pytest.approx(u * slope, rel=1e-8)  # the formulas belong together
    many = activation_operations(name, (2, 3, 4, 5))
    assert many.forward.values() == tuple(120 * count for count in told.forward.values())


def test_a_prelu_sums_the_gradients_of_its_slopes() -> None:
    x, u = noted(-abs(draw(12))), noted(draw(12))

    def backward() -> None:
        to_slopes = []
        for one, up in zip(x, u, strict=True):
            if not one > ZERO:
                ALPHA * up
                to_slopes.append(up * one)
        for slope in range(3):
            total(to_slopes[slope::3])

    taken = counted(backward)[1]
    assert taken == asdict(activation_operations("prelu", (2, 6), slopes=3).backward)
