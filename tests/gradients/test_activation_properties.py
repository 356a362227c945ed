"""The table of properties is what the literature says, and can say otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from estkit import gradients as g

TABLE = g.activation_properties()


def where(column: str) -> set[str]:
    return set(TABLE.index[TABLE[column].astype(bool)])


def test_all_activations_are_in_it() -> None:
    assert {name.split(",")[0] for name in TABLE.index} == set(g.activations.__all__)


def test_what_each_activation_is() -> None:
    everything = set(TABLE.index)
    kinked = {"relu", "leaky_relu", "prelu, slope 0.25", "elu, alpha 0.5"}
    assert where("continuous") == everything
    assert where("differentiable") == everything - kinked
    assert (TABLE.loc[sorted(kinked), "kink"] == 0).all()
    assert where("monotone") == everything - {"gelu", "gelu, approximate"}
    assert where("zero_centred") == {"identity", "tanh"}
    assert where("never_negative") == {"sigmoid", "exp", "softplus", "relu"}
    assert where("near_identity") == {"identity", "tanh", "elu"}


def test_which_side_saturates() -> None:
    left = {"exp", "softplus", "relu", "elu", "elu, alpha 0.5", "gelu", "gelu, approximate"}
    for name, side in TABLE["saturates"].items():
        both = "both" if name in ("tanh", "sigmoid") else ""
        assert side == ("left" if name in left else both)


@pytest.mark.parametrize(
    ("name", "lower", "upper"),
    [
        ("identity", -np.inf, np.inf), ("tanh", -1, 1), ("sigmoid", 0, 1), ("exp", 0, np.inf),
        ("relu", 0, np.inf), ("leaky_relu", -np.inf, np.inf), ("elu", -1, np.inf),
        ("elu, alpha 0.5", -0.5, np.inf), ("gelu", -0.16997120747990369, np.inf),
    ],
)  # fmt: skip
def test_ranges(name: str, lower: float, upper: float) -> None:
    # The minimum of GELU by Newton's method in high precision; a grid of 1e-6 leaves 1e-12.
    assert TABLE.loc[name, ["lower", "upper"]].tolist() == pytest.approx([lower, upper], abs=1e-10)


def test_mean_outputs() -> None:
    # E max(Z, 0) = 1 / √(2π), E exp(Z) = √e, E Z Φ(Z) = 1 / (2√π); trapezoids leave 1e-7.
    wanted = {"relu": (2 * np.pi) ** -0.5, "exp": np.exp(0.5), "gelu": 0.5 * np.pi**-0.5,
              "sigmoid": 0.5}  # fmt: skip
    for name, mean in wanted.items():
        assert TABLE.loc[name, "mean_output"] == pytest.approx(mean, abs=1e-6)


def test_steps_and_kinks_are_found_wherever_they_are() -> None:
    def step(x: np.ndarray) -> g.Rule:
        return g.elementwise(lambda z: (z > 1.25).astype(float), np.zeros_like, x)

    def bend(x: np.ndarray) -> g.Rule:
        return g.relu(x + np.pi)

    table = g.activation_properties(functions={"step": step, "bend": bend})
    assert table["continuous"].tolist() == [False, True]
    assert table["differentiable"].tolist() == [False, False]
    assert table["kink"].tolist() == pytest.approx([1.25, -np.pi], abs=1e-12)
    assert table["saturates"].tolist() == ["both", "left"]
