"""One hash of all that came out, for every kind of study, however its replicates are computed."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo.execution import Execution, Span
from estkit.montecarlo.gathering import Gathered

SEED = 77
SIZES = (2000, 4000)  # large data sets: their blocks have 32 and 16 replicates
SHORT = 110  # replicates in each condition, more than a block of those that are drawn one by one
# Where pieces begin: at every replicate near the end of a block, every seventh, or once.
PIECES = {1: [0, *range(10, 18), *range(96, 110)], 7: [*range(0, SHORT, 7)], 1000: [0]}


def draw(rng: Any, n: int) -> Any:
    return rng.normal(size=n)


def draw_whole(rng: Any, replicates: int, n: int) -> Any:
    return rng.normal(size=(replicates, n))


def estimators(*, looped: bool, whole: bool) -> dict[str, Any]:
    """Return estimators that fail, warn, draw numbers of their own, one by one or in blocks."""

    def picky(x: Any, n: int) -> Any:
        if x[0] > 1:
            raise ValueError(f"{x[0]:.3f} is too large")
        return {"m": x.mean(), "s": x.std()}

    def noisy(x: Any) -> ek.Estimate:
        if x[1] > 1:
            warnings.warn(f"{x[1]:.2f} is large", stacklevel=1)
        status = "not_converged" if x[1] < -1 else "ok"
        return ek.Estimate(
            x.max(), std_error=x.std(), status=status, reason="" if status == "ok" else "low"
        )

    def gaps(x: Any) -> Any:
        if (x[:, 0] > 3).any():  # one bad data set fails the whole call
            raise ValueError("too large")
        return np.where(x[:, 1] > 1, np.nan, x.mean(axis=1))

    def loud(x: Any) -> Any:
        with np.errstate(divide="warn"):
            return {"log": np.log(np.maximum(x[:, 0], 0.0) + (x[:, 0] > -2)), "p": x.sum(axis=1)}

    one_by_one = {"picky": picky, "noisy": noisy, "own": lambda x, rng: x.mean() + rng.normal()}
    in_blocks = {
        "mean": np.mean, "gaps": ek.vectorized(gaps), "loud": ek.vectorized(loud),
        "own whole": ek.vectorized(lambda x, rng: x.mean(axis=1) + rng.normal(size=len(x))),
    }  # fmt: skip
    return {**(one_by_one if looped else {}), **(in_blocks if whole else {})}


def nested(rng: Any, n: int, center: float) -> Any:
    return ek.Sample(rng.normal(center, size=n), truth=center)


def populations(rng: Any) -> dict[str, Any]:
    return {"center": rng.normal()}


def make(kind: str, sizes: tuple[int, ...] = SIZES) -> ek.Study:
    options: dict[str, Any] = {"truth": 0.0}
    generate: Any = ek.vectorized(draw_whole) if "in blocks" in kind else draw
    if "nested" in kind:
        options = {"truth": None, "prepare": populations, "prepare_every": 6}
        generate = nested
        if "in blocks" in kind:
            options["truth"] = 0.0
            generate = ek.vectorized(
                lambda rng, replicates, n, center: rng.normal(center, size=(replicates, n))
            )
    if "antithetic" in kind:
        options["antithetic"] = True
    if "controls" in kind:
        options["controls"] = {"mean": (np.mean, 0.0), "first": (lambda x: x[0], 0.0)}
    functions = estimators(looped=True, whole="one by one only" not in kind)
    return ek.Study(generate, functions, conditions=ek.grid(n=list(sizes)), **options)


KINDS = [
    "drawn and estimated one by one only",
    "drawn one by one, estimated in both ways",
    "drawn in blocks, estimated in both ways",
    "nested, controls, one by one only",
    "nested, in blocks",
    "antithetic, one by one only",
    "antithetic, in blocks, controls",
    "antithetic, nested, in blocks",
]
each_kind = pytest.mark.parametrize("kind", KINDS)


def everything(result: ek.StudyResult) -> tuple[str, str]:
    """Return the hash of a result, and its warnings, which are not in it."""
    return result.fingerprint(), result.warnings().to_csv()


@functools.cache
def run(kind: str) -> ek.StudyResult:
    return make(kind).run(SHORT, rng=SEED)


@each_kind
def test_the_studies_have_failures_and_warnings(kind: str) -> None:
    result = run(kind)
    failed = set(result.failures()["estimator"])
    assert failed & {"picky", "gaps"}
    assert len(result.warnings()) >= 1


@each_kind
@pytest.mark.parametrize("piece", PIECES)
def test_replicates_may_be_computed_in_pieces_of_any_length(kind: str, piece: int) -> None:
    study, seed = make(kind), np.random.SeedSequence(SEED)
    gathered = Gathered(study, seed)
    spans = [
        Span(number, start, stop)
        for number in range(2) for start, stop in itertools.pairwise([*PIECES[piece], SHORT])
    ]  # fmt: skip
    for block, stop in Execution(study, seed, 1).blocks(spans):
        assert stop is None
        gathered.add(block)
    assert everything(gathered.result(study.truth)) == everything(run(kind))


@each_kind
def test_pieces_may_come_in_any_order(kind: str) -> None:
    study, seed = make(kind), np.random.SeedSequence(SEED)
    execution = Execution(study, seed, 1)
    step = max(execution.step(0), 16)
    spans = [Span(n, i, min(i + step, SHORT)) for n in range(2) for i in range(0, SHORT, step)]
    order = np.random.default_rng(1).permutation(len(spans))
    blocks = {}
    for position in order:
        blocks[position] = [block for block, _ in execution.blocks([spans[position]])]
    gathered = Gathered(study, seed)
    for position in range(len(spans)):
        for block in blocks[position]:
            gathered.add(block)
    assert everything(gathered.result(study.truth)) == everything(run(kind))


@each_kind
def test_any_number_of_workers_computes_the_same(kind: str) -> None:
    found = {everything(make(kind).run(SHORT, rng=SEED, n_jobs=n_jobs)) for n_jobs in (2, 3)}
    assert found == {everything(run(kind))}


@each_kind
def test_few_replicates_are_the_beginning_of_many(kind: str) -> None:
    few, many = (make(kind, (5,)).run(replicates, rng=SEED) for replicates in (120, 700))
    outcomes = {key: own.rows(0, 120) for key, own in many._outcomes.items()}
    truths = {
        key: own._replace(value=own.value[:120]) if own.value.ndim == 2 else own
        for key, own in many._truths.items()
    }
    first = dataclasses.replace(many, _outcomes=outcomes, _truths=truths)
    assert everything(first) == everything(few)


GENERATORS: dict[str, Callable[..., Any]] = {
    "one by one": draw,
    "blocks": ek.vectorized(draw_whole),
}


@pytest.mark.parametrize("drawn", GENERATORS)
def test_an_estimator_that_fails_on_a_third_changes_no_bit_of_the_others(drawn: str) -> None:
    def third(x: Any) -> Any:
        if x[0] > 0.43:
            raise ValueError("no")
        return x.mean()

    def hash_of(**more: Any) -> dict[str, str]:
        functions = {**more, **estimators(looped=True, whole=True)}
        study = ek.Study(GENERATORS[drawn], functions, truth=0.0, conditions=ek.grid(n=[5]))
        result = study.run(300, rng=SEED)
        if more:
            assert 0.25 < len(result.failures().query("estimator == 'third'")) / 300 < 0.42
        alone = {
            name: {key: own for key, own in result._outcomes.items() if key[1] == name}
            for name in estimators(looped=True, whole=True)
        }
        return {
            name: dataclasses.replace(result, _outcomes=own).fingerprint()
            for name, own in alone.items()
        }

    assert hash_of(third=third) == hash_of()
