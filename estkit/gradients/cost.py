"""The result of counting: operations by kind, forward and backward, and what other tools print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from estkit.table import Column, Table, Tabular

if TYPE_CHECKING:
    import pandas as pd

TOOLS = ("fvcore", "thop", "torchinfo", "ptflops", "ptflops (aten)", "torch FlopCounterMode")


@dataclass(frozen=True)
class Counts:
    """Operations by kind; a subtraction is an addition, a logarithm or erf an exponential."""

    multiplications: int = 0
    additions: int = 0
    comparisons: int = 0
    exponentials: int = 0
    divisions: int = 0

    def __add__(self, other: Counts) -> Counts:
        pairs = zip(self.values(), other.values(), strict=True)
        return Counts(*(a + b for a, b in pairs))

    def times(self, number: int) -> Counts:
        """Return the counts of so many of the same."""
        return Counts(*(number * count for count in self.values()))

    def values(self) -> tuple[int, ...]:
        """Return the counts in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class OperationCount(Tabular):
    """What a layer takes forward and backward, to all its gradients; layers can be added up.

    Parameters
    ----------
    layer : str
        What was counted.
    forward, backward : Counts
        The operations of its value and of its vector-Jacobian product.
    printed : mapping of str to int
        What the tools print for this layer: fvcore 0.1.5, thop 0.1.1, torchinfo 1.8, ptflops 0.7.5
        with its default and its aten back end, torch 2.13.

    Examples
    --------
    >>> from estkit.gradients import activation_operations, convolution_operations
    >>> layer = convolution_operations((3, 16, 16), (8, 3, 3, 3), padding=1)
    >>> print(layer)
    convolution (3, 16, 16) -> (8, 16, 16)
    <BLANKLINE>
              multiplications  additions  comparisons  exponentials  divisions
    forward             55296      55296            0             0          0
    backward           110592     111444            0             0          0
    <BLANKLINE>
    printed by fvcore 55296, thop 55296, torchinfo 57344, ptflops 57344
    ptflops (aten) 57344, torch FlopCounterMode 110592
    >>> (layer + activation_operations("relu", (8, 16, 16))).forward.comparisons
    2048
    """

    layer: str
    forward: Counts
    backward: Counts
    printed: Mapping[str, int]

    def __add__(self, other: OperationCount) -> OperationCount:
        return OperationCount(
            f"{self.layer}; {other.layer}",
            self.forward + other.forward,
            self.backward + other.backward,
            MappingProxyType({tool: self.printed[tool] + other.printed[tool] for tool in TOOLS}),
        )

    def _table(self) -> Table:
        names = [field.name for field in fields(Counts)]
        both = zip(names, self.forward.values(), self.backward.values(), strict=True)
        columns = [Column(name, counts, style="count") for name, *counts in both]
        said = [f"{tool} {number}" for tool, number in self.printed.items()]
        notes = ["printed by " + ", ".join(said[:4]), ", ".join(said[4:])]
        return Table([Column("", ["forward", "backward"]), *columns], self.layer, notes)

    def to_frame(self) -> pd.DataFrame:
        """Return one row forward and one backward; the columns are the kinds."""
        return self._table().to_frame().set_index("").rename_axis("pass")


def printed(
    fvcore: int = 0,
    thop: int = 0,
    torchinfo: int = 0,
    ptflops: int = 0,
    aten: int = 0,
    torch: int = 0,
) -> Mapping[str, int]:
    """Return a number for each tool, in the order of `TOOLS`."""
    return MappingProxyType(
        dict(zip(TOOLS, (fvcore, thop, torchinfo, ptflops, aten, torch), strict=True))
    )


def multiply_adds(products: int, biases: int, images: int) -> Mapping[str, int]:
    """Return what is printed for a convolution or a matrix product; ptflops tells it an image."""
    both = products + biases
    return printed(products, products, both, both // images, both, 2 * products)
