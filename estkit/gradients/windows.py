"""Windows that slide over two axes: their settings, how many there are, what each reaches."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError

Floats = NDArray[np.floating]
Numbers = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | Literal["same", "valid"]

_AXES = ("rows", "columns")


@dataclass(frozen=True)
class Axis:
    """Windows along one axis: output o sees the inputs o·stride − before + i·dilation."""

    size: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int
    count: int

    def reach(self, position: int, outputs: slice) -> tuple[slice, slice]:
        """Return which outputs have an input at a position of the window, and those inputs.

        The outputs are counted from the start of the `outputs` that are asked for.
        """
        shift = position * self.dilation - self.before
        low = max(outputs.start, -(shift // self.stride))
        high = min(outputs.stop, (self.size - 1 - shift) // self.stride + 1)
        if high <= low:
            return slice(0, 0), slice(0, 0)
        first = low * self.stride + shift
        inputs = slice(first, first + (high - low - 1) * self.stride + 1, self.stride)
        return slice(low - outputs.start, high - outputs.start), inputs


def read_pair(given: Any, what: str, *, least: int) -> tuple[int, int]:
    """Return a setting of rows and columns from one whole number or two."""
    try:
        values = tuple(given) if np.ndim(given) else (given, given)
        pair = tuple(operator.index(value) for value in values)
    except (TypeError, ValueError):
        pair = ()
    if len(pair) != 2 or min(pair) < least or isinstance(given, bool):
        raise DataError(
            f"{what} is {given!r}; give a whole number of at least {least}, or one for the rows "
            "and one for the columns."
        )
    return pair


def read_whole(given: int, what: str, *, least: int) -> int:
    """Return a setting that is one whole number."""
    if isinstance(given, bool) or not hasattr(given, "__index__") or given < least:
        raise DataError(f"{what} is {given!r}; give a whole number of at least {least}.")
    return operator.index(given)


def as_images(x: Floats) -> Floats:
    """See one image as a batch of one: (N, C, H, W)."""
    if x.ndim not in (3, 4):
        raise DataError(
            f"x has the shape {x.shape}; give images as (N, C, H, W), or one of them as (C, H, W)."
        )
    return x if x.ndim == 4 else x[None]


def convolution_axes(
    size: tuple[int, int],
    kernel: tuple[int, int],
    *,
    stride: Numbers,
    padding: Padding,
    dilation: Numbers,
) -> tuple[Axis, Axis]:
    """Return the windows of a convolution along rows and columns; all lie within the padding."""
    strides = read_pair(stride, "stride", least=1)
    dilations = read_pair(dilation, "dilation", least=1)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = _read_padding(padding, strides, spans)
    rows, columns = (
        _convolved(*each)
        for each in zip(_AXES, size, kernel, strides, pads, dilations, strict=True)
    )
    return rows, columns


def _read_padding(
    given: Padding, strides: tuple[int, int], spans: list[int]
) -> list[tuple[int, int]]:
    if isinstance(given, str):
        if given not in ("same", "valid"):
            raise DataError(f"padding is {given!r}; give numbers, 'same' or 'valid'.")
        if given == "same" and max(strides) > 1:
            raise DataError(
                f"padding='same' keeps the size only with stride 1, but stride is {strides}; "
                "give the padding as numbers."
            )
        totals = [span - 1 if given == "same" else 0 for span in spans]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(given, Sequence | np.ndarray) and any(np.ndim(side) for side in given):
        if len(given) != len(_AXES):
            raise DataError(f"padding is {given!r}; give ((top, bottom), (left, right)).")
        sides = zip(given, _AXES, strict=True)
        return [read_pair(side, f"padding of the {axis}", least=0) for side, axis in sides]
    return [(pad, pad) for pad in read_pair(given, "padding", least=0)]


def _convolved(
    name: str, size: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int
) -> Axis:
    span = dilation * (kernel - 1) + 1
    padded = size + sum(pads)
    if padded < span:
        raise DataError(
            f"the output would be empty: the filter spans {_spanned(kernel, dilation)} {name}, but "
            f"the input with its padding has {size} + {pads[0]} + {pads[1]}; take a smaller "
            "kernel or dilation, or more padding."
        )
    return Axis(size, kernel, stride, *pads, dilation, (padded - span) // stride + 1)


def _spanned(kernel: int, dilation: int) -> str:
    span = dilation * (kernel - 1) + 1
    return f"{span}" if dilation == 1 else f"{dilation}·({kernel} − 1) + 1 = {span}"


def pooling_axes(
    size: tuple[int, int],
    kernel: tuple[int, int],
    *,
    stride: Numbers | None,
    padding: Numbers,
    dilation: Numbers,
    ceil_mode: bool,
) -> tuple[Axis, Axis]:
    """Return the windows of a pool along rows and columns; in ceil mode some lie partly outside."""
    strides = read_pair(kernel if stride is None else stride, "stride", least=1)
    pads = read_pair(padding, "padding", least=0)
    dilations = read_pair(dilation, "dilation", least=1)
    rows, columns = (
        _pooled(*each, ceil_mode=ceil_mode)
        for each in zip(_AXES, size, kernel, strides, pads, dilations, strict=True)
    )
    return rows, columns


def _pooled(
    name: str, size: int, kernel: int, stride: int, pad: int, dilation: int, *, ceil_mode: bool
) -> Axis:
    if pad > kernel // 2:
        raise DataError(
            f"the padding of the {name} is {pad}, more than half of the kernel ({kernel}): a "
            f"window could lie in the padding alone; give at most {kernel // 2}."
        )
    span = dilation * (kernel - 1) + 1
    room = size + 2 * pad - span
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + pad:
        count -= 1  # the last window would start beyond the input
    if count < 1 or size == 0:
        raise DataError(
            f"the output would be empty: the window spans {_spanned(kernel, dilation)} {name}, but "
            f"the input with its padding has {size} + {pad} + {pad}; take a smaller kernel or "
            "dilation, or more padding."
        )
    return Axis(size, kernel, stride, pad, pad, dilation, count)


def convolution_size(
    size: Numbers,
    kernel: Numbers,
    *,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
) -> tuple[int, int]:
    """Return the rows and columns that a convolution gives.

    Along each axis ⌊(n + p − d(k − 1) − 1) / s⌋ + 1 for n inputs, a kernel of k, stride s,
    dilation d and p zeros of padding on both sides together.

    Parameters
    ----------
    size, kernel, stride, dilation : int or pair of int
        Of rows and columns.
    padding : int, pair of int, pair of pairs, "same" or "valid"
        Zeros around the input: the same on both sides, or ((top, bottom), (left, right)).
        ``"same"`` keeps the size, an odd zero at the bottom and on the right.

    Raises
    ------
    DataError
        When a setting cannot be used, or the output would be empty.

    References
    ----------
    V. Dumoulin and F. Visin (2016), "A guide to convolution arithmetic for deep learning".

    Examples
    --------
    >>> from estkit.gradients import convolution_size
    >>> convolution_size((28, 32), 3, stride=2, padding=1)
    (14, 16)
    """
    rows, columns = convolution_axes(
        read_pair(size, "size", least=0),
        read_pair(kernel, "kernel", least=1),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    return rows.count, columns.count


def pooling_size(
    size: Numbers,
    kernel: Numbers,
    *,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
) -> tuple[int, int]:
    """Return the rows and columns that a pool gives.

    As for a convolution, with padding of p on either side. With `ceil_mode` the quotient is
    rounded up, so that a last window may lie partly beyond the padding; it is dropped where it
    would start at n + p or later, and so hold no input.

    Parameters
    ----------
    size, kernel, padding, dilation : int or pair of int
        Of rows and columns; the padding at most half of the kernel.
    stride : int or pair of int, optional
        The kernel, when not given, so that windows lie side by side.
    ceil_mode : bool
        Whether to round up.

    Raises
    ------
    DataError
        When a setting cannot be used, or the output would be empty.

    Examples
    --------
    >>> from estkit.gradients import pooling_size
    >>> pooling_size(7, 2), pooling_size(7, 2, ceil_mode=True)
    ((3, 3), (4, 4))
    """
    rows, columns = pooling_axes(
        read_pair(size, "size", least=0),
        read_pair(kernel, "kernel", least=1),
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )
    return rows.count, columns.count
