"""Convolution in two dimensions: its value and the gradients to input, filters and bias.

The inputs under every position of the filter are laid out as the columns of a matrix, so that the
products become one matrix product; a few images or rows at a time, so that the matrix stays in
cache. Padding is never made: a position copies what lies inside, the rest stays 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from estkit.errors import DataError
from estkit.gradients.depthwise import Depthwise
from estkit.gradients.operands import answer, quiet, read
from estkit.gradients.rule import Rule
from estkit.gradients.windows import (
    Axis,
    Floats,
    Numbers,
    Padding,
    as_images,
    convolution_axes,
    read_whole,
)
from estkit.parallel import cores, keep_memory, map_threads

_TILE = 1 << 20  # bytes of columns at a time
_WORTH_THREADS = 1 << 22  # multiplications


@dataclass(frozen=True)
class _Layout:
    """A convolution without its numbers: axes, channels, and how the work is cut into tiles."""

    axes: tuple[Axis, Axis]
    images: int
    groups: int
    channels: int  # of a group
    filters: int  # of a group
    itemsize: int

    @property
    def taps(self) -> int:
        """The length of a column: the products of one output."""
        return self.channels * self.axes[0].kernel * self.axes[1].kernel

    def per_row(self) -> int:
        """Return the bytes of the columns of one row of outputs of one image."""
        return max(1, self.groups * self.taps * self.axes[1].count * self.itemsize)

    def tasks(self) -> list[slice]:
        """Cut the images, so that the columns of a task fill a tile, or an image is a task."""
        step = max(1, _TILE // (self.per_row() * self.axes[0].count))
        return [slice(n, min(n + step, self.images)) for n in range(0, self.images, step)]

    def bands(self) -> Iterator[slice]:
        """Cut the rows of outputs of one task into tiles."""
        count = self.axes[0].count
        step = max(1, min(count, _TILE // self.per_row()))
        for start in range(0, count, step):
            yield slice(start, min(start + step, count))

    def positions(self, band: slice) -> Iterator[tuple[Any, Any]]:
        """Yield for each position of the filter where columns are filled, and from which inputs."""
        rows, columns = self.axes
        whole = slice(0, columns.count)
        across = [columns.reach(j, whole) for j in range(columns.kernel)]
        for i in range(rows.kernel):
            outputs, inputs = rows.reach(i, band)
            for j, (beside, within) in enumerate(across):
                yield (..., i, j, outputs, beside), (..., inputs, within)

    def columns(self, images: Floats, band: slice) -> Floats:
        """Return what lies under the filter: (n, groups, channels, kh, kw, rows, columns)."""
        rows, columns = self.axes
        shape = (len(images), self.groups, self.channels, rows.kernel, columns.kernel)
        found = np.empty((*shape, band.stop - band.start, columns.count), images.dtype)
        for there, here in self.positions(band):
            found[there] = images[here]
            _, i, j, down, across = there
            under = found[:, :, :, i, j]  # 0 where the position is on the padding
            if down.stop - down.start < under.shape[3]:
                under[..., : down.start, :] = 0
                under[..., down.stop :, :] = 0
            if across.stop - across.start < columns.count:
                under[..., : across.start] = 0
                under[..., across.stop :] = 0
        return found

    def run(self, work: Callable[[slice], Any]) -> Iterator[Any]:
        """Do the tasks, by threads where that pays; the answers come in their order."""
        keep_memory()
        tasks = self.tasks()
        outputs = self.images * self.axes[0].count * self.axes[1].count
        heavy = outputs * self.groups * self.filters * self.taps > _WORTH_THREADS
        threads = min(cores(), len(tasks)) if heavy else 1
        return map_threads(work, tasks, threads=threads)


@quiet
def convolution(
    x: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Numbers = 1,
    padding: Padding = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Rule:
    """Return the convolution of images with filters, and the way back to all of them.

    The value at image n, filter o, row r and column q is
    bₒ + Σ x[n, c, r·s − p + i·d, q·s − p + j·d] · filters[o, c, i, j], summed over the channels c
    of the group of o and the positions (i, j) of the filter, where x is 0 outside (the
    cross-correlation that neural networks call convolution). With u = ∂L/∂value the gradient to a
    filter is the same sum over the outputs, Σ u · x; that to x brings each u · filters back to
    where the input came from; that to the bias is Σ u.

    Parameters
    ----------
    x : array-like of shape (N, C, H, W) or (C, H, W)
        The images. All is computed in float32 where all is given so, else in float64.
    filters : array-like of shape (O, C / groups, kh, kw)
        The filters.
    bias : array-like of shape (O,), optional
        What is added for each filter.
    stride, dilation : int or pair of int
        The steps of the filter, and between its positions, along rows and columns.
    padding : int, pair of int, pair of pairs, "same" or "valid"
        Zeros around the input: the same on both sides, or ((top, bottom), (left, right)).
        ``"same"`` keeps the size, an odd zero at the bottom and on the right.
    groups : int
        Channels and filters are cut into so many parts that do not see one another.

    Returns
    -------
    Rule
        The value, (N, O, rows, columns) or without N; the gradients are those to `x`, `filters`
        and, where given, `bias`.

    Raises
    ------
    DataError
        When shapes do not belong together, a setting cannot be used or the output would be empty.

    References
    ----------
    V. Dumoulin and F. Visin (2016), "A guide to convolution arithmetic for deep learning".

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.gradients import convolution
    >>> x = np.arange(16.0).reshape(1, 4, 4)
    >>> value, vjp = convolution(x, [[[[-1.0, 1.0]]]], [10.0])
    >>> value[0, 0]
    array([11., 11., 11.])
    >>> to_x, to_filters, to_bias = vjp(np.ones((1, 4, 3)))
    >>> to_x[0, 0], to_filters[0, 0], to_bias
    (array([-1.,  0.,  0.,  1.]), array([[84., 96.]]), array([12.]))
    """
    given = {"x": x, "filters": filters} | ({} if bias is None else {"bias": bias})
    x, kernels, *shift = read(**given)
    images = as_images(x)
    _check(images, kernels, shift, groups)
    size, kernel = images.shape[2:], kernels.shape[2:]
    axes = convolution_axes(
        (size[0], size[1]), (kernel[0], kernel[1]),
        stride=stride, padding=padding, dilation=dilation,
    )  # fmt: skip
    parts = kernels.shape[1], len(kernels) // groups
    layout = _Layout(axes, len(images), groups, *parts, images.itemsize)
    value = _value(layout, images, kernels, shift)
    whole = value.shape

    def back(upstream: Floats) -> tuple[Floats, ...]:
        up = upstream.reshape(whole)
        to_images, to_filters = _gradients(layout, images, kernels, up)
        to_bias = [up.sum(axis=(0, 2, 3))] if shift else []
        return (to_images.reshape(x.shape), to_filters, *to_bias)

    return answer(value if x.ndim == 4 else value[0], back)


def _check(images: Floats, filters: Floats, bias: list[Floats], groups: int) -> None:
    if filters.ndim != 4 or 0 in filters.shape[2:]:
        raise DataError(
            f"filters have the shape {filters.shape}; give them as (O, C / groups, kh, kw), "
            "with kh and kw of at least 1."
        )
    channels, outputs = images.shape[1], len(filters)
    read_whole(groups, "groups", least=1)
    for what, count in (("channels of x", channels), ("filters", outputs)):
        if count % groups:
            raise DataError(f"{groups} groups do not divide the {count} {what}.")
    if filters.shape[1] * groups != channels:
        raise DataError(
            f"x has {channels} channels, so in {groups} group(s) a filter sees "
            f"{channels // groups}; but filters of shape {filters.shape} see {filters.shape[1]}."
        )
    if bias and bias[0].shape != (outputs,):
        raise DataError(
            f"bias has the shape {bias[0].shape}, but there are {outputs} filters; give one "
            "number for each."
        )


def _value(layout: _Layout, images: Floats, filters: Floats, bias: list[Floats]) -> Floats:
    rows, columns = layout.axes
    shape = (len(images), layout.groups, layout.filters, rows.count * columns.count)
    value = np.empty(shape, images.dtype)
    weights = filters.reshape(layout.groups, layout.filters, layout.taps)
    shifts = [shift.reshape(layout.groups, layout.filters, 1) for shift in bias]
    given = _grouped(layout, images)
    apart = _apart(layout)

    def work(task: slice) -> None:
        if apart is not None:
            apart.value(given[task, :, 0], weights, shifts, value[task])
            return
        for band in layout.bands():
            under = _matrix(layout, layout.columns(given[task], band))
            place = value[task, :, :, band.start * columns.count : band.stop * columns.count]
            np.matmul(weights, under, out=place)
            for shift in shifts:
                place += shift

    for _ in layout.run(work):
        pass
    return value.reshape(len(images), len(filters), rows.count, columns.count)


def _gradients(
    layout: _Layout, images: Floats, filters: Floats, upstream: Floats
) -> tuple[Floats, Floats]:
    """Return the gradients to the images and to the filters."""
    columns = layout.axes[1]
    outputs = upstream.shape[2] * columns.count
    up = upstream.reshape(len(images), layout.groups, layout.filters, outputs)
    weights = filters.reshape(layout.groups, layout.filters, layout.taps)
    turned = np.ascontiguousarray(weights.transpose(0, 2, 1))
    to_filters = np.zeros_like(weights)
    to_images = np.zeros(images.shape, images.dtype)
    given, back = _grouped(layout, images), _grouped(layout, to_images)
    apart = _apart(layout, images, weights, upstream)

    def work(task: slice) -> Floats:
        found = np.zeros_like(weights)
        if apart is not None:
            return apart.gradients(given[task, :, 0], weights, up[task], back[task, :, 0])
        for band in layout.bands():
            laid = layout.columns(given[task], band)
            under = _matrix(layout, laid)
            above = up[task, :, :, band.start * columns.count : band.stop * columns.count]
            found += np.matmul(above, under.transpose(0, 1, 3, 2)).sum(axis=0)
            # The columns have done their work; for one filter BLAS is slower than plain products.
            (np.multiply if layout.filters == 1 else np.matmul)(turned, above, out=under)
            for there, here in layout.positions(band):
                back[task][here] += laid[there]
        return found

    for found in layout.run(work):
        to_filters += found
    return to_images, to_filters.reshape(filters.shape)


def _apart(layout: _Layout, *numbers: Floats) -> Depthwise | None:
    """Return how to treat channels one by one, where filters see one and the numbers are finite."""
    strided = any(axis.stride > 1 for axis in layout.axes)
    if strided or layout.channels != 1 or layout.groups == 1 or not layout.filters:
        return None
    found = Depthwise(layout.axes, layout.filters)
    finite = all(np.isfinite(part.sum()) for part in numbers)
    return found if finite and found.fits(layout.itemsize) else None


def _grouped(layout: _Layout, images: Floats) -> Floats:
    """See the channels as (groups, channels of a group)."""
    return images.reshape(len(images), layout.groups, layout.channels, *images.shape[2:])


def _matrix(layout: _Layout, columns: Floats) -> Floats:
    """See the columns as matrices, one for each image and group."""
    outputs = columns.shape[-2] * columns.shape[-1]
    return columns.reshape(len(columns), layout.groups, layout.taps, outputs)
