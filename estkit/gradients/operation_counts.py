"""How many operations a layer takes, by kind, forward and backward, and what other tools print.

"Flops" is a different number in every tool: multiply-adds, the same with the bias, or twice as
many; none tells multiplications, additions, comparisons and exponentials apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.gradients.cost import Counts, OperationCount, multiply_adds, printed
from estkit.gradients.windows import (
    Axis,
    Numbers,
    Padding,
    convolution_axes,
    pooling_axes,
    read_pair,
    read_whole,
)


def convolution_operations(
    shape: Sequence[int],
    filters: Sequence[int],
    *,
    bias: bool = True,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> OperationCount:
    """Count what a convolution takes.

    Each of P outputs is a sum of K = kh · kw · C / groups products: P K multiplications and
    P (K − 1) additions, P more with a bias. Backward, each weight is a sum of N · rows · columns
    products and each input of those that reached it. Zeros of the padding are multiplied, and get
    gradients, as all other inputs.

    Parameters
    ----------
    shape : sequence of int
        (N, C, H, W) or (C, H, W) of the input.
    filters : sequence of int
        (O, C / groups, kh, kw).
    bias : bool
        Whether each filter has one.
    stride, padding, dilation, groups
        As of `convolution`.

    Examples
    --------
    >>> from estkit.gradients import convolution_operations
    >>> convolution_operations((3, 16, 16), (8, 3, 3, 3), padding=1).forward.additions
    55296
    """
    images, channels, height, width = _images(shape)
    if len(filters) != 4:
        raise DataError(f"filters is {filters!r}; give the shape (O, C / groups, kh, kw).")
    outputs, seen, *kernel = (read_whole(side, "filters", least=1) for side in filters)
    if seen * read_whole(groups, "groups", least=1) != channels or outputs % groups:
        raise DataError(
            f"filters {tuple(filters)} in {groups} group(s) do not fit {channels} channels."
        )
    axes = convolution_axes(
        (height, width), (kernel[0], kernel[1]),
        stride=stride, padding=padding, dilation=dilation,
    )  # fmt: skip
    rows, columns = axes
    places = images * rows.count * columns.count
    taps = seen * rows.kernel * columns.kernel
    sums, products = places * outputs, places * outputs * taps
    reached = images * channels * _reached(rows) * _reached(columns)
    forward = Counts(products, _additions(sums, taps) + (sums if bias else 0))
    to_filters = Counts(products, _additions(outputs * taps, places))
    to_input = Counts(products, products - reached)
    to_bias = Counts(0, _additions(outputs, places) if bias else 0)
    name = f"convolution {tuple(shape)} -> {(*shape[:-3], outputs, rows.count, columns.count)}"
    told = multiply_adds(products, sums if bias else 0, images)
    return OperationCount(name, forward, to_filters + to_input + to_bias, told)


def affine_operations(rows: int, inputs: int, outputs: int, *, bias: bool = True) -> OperationCount:
    """Count what X Wᵀ + b takes for so many rows.

    Examples
    --------
    >>> from estkit.gradients import affine_operations
    >>> affine_operations(1, 100, 10).printed["torchinfo"]
    1010
    """
    rows, inputs, outputs = (
        read_whole(number, what, least=1)
        for number, what in ((rows, "rows"), (inputs, "inputs"), (outputs, "outputs"))
    )
    sums = rows * outputs
    products = sums * inputs
    forward = Counts(products, _additions(sums, inputs) + (sums if bias else 0))
    to_weights = Counts(products, _additions(outputs * inputs, rows))
    to_inputs = Counts(products, _additions(rows * inputs, outputs))
    to_bias = Counts(0, _additions(outputs, rows) if bias else 0)
    name = f"affine ({rows}, {inputs}) -> ({rows}, {outputs})"
    told = multiply_adds(products, sums if bias else 0, rows)
    return OperationCount(name, forward, to_weights + to_inputs + to_bias, told)


def pooling_operations(
    shape: Sequence[int],
    kernel: Numbers,
    *,
    kind: Literal["max", "average"] = "max",
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
) -> OperationCount:
    """Count what a pool takes, window by window; padding takes no part.

    A maximum of n numbers takes n − 1 comparisons, an average n − 1 additions and a division.
    Backward, an average divides each upstream number once, and each input adds what reaches it. A
    maximum hands each upstream number on; where windows overlap it is added, which is counted for
    every output, since which inputs are the greatest twice depends on the numbers.

    Parameters
    ----------
    shape : sequence of int
        (N, C, H, W) or (C, H, W) of the input.
    kernel, stride, padding, dilation, ceil_mode
        As of `max_pool`.
    kind : {"max", "average"}
        Which pool; only a maximum can be dilated.

    Examples
    --------
    >>> from estkit.gradients import pooling_operations
    >>> pooling_operations((8, 16, 16), 2).forward
    Counts(multiplications=0, additions=0, comparisons=1536, exponentials=0, divisions=0)
    """
    if kind not in ("max", "average"):
        raise DataError(f"kind is {kind!r}; give 'max' or 'average'.")
    images, channels, height, width = _images(shape)
    axes = pooling_axes(
        (height, width), read_pair(kernel, "kernel", least=1),
        stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode,
    )  # fmt: skip
    if kind == "average" and read_pair(dilation, "dilation", least=1) != (1, 1):
        raise DataError(f"dilation is {dilation!r}, but an average is never dilated.")
    rows, columns = axes
    maps = images * channels
    outputs = maps * rows.count * columns.count
    seen = np.multiply.outer(*(_seen(axis, backward=False) for axis in axes))
    gets = np.multiply.outer(*(_seen(axis, backward=True) for axis in axes))
    within = maps * int(np.maximum(seen - 1, 0).sum())
    again = maps * int(np.maximum(gets - 1, 0).sum())
    if kind == "max":
        forward, backward = Counts(comparisons=within), Counts(additions=outputs if again else 0)
    else:
        forward = Counts(additions=within, divisions=outputs)
        backward = Counts(additions=again, divisions=outputs)
    given = channels * height * width
    told = printed(
        thop=outputs if kind == "average" else 0, ptflops=_twice_in_ptflops(images, given)
    )
    name = f"{kind} pool {tuple(shape)} -> {(*shape[:-2], rows.count, columns.count)}"
    return OperationCount(name, forward, backward, told)


# For each number forward, and backward with the value at hand. Kinks take the longer side.
_ACTIVATIONS: dict[str, tuple[Counts, Counts]] = {
    "identity": (Counts(), Counts()),
    "relu": (Counts(comparisons=1), Counts(comparisons=1)),
    "leaky_relu": (Counts(1, comparisons=1), Counts(1, comparisons=1)),
    "prelu": (Counts(1, comparisons=1), Counts(2, comparisons=1)),
    "elu": (Counts(1, 1, 1, 1), Counts(1, 1, 1)),  # α (eˣ − 1); u (value + α)
    "sigmoid": (Counts(0, 1, 0, 1, 1), Counts(2, 1)),  # 1 / (1 + e⁻ˣ); u s (1 − s)
    "tanh": (Counts(1, 2, 0, 1, 1), Counts(2, 1)),  # (1 − e⁻²ˣ) / (1 + e⁻²ˣ); u (1 − t²)
    "exp": (Counts(exponentials=1), Counts(1)),
    "softplus": (Counts(0, 1, 0, 2), Counts(1, 1, 0, 1, 1)),  # log(1 + eˣ); u / (1 + e⁻ˣ)
    "gelu": (Counts(3, 1, 0, 1), Counts(5, 1, 0, 1)),  # x/2 (1 + erf(x/√2)); u (Φ + x φ)
}


def activation_operations(name: str, shape: Sequence[int], *, slopes: int = 1) -> OperationCount:
    """Count what an activation takes, by its plain formula; each number is taken to lie below 0.

    Parameters
    ----------
    name : str
        identity, relu, leaky_relu, prelu, elu, sigmoid, tanh, exp, softplus or gelu.
    shape : sequence of int
        Of the input; where it has four axes or two, the first is that of the images.
    slopes : int
        The number of slopes of a prelu, each of which gets a sum as its gradient.

    Examples
    --------
    >>> from estkit.gradients import activation_operations
    >>> activation_operations("elu", (2, 10)).forward
    Counts(multiplications=20, additions=20, comparisons=20, exponentials=20, divisions=0)
    """
    if name not in _ACTIVATIONS:
        raise DataError(f"name is {name!r}; give one of {', '.join(_ACTIVATIONS)}.")
    sides = [read_whole(side, "shape", least=1) for side in shape]
    number = int(np.prod(sides, dtype=np.int64))
    images = sides[0] if len(sides) in (2, 4) else 1
    forward, backward = (counts.times(number) for counts in _ACTIVATIONS[name])
    is_prelu = name == "prelu"
    if is_prelu:
        backward += Counts(additions=number - read_whole(slopes, "slopes", least=1))
    each = number // images
    in_ptflops = {"leaky_relu": each} | dict.fromkeys(
        ("relu", "prelu", "elu", "gelu"), _twice_in_ptflops(images, each)
    )
    told = printed(
        thop=number if is_prelu else 0,
        torchinfo=images * slopes if is_prelu else 0,
        ptflops=in_ptflops.get(name, 0),
    )
    return OperationCount(f"{name} {tuple(shape)}", forward, backward, told)


def softmax_operations(rows: int, classes: int) -> OperationCount:
    """Count what the softmax of each row takes, e^(z − max z) by its sum.

    Backward p ∘ (u − Σ u p).

    Examples
    --------
    >>> from estkit.gradients import softmax_operations
    >>> softmax_operations(1, 10).forward
    Counts(multiplications=0, additions=19, comparisons=9, exponentials=10, divisions=10)
    """
    rows, classes = read_whole(rows, "rows", least=1), read_whole(classes, "classes", least=1)
    less = classes - 1
    forward = Counts(0, classes + less, less, classes, classes).times(rows)
    backward = Counts(2 * classes, less + classes).times(rows)
    told = printed(thop=rows * (3 * classes - 1), ptflops=rows * classes)
    return OperationCount(f"softmax ({rows}, {classes})", forward, backward, told)


def _images(shape: Sequence[int]) -> tuple[int, int, int, int]:
    if len(shape) not in (3, 4):
        raise DataError(f"shape is {shape!r}; give (N, C, H, W) or (C, H, W).")
    sides = [read_whole(side, "shape", least=1) for side in shape]
    images, channels, height, width = sides if len(sides) == 4 else (1, *sides)
    return images, channels, height, width


def _additions(sums: int, each: int) -> int:
    """Return the additions in so many sums of `each` numbers."""
    return sums * (each - 1)


def _reached(axis: Axis) -> int:
    """Return how many places of the padded input lie under some position of some window."""
    steps = np.add.outer(
        np.arange(axis.count) * axis.stride, np.arange(axis.kernel) * axis.dilation
    )
    return len(np.unique(steps))


def _seen(axis: Axis, *, backward: bool) -> NDArray[np.int64]:
    """Return how many inputs each window holds; backward, how many windows hold each input."""
    found = np.zeros(axis.size if backward else axis.count, dtype=np.int64)
    for position in range(axis.kernel):
        found[axis.reach(position, slice(0, axis.count))[backward]] += 1
    return found


def _twice_in_ptflops(images: int, each: int) -> int:
    """Return what the default back end of ptflops prints for what torch does by a function.

    It counts the function for all images, and the layer that called it for one.
    """
    return (images + 1) * each
