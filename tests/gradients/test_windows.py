"""How many windows there are: as torch says for a thousand random settings, or why there are none.

The settings and torch's sizes lie in references/gradients/window_sizes.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from estkit.errors import DataError
from estkit.gradients import convolution_size, pooling_size

SIZES = json.loads(
    (Path(__file__).parents[1] / "references/gradients/window_sizes.json").read_text()
)


def size_or_none(function: Any, *given: Any, **settings: Any) -> int | None:
    try:
        return int(function(*given, **settings)[1])
    except DataError:
        return None


def test_sizes_are_those_of_torch() -> None:
    checked = 0
    for n, k, s, p, d, ceil, convolved, greatest, averaged in SIZES:
        place = {"stride": (1, s), "padding": (0, p)}
        given, mode = ((1, n), (1, k)), {"ceil_mode": bool(ceil)}
        found = [
            size_or_none(convolution_size, *given, dilation=(1, d), **place),
            size_or_none(pooling_size, *given, dilation=(1, d), **mode, **place),
            size_or_none(pooling_size, *given, **mode, **place),
        ]
        assert found == [convolved, greatest, averaged], (n, k, s, p, d, ceil)
        checked += sum(size is not None for size in found)
    assert checked > 1500  # the others torch refuses, too


def test_rows_and_columns_have_settings_of_their_own() -> None:
    assert convolution_size((10, 20), (3, 5), stride=(2, 3), padding=((1, 0), (0, 2))) == (5, 6)
    assert convolution_size(9, 4, padding="same", dilation=2) == (9, 9)
    assert convolution_size(9, 4, padding="valid") == (6, 6)
    assert pooling_size((10, 20), (3, 5)) == (3, 4)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"kernel": 6}, r"empty: the filter spans 6 rows, .* 5 \+ 0 \+ 0"),
        ({"kernel": 3, "dilation": (1, 3)}, r"spans 3·\(3 − 1\) \+ 1 = 7 columns"),
        ({"kernel": 3, "stride": 0}, "stride is 0; give a whole number of at least 1"),
        ({"kernel": 3, "stride": 1.5}, "stride is 1.5"),
        ({"kernel": 3, "stride": True}, "stride is True"),
        ({"kernel": (3, 3, 3)}, r"kernel is \(3, 3, 3\)"),
        ({"kernel": 0}, "kernel is 0"),
        ({"kernel": 3, "padding": -1}, "padding is -1"),
        ({"kernel": 3, "padding": "full"}, "'full'; give numbers, 'same' or 'valid'"),
        ({"kernel": 3, "padding": "same", "stride": 2}, "only with stride 1"),
        ({"kernel": 3, "padding": ((1, 1), (2, -2))}, r"padding of the columns is \(2, -2\)"),
        ({"kernel": 3, "padding": ((1, 1), 2.5)}, "padding of the columns is 2.5"),
        ({"kernel": 3, "padding": ((1, 1), (2, 2), (3, 3))}, r"\(\(top, bottom\), \(left, right\)"),
    ],
)
def test_a_setting_of_a_convolution_that_cannot_be_is_named(settings: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        convolution_size(5, **settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"kernel": 6}, "empty: the window spans 6 rows"),
        ({"kernel": (2, 6)}, "empty: the window spans 6 columns"),
        ({"kernel": 3, "padding": 2}, "padding of the rows is 2, more than half .* at most 1"),
        ({"kernel": 3, "stride": (1, 0)}, r"stride is \(1, 0\)"),
    ],
)
def test_a_setting_of_a_pool_that_cannot_be_is_named(settings: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        pooling_size(5, **settings)
