"""Every rule keeps the same promises, and agrees with torch and with finite differences.

The cases of references/gradients/rules.json are the registry: a new rule without one fails here,
and with one it is put through everything below.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from estkit import DataError, gradients
from estkit.gradients import Rule, activations, check_rule, rules

NAMES = [*rules.__all__, *activations.__all__]
FILE = Path(__file__).parents[1] / "references" / "gradients" / "rules.json"
FUNCTIONS = {"sin": (np.sin, np.cos)}  # of the rule `elementwise`, by the name of the case
DATA = {"X", "Y", "bias"}  # what may be given by place though it may be left out
LINEAR = {"product", "affine", "trace", "transpose", "reshape", "add", "subtract", "multiply",
          "divide", "sum", "mean", "identity", "l1_penalty"}  # fmt: skip

EQUAL = 1e-10  # relative, to torch; below ROUNDING of the largest entry both have only round-off
ROUNDING = 1e-14
SINGLE = 2e-5  # of the largest entry: some roundings of 6e-8, and condition numbers of tens


class Case(NamedTuple):
    rule: str
    name: str
    inputs: list[np.ndarray]
    fixed: list[Any]
    options: dict[str, Any]
    value: np.ndarray
    upstream: np.ndarray
    gradients: list[np.ndarray]

    def call(self, *inputs: Any) -> Rule:
        first = FUNCTIONS[self.name] if self.rule == "elementwise" else ()
        rule: Rule = getattr(gradients, self.rule)(*first, *inputs, *self.fixed, **self.options)
        return rule

    @property
    def is_smooth(self) -> bool:
        """Say whether differences can tell every derivative: no kink, and numbers near 1."""
        kinks = self.rule in ("l1_penalty", "leaky_relu", "relu", "elu") or self.name == "ties"
        far = "wide" in self.name or max(map(size, self.inputs)) > 100
        return not kinks and not far


def read(stored: dict[str, Any]) -> Case:
    options = {key: tuple(value) if key in ("axis", "axes") and isinstance(value, list) else value
               for key, value in stored["options"].items()}  # fmt: skip
    fixed = [tuple(one) if stored["rule"] == "reshape" else one for one in stored["fixed"]]
    arrays = {k: [np.array(x, dtype=float) for x in stored[k]] for k in ("inputs", "gradients")}
    value, upstream = (np.array(stored[k], dtype=float) for k in ("value", "upstream"))
    return Case(stored["rule"], stored["name"], arrays["inputs"], fixed, options, value, upstream,
                arrays["gradients"])  # fmt: skip


def size(array: Any) -> float:
    return float(np.max(np.abs(array), initial=0.0))


def assert_is_torch(case: Case, rule: Rule, upstream: np.ndarray) -> None:
    found = [rule.value, *rule.vjp(upstream)]
    for own, theirs in zip(found, [case.value, *case.gradients], strict=True):
        assert np.shape(own) == theirs.shape
        np.testing.assert_allclose(own, theirs, rtol=EQUAL, atol=ROUNDING * size(theirs))


CASES = [read(stored) for stored in json.loads(FILE.read_text(encoding="utf-8"))]


def each(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.rule} {case.name}")


def test_every_rule_has_a_reference_case() -> None:
    files = {getattr(gradients, name).__module__ for name in NAMES}
    found = {
        name for name, value in vars(gradients).items()
        if inspect.isfunction(value) and value.__module__ in files
        and inspect.signature(value).return_annotation == "Rule"
    }  # fmt: skip
    assert found == set(NAMES) == {case.rule for case in CASES}


@pytest.mark.parametrize("name", NAMES)
def test_options_are_keyword_only_and_docstrings_whole(name: str) -> None:
    function = getattr(gradients, name)
    for parameter in inspect.signature(function).parameters.values():
        is_option = parameter.name not in DATA and parameter.default is not parameter.empty
        assert not is_option or parameter.kind is parameter.KEYWORD_ONLY
    text = inspect.getdoc(function) or ""
    assert all(f"{part}\n----" in text for part in ("Parameters", "Returns", "Examples"))


@each(CASES)
def test_value_and_gradients_equal_torch(case: Case) -> None:
    assert_is_torch(case, case.call(*case.inputs), case.upstream)


@each(CASES)
def test_the_checker_of_gradients_finds_nothing_wrong(case: Case) -> None:
    check_rule(case.call, *case.inputs).raise_if_wrong(allow_unknown=not case.is_smooth)


@each(CASES)
def test_inputs_are_not_modified_and_may_lie_anyhow_in_memory(case: Case) -> None:
    spread = []
    for x in case.inputs:
        wide = np.full((*x.shape, 2), np.nan)
        wide[..., 0] = x
        spread.append(np.asfortranarray(wide)[..., 0])
        spread[-1].flags.writeable = False  # so that any attempt is an error
    upstream = case.upstream[..., None].repeat(2, axis=-1)[..., 0]
    assert_is_torch(case, case.call(*spread), upstream)


@each(CASES)
def test_nothing_handed_out_can_change_what_was_given(case: Case) -> None:
    inputs, upstream = [x.copy() for x in case.inputs], case.upstream.copy()
    rule = case.call(*inputs)
    for handed in (rule.value, *rule.vjp(upstream)):
        if np.ndim(handed) and handed.flags.writeable:
            handed[...] = 7.0
    for now, then in zip([*inputs, upstream], [*case.inputs, case.upstream], strict=True):
        np.testing.assert_array_equal(now, then)
    assert_is_torch(case, rule, upstream)


@each(CASES)
def test_single_precision_stays_single(case: Case) -> None:
    inputs = [x.astype(np.float32) for x in case.inputs]
    rule = case.call(*inputs)
    for own, theirs in zip([rule.value, *rule.vjp(case.upstream)], [case.value, *case.gradients],
                           strict=True):  # fmt: skip
        assert own.dtype == np.float32
        held = np.abs(theirs) < np.finfo(np.float32).max  # exp(500) is infinite in single precision
        theirs = np.where(held, theirs, 0)
        assert size(np.where(held, own, 0) - theirs) <= SINGLE * size(theirs)


@each(CASES)
def test_integers_become_double(case: Case) -> None:
    if case.rule.endswith("probabilities"):
        case = case._replace(inputs=[np.array([1, 0, 1, 1])])
    whole = [np.round(x).astype(int) for x in case.inputs]
    if case.rule in ("inverse", "log_abs_det", "solve"):
        whole[0] = whole[0] + 9 * np.eye(whole[0].shape[-1], dtype=int)
    found, wanted = case.call(*whole), case.call(*[x.astype(float) for x in whole])
    assert found.value.dtype == np.float64
    np.testing.assert_array_equal(found.value, wanted.value)


@each(CASES)
def test_an_upstream_of_another_shape_is_refused(case: Case) -> None:
    rule = case.call(*case.inputs)
    with pytest.raises(DataError, match=r"upstream has shape .* value has shape"):
        rule.vjp(np.zeros((*case.value.shape, 3)))
    with pytest.raises(DataError, match="upstream must hold real numbers"):
        rule.vjp(case.upstream.astype(complex))


@each(CASES)
def test_missing_numbers_show_in_value_and_gradient(case: Case) -> None:
    first = case.inputs[0].copy()
    first[(0,) * first.ndim] = np.nan
    rule = case.call(first, *case.inputs[1:])
    assert np.isnan(rule.value).any()
    if case.rule not in LINEAR:  # those of the others do not depend on the input itself
        assert any(np.isnan(gradient).any() for gradient in rule.vjp(case.upstream))


@each(CASES)
def test_complex_numbers_and_text_are_refused(case: Case) -> None:
    for other in (complex, str):
        with pytest.raises(DataError, match="must hold real numbers"):
            case.call(case.inputs[0].astype(other), *case.inputs[1:])
