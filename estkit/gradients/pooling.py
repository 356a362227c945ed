"""Pools in two dimensions: the greatest number of each window, or the average."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from estkit.gradients.operands import answer, quiet, read
from estkit.gradients.rule import Rule
from estkit.gradients.windows import (
    Axis,
    Floats,
    Numbers,
    as_images,
    pooling_axes,
    read_pair,
    read_whole,
)

_TILE = 1 << 18  # bytes of images at a time


@quiet
def max_pool(
    x: ArrayLike,
    kernel: Numbers,
    *,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
) -> Rule:
    """Return the greatest number of each window, and the way back to where it stood.

    Padding is −∞, so it is never chosen. The gradient goes to one input of each window: of equal
    numbers to the first, by rows; where any is NaN, so is the value, and the gradient goes to the
    last NaN. That is a subgradient where numbers tie, and what torch does.

    Parameters
    ----------
    x : array-like of shape (N, C, H, W) or (C, H, W)
        The images. float32 stays float32; whole numbers become float64.
    kernel, padding, dilation : int or pair of int
        The window of rows and columns, the steps between its positions, and the padding on either
        side, at most half of the kernel.
    stride : int or pair of int, optional
        The kernel, when not given, so that windows lie side by side.
    ceil_mode : bool
        Whether a last window may lie partly outside, see `pooling_size`.

    Returns
    -------
    Rule
        The value, (N, C, rows, columns) or without N; the gradient is that to `x`.

    Raises
    ------
    DataError
        When a setting cannot be used, or the output would be empty.

    Examples
    --------
    >>> from estkit.gradients import max_pool
    >>> value, vjp = max_pool([[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 0.0, 2.0]]], 2)
    >>> value[0]
    array([[5., 2.]])
    >>> vjp([[[10.0, 20.0]]])[0][0]
    array([[ 0., 10., 20.,  0.],
           [ 0.,  0.,  0.,  0.]])
    """
    (x,) = read(x=x)
    images = as_images(x)
    axes = _axes(images, kernel, stride, padding, dilation, ceil_mode=ceil_mode)
    value = np.empty((*images.shape[:2], *(axis.count for axis in axes)), images.dtype)
    for some in _tiles(images):
        value[some] = _reduced(images[some], axes, np.maximum, -np.inf)

    def back(upstream: Floats) -> tuple[Floats]:
        up = upstream.reshape(value.shape)
        to_x = np.zeros(images.shape, images.dtype)
        for some in _tiles(images):
            _give_to_chosen(images[some], value[some], up[some], to_x[some], axes)
        return (to_x.reshape(x.shape),)

    return answer(value if x.ndim == 4 else value[0], back)


@quiet
def average_pool(
    x: ArrayLike,
    kernel: Numbers,
    *,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Rule:
    """Return the average of each window, and the way back to all of it.

    Each input of a window gets ∂L/∂value divided by what its sum was divided by.

    Parameters
    ----------
    x : array-like of shape (N, C, H, W) or (C, H, W)
        The images. float32 stays float32; whole numbers become float64.
    kernel, padding : int or pair of int
        The window of rows and columns, and the zeros on either side, at most half of the kernel.
    stride : int or pair of int, optional
        The kernel, when not given, so that windows lie side by side.
    ceil_mode : bool
        Whether a last window may lie partly outside, see `pooling_size`.
    count_include_pad : bool
        Whether zeros of the padding count as numbers. What lies beyond the padding, in ceil mode,
        never does.
    divisor_override : int, optional
        What to divide every sum by instead.

    Returns
    -------
    Rule
        The value, (N, C, rows, columns) or without N; the gradient is that to `x`.

    Raises
    ------
    DataError
        When a setting cannot be used, or the output would be empty.

    Examples
    --------
    >>> from estkit.gradients import average_pool
    >>> value, vjp = average_pool([[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 0.0, 2.0]]], 2)
    >>> value[0]
    array([[3.25, 1.5 ]])
    >>> vjp([[[10.0, 20.0]]])[0][0]
    array([[2.5, 2.5, 5. , 5. ],
           [2.5, 2.5, 5. , 5. ]])
    """
    (x,) = read(x=x)
    images = as_images(x)
    axes = _axes(images, kernel, stride, padding, 1, ceil_mode=ceil_mode)
    divisors = _divisors(axes, divisor_override, count_include_pad=count_include_pad)
    divisors = divisors.astype(images.dtype)
    value = np.empty((*images.shape[:2], *(axis.count for axis in axes)), images.dtype)
    for some in _tiles(images):
        np.divide(_reduced(images[some], axes, np.add, 0.0), divisors, out=value[some])

    def back(upstream: Floats) -> tuple[Floats]:
        up = upstream.reshape(value.shape)
        to_x = np.zeros(images.shape, images.dtype)
        for some in _tiles(images):
            _give_to_all(up[some] / divisors, to_x[some], axes)
        return (to_x.reshape(x.shape),)

    return answer(value if x.ndim == 4 else value[0], back)


def _axes(
    images: Floats,
    kernel: Numbers,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    *,
    ceil_mode: bool,
) -> tuple[Axis, Axis]:
    height, width = images.shape[2:]
    return pooling_axes(
        (height, width),
        read_pair(kernel, "kernel", least=1),
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def _tiles(images: Floats) -> Iterator[slice]:
    """Cut the images, so that what is made of some of them stays in cache."""
    step = max(1, _TILE // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        yield slice(start, start + step)


def _reduced(
    images: Floats, axes: tuple[Axis, Axis], reduce: Callable[..., Any], neutral: float
) -> Floats:
    """Reduce windows along the rows, then along the columns: kh + kw steps instead of kh · kw."""
    rows, columns = axes
    lines = np.full((*images.shape[:2], rows.count, images.shape[3]), neutral, images.dtype)
    for i in range(rows.kernel):
        there, here = rows.reach(i, slice(0, rows.count))
        reduce(lines[:, :, there], images[:, :, here], out=lines[:, :, there])
    found = np.full((*images.shape[:2], rows.count, columns.count), neutral, images.dtype)
    for j in range(columns.kernel):
        there, here = columns.reach(j, slice(0, columns.count))
        reduce(found[..., there], lines[..., here], out=found[..., there])
    return found


def _positions(axes: tuple[Axis, Axis]) -> Iterator[tuple[Any, Any]]:
    """Yield which outputs have an input at each position of the window, and those inputs."""
    rows, columns = axes
    for i in range(rows.kernel):
        down, from_rows = rows.reach(i, slice(0, rows.count))
        for j in range(columns.kernel):
            across, from_columns = columns.reach(j, slice(0, columns.count))
            yield (..., down, across), (..., from_rows, from_columns)


def _give_to_chosen(
    images: Floats, value: Floats, up: Floats, to_x: Floats, axes: tuple[Axis, Axis]
) -> None:
    """Add each upstream gradient to the input that was the greatest."""
    free = np.ones(value.shape, dtype=bool)
    blank = np.isnan(value)
    for there, here in _positions(axes):
        chosen = images[here] == value[there]
        chosen &= free[there]
        free[there] ^= chosen
        to_x[here] += np.where(chosen, up[there], 0)
    if blank.any():
        free = blank
        for there, here in reversed(list(_positions(axes))):
            chosen = np.isnan(images[here])
            chosen &= free[there]
            free[there] ^= chosen
            to_x[here] += np.where(chosen, up[there], 0)


def _give_to_all(shares: Floats, to_x: Floats, axes: tuple[Axis, Axis]) -> None:
    """Add each share to all inputs of its window, along the columns and then along the rows."""
    rows, columns = axes
    lines = np.zeros((*shares.shape[:3], to_x.shape[3]), shares.dtype)
    for j in range(columns.kernel):
        there, here = columns.reach(j, slice(0, columns.count))
        lines[..., here] += shares[..., there]
    for i in range(rows.kernel):
        there, here = rows.reach(i, slice(0, rows.count))
        to_x[:, :, here] += lines[:, :, there]


def _divisors(axes: tuple[Axis, Axis], override: int | None, *, count_include_pad: bool) -> Floats:
    """Return what each sum is divided by, (rows, columns)."""
    if override is not None:
        divisor = read_whole(override, "divisor_override", least=1)
        return np.full([axis.count for axis in axes], float(divisor))
    counts = []
    for axis in axes:
        starts = np.arange(axis.count) * axis.stride - axis.before
        ends = np.minimum(starts + axis.kernel, axis.size + axis.after)
        if not count_include_pad:
            starts, ends = np.maximum(starts, 0), np.minimum(ends, axis.size)
        counts.append(ends - starts)
    return np.multiply.outer(*counts).astype(float)
