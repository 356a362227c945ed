"""What tools print for layers, and the counts of a network as a table; what cannot be counted.

The prints lie in references/gradients/operation_counts.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from estkit import gradients
from estkit.errors import DataError
from estkit.gradients import (
    OperationCount,
    activation_operations,
    affine_operations,
    convolution_operations,
    pooling_operations,
    softmax_operations,
)

FILE = Path(__file__).parents[1] / "references/gradients/operation_counts.json"
PRINTED = json.loads(FILE.read_text())
KINDS = ("multiplications", "additions", "comparisons", "exponentials", "divisions")


@pytest.mark.parametrize("case", PRINTED, ids=lambda case: f"{case['given']} {case['settings']}")
def test_the_tools_print_what_is_said(case: dict[str, Any]) -> None:
    function = getattr(gradients, f"{case['function']}_operations")
    assert dict(function(*case["given"], **case["settings"]).printed) == case["printed"]


def test_a_network_is_the_sum_of_its_layers_as_a_table_and_a_frame() -> None:
    layers = [
        convolution_operations((4, 1, 8, 8), (6, 1, 3, 3), padding=1),
        activation_operations("relu", (4, 6, 8, 8)),
        affine_operations(4, 384, 10),
        softmax_operations(4, 10),
    ]
    whole = layers[0] + layers[1] + layers[2] + layers[3]
    frame = whole.to_frame()
    assert list(frame.columns) == list(KINDS)
    for kind in KINDS:
        assert frame.loc["forward", kind] == sum(getattr(one.forward, kind) for one in layers)
        assert frame.loc["backward", kind] == sum(getattr(one.backward, kind) for one in layers)
    assert whole.printed["thop"] == sum(one.printed["thop"] for one in layers)
    assert f"thop {whole.printed['thop']}" in str(whole)
    assert "| forward |" in whole.to_markdown()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: convolution_operations((3, 5, 5), (4, 2, 3, 3)), "do not fit 3 channels"),
        (lambda: convolution_operations((5, 5), (4, 2, 3, 3)), r"give \(N, C, H, W\)"),
        (lambda: convolution_operations((2, 2, 2), (4, 2, 3, 3)), "empty"),
        (lambda: convolution_operations((2, 2, 2), (4, 2, 3)), "filters is"),
        (lambda: pooling_operations((2, 4, 4), 2, kind="min"), "'max' or 'average'"),  # type: ignore[arg-type]
        (lambda: pooling_operations((2, 9, 9), 2, kind="average", dilation=2), "never dilated"),
        (lambda: activation_operations("swish", (2,)), "one of identity, relu"),
        (lambda: affine_operations(0, 3, 2), "rows is 0"),
        (lambda: softmax_operations(2, 2.5), "classes is 2.5"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_counted_is_named(call: Callable[[], OperationCount], told: str) -> None:
    with pytest.raises(DataError, match=told):
        call()
