"""The hash of a result: the same for the same bytes, another one for any other byte."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo import gathering
from estkit.montecarlo.joining import join
from estkit.montecarlo.outcomes import Failure, Outcomes, collect

SIZE = 60


def spread(x: np.ndarray) -> ek.Estimate:
    """Answer with a standard error, fail now and then."""
    if x[0] > 1.5:
        raise ValueError("too large")
    return ek.Estimate(x.std(ddof=1), std_error=x.std(ddof=1) / np.sqrt(2 * len(x)))


def study() -> ek.Study:
    """Return a study of two estimators in two conditions, one of which fails sometimes."""
    return ek.Study(
        lambda rng, n: rng.normal(size=n),
        {"mean": np.mean, "spread": spread},
        truth={"mean": 0.0, "spread": 1.0},
        conditions=ek.grid(n=[5, 8]),
    )


def test_the_same_study_has_the_same_hash_and_another_seed_another_one() -> None:
    one, again, other = (study().run(SIZE, rng=seed).fingerprint() for seed in (1, 1, 2))
    assert one == again != other
    assert len(one) == len(bytes.fromhex(one)) * 2 == 64


def change(result: ek.StudyResult, **changes: Callable[[Outcomes], Any]) -> str:
    """Return the hash after one cell of a result was changed."""
    key = (1, "spread")
    changed = {field: function(result._outcomes[key]) for field, function in changes.items()}
    outcomes = {**result._outcomes, key: dataclasses.replace(result._outcomes[key], **changed)}
    return dataclasses.replace(result, _outcomes=outcomes).fingerprint()


def one_bit_up(column: Any) -> Any:
    changed = column.copy()
    changed[-1] = np.nextafter(changed[-1], np.inf)
    return changed


@pytest.mark.parametrize(
    "changes",
    [
        {"estimate": lambda o: one_bit_up(o.estimate)},
        {"std_error": lambda o: one_bit_up(o.std_error)},
        {"upper": lambda o: None},
        {"status": lambda o: np.roll(o.status, 1)},
        {"reasons": lambda o: dict.fromkeys(o.reasons, "another reason")},
        {"names": lambda o: ("another name",)},
        {"level": lambda o: 0.9},
        {"first": lambda o: 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_is_changed_shows(changes: dict[str, Callable[[Outcomes], Any]]) -> None:
    result = study().run(SIZE, rng=1)
    assert change(result, estimate=lambda o: o.estimate.copy()) == result.fingerprint()
    assert change(result, **changes) != result.fingerprint()


def test_another_truth_shows() -> None:
    other = study()
    other.truth = {"mean": 0.0, "spread": 2.0}
    assert other.run(SIZE, rng=1).fingerprint() != study().run(SIZE, rng=1).fingerprint()


def test_a_column_of_nan_is_as_no_column_and_all_nan_are_one() -> None:
    result = study().run(SIZE, rng=1)
    empty = change(result, p_value=lambda o: np.full_like(o.estimate, np.nan))
    negative = change(result, p_value=lambda o: np.full_like(o.estimate, -np.nan))
    assert empty == negative == result.fingerprint()


ANSWERS = [
    Failure("no answer"),
    {"a": 1.0},
    {"b": 2.0},
    {"b": np.nan},
    {"b": np.inf, "c": 1.0},
    ek.Estimate(3.0, names=["b"], std_error=0.5),
    ek.Estimate(4.0, names=["b"], status="not_converged", reason="cycling"),
    {"a": 5.0},
    {"a": np.nan},
    {"b": 2.0},
]
CUTS = [cuts for k in range(4) for cuts in itertools.combinations(range(1, len(ANSWERS)), k)]


@pytest.mark.parametrize("order", [1, -1])
def test_answers_under_several_names_are_joined_alike_however_they_are_cut(order: int) -> None:
    answers = ANSWERS[::order]
    whole = as_values(collect(answers, 0, {}))
    for cuts in CUTS:
        parts = [
            collect(answers[start:stop], start, {})
            for start, stop in itertools.pairwise((0, *cuts, len(answers)))
        ]
        assert as_values(join(parts)) == whole
        if len(parts) > 2:
            assert as_values(join([parts[0], join(parts[1:])])) == whole


def as_values(outcome: Outcomes) -> str:
    columns = [outcome.column(name).tolist() for name in ("estimate", "std_error", "lower")]
    return repr([outcome.names, columns, outcome.status.tolist(), sorted(outcome.reasons.items())])


def test_outcomes_put_together_without_a_copy_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def draw(rng: np.random.Generator, replicates: int) -> np.ndarray:
        return rng.standard_normal((replicates, 3))

    study = ek.Study(ek.vectorized(draw), {"mean": np.mean, "max": np.max}, truth=0.0)
    copied = study.run(5000, rng=1).fingerprint()
    monkeypatch.setattr(gathering, "_MANY", 1)
    assert study.run(5000, rng=1).fingerprint() == copied
