"""Convolution of which each filter sees one channel, as in depthwise layers, with stride 1.

There the matrix products are small, and the time goes into laying out what they are made of. So the
image is padded, and each position of the filter then sees one unbroken stretch of it: stretches are
copied instead of rows. The gradient to the image is the same with the filter turned around.

A stretch runs over the ends of rows. What is computed there is thrown away, or multiplied by 0, for
which the numbers must be finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from estkit.gradients.windows import Axis, Floats

_TILE = 1 << 21  # bytes of columns at a time; smaller ones spend their time in Python


@dataclass(frozen=True)
class Depthwise:
    """The work for one image: the windows along both axes, and the filters of each channel."""

    axes: tuple[Axis, Axis]
    filters: int

    def value(self, images: Floats, weights: Floats, shifts: Sequence[Floats], out: Floats) -> None:
        """Write the value, (n, c, f, outputs), of images (n, c, h, w), weights (c, f, kh · kw)."""
        rows, columns = (axis.count for axis in self.axes)
        for image, place in zip(images, out, strict=True):
            whole = place.reshape(*place.shape[:2], rows, columns)
            for part in self._tiles(image):
                whole[part] = self._sums(self._padded(image[part]), weights[part], (rows, columns))
            for shift in shifts:
                place += shift

    def gradients(self, images: Floats, weights: Floats, upstream: Floats, out: Floats) -> Floats:
        """Write the gradient to images, and return that to the weights."""
        to_weights = np.zeros_like(weights)
        rows, columns = (axis.count for axis in self.axes)
        for image, up, place in zip(images, upstream, out, strict=True):
            above = up.reshape(*up.shape[:2], rows, columns)
            for part in self._tiles(image):
                to_weights[part] += self._products(self._padded(image[part]), above[part])
                self._bring_back(above[part], weights[part], place[part])
        return to_weights

    def _bring_back(self, upstream: Floats, weights: Floats, out: Floats) -> None:
        """Write the gradient to an image: upstream in a wide margin, under the filter turned."""
        down, across = (axis.dilation * (axis.kernel - 1) for axis in self.axes)
        rows, columns = upstream.shape[2:]
        wide = np.zeros((*upstream.shape[:2], rows + 2 * down, columns + 2 * across), out.dtype)
        wide[:, :, down : down + rows, across : across + columns] = upstream
        turned = weights[:, None, :, ::-1]
        found = self._sums(wide, turned, (rows + down, columns + across))
        high, beside = self._inside
        out[:] = found[:, 0, high, beside]

    @property
    def _inside(self) -> tuple[slice, slice]:
        """The image in the midst of its padding."""
        rows, columns = (slice(axis.before, axis.before + axis.size) for axis in self.axes)
        return rows, columns

    @property
    def _kernel(self) -> tuple[int, int]:
        return self.axes[0].kernel, self.axes[1].kernel

    def fits(self, itemsize: int) -> bool:
        """Say whether the columns of a channel stay in cache; those of large images would not."""
        return self._bytes(itemsize) <= _TILE

    def _bytes(self, itemsize: int) -> int:
        """Return the bytes of the columns of a channel, those of the way back included."""
        sides = (a.before + a.size + a.after + a.dilation * (a.kernel - 1) for a in self.axes)
        return self.filters * math.prod((*self._kernel, *sides)) * itemsize

    def _tiles(self, image: Floats) -> Iterator[slice]:
        """Cut the channels so that the columns of a tile stay in cache."""
        step = max(1, _TILE // self._bytes(image.itemsize))
        for start in range(0, len(image), step):
            yield slice(start, min(start + step, len(image)))

    def _padded(self, image: Floats) -> Floats:
        sides = (axis.before + axis.size + axis.after for axis in self.axes)
        padded = np.zeros((len(image), *sides), image.dtype)
        rows, columns = self._inside
        padded[:, rows, columns] = image
        return padded

    def _columns(self, padded: Floats, rows: int, columns: int) -> Floats:
        """Return the stretch that each position sees: (..., kh, kw, length)."""
        size, width = padded.itemsize, padded.shape[-1]
        shape = (*padded.shape[:-2], *self._kernel, (rows - 1) * width + columns)
        apart = (self.axes[0].dilation * width * size, self.axes[1].dilation * size, size)
        return np.lib.stride_tricks.as_strided(
            padded, shape, (*padded.strides[:-2], *apart), writeable=False
        )

    def _sums(self, padded: Floats, weights: Floats, size: Sequence[int]) -> Floats:
        """Return sums of stretches times weights (c, f, ...): (c, f, *size)."""
        stretches = self._columns(padded, *size)
        length, width = stretches.shape[-1], padded.shape[-1]
        laid = stretches.reshape(len(padded), -1, length)  # a copy
        found = np.empty((*weights.shape[:2], size[0] * width), padded.dtype)
        np.matmul(weights.reshape(*weights.shape[:2], -1), laid, out=found[..., :length])
        return found.reshape(*found.shape[:2], size[0], width)[..., : size[1]]

    def _products(self, padded: Floats, upstream: Floats) -> Floats:
        """Return for each position the sum of its stretch times the upstream gradient."""
        above = np.zeros((*upstream.shape[:3], padded.shape[-1]), padded.dtype)
        above[..., : upstream.shape[-1]] = upstream
        stretches = self._columns(padded, *upstream.shape[2:])
        flat = above.reshape(*above.shape[:2], -1)[..., : stretches.shape[-1]]
        found: Floats = np.vecdot(stretches[:, None], flat[:, :, None, None])
        return found.reshape(*found.shape[:2], -1)
