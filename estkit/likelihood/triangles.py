"""Symmetric matrices made from their triangles, tile by tile: rows and columns meet in cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TILE = 128


def mirror(upper: Floats) -> None:
    """Write the upper triangle of a matrix over the lower one."""
    for first in range(0, len(upper), _TILE):
        tile = slice(first, first + _TILE)
        corner = np.triu(upper[tile, tile])
        upper[tile, tile] = corner + np.triu(corner, 1).T
        upper[first + _TILE :, tile] = upper[tile, first + _TILE :].T


def add_transpose(matrix: Floats) -> None:
    """Add to a matrix its own transpose."""
    for first in range(0, len(matrix), _TILE):
        tile = slice(first, first + _TILE)
        matrix[tile, tile] += matrix[tile, tile].T.copy()
        for second in range(first + _TILE, len(matrix), _TILE):
            other = slice(second, second + _TILE)
            both = matrix[tile, other] + matrix[other, tile].T
            matrix[tile, other], matrix[other, tile] = both, both.T
