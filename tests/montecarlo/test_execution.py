"""One answer, whoever computes it: workers, chunks, extensions, batches, failures, replays."""

from __future__ import annotations

import functools
import hashlib
import itertools
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

import estkit as ek
from estkit import parallel

SEED = 2026
# A replay runs an estimator alone, a study perhaps for a block: twelve digits are promised.
BATCH = 1e-12
FIELDS = ("estimate", "std_error", "lower", "upper")

Functions = dict[str, Callable[..., Any]]


def digest(*frames: pd.DataFrame) -> str:
    """Return a hash of tables, bit by bit."""
    found = hashlib.sha256()
    for name, column in (item for frame in frames for item in frame.items()):
        values = column.to_numpy()
        numbers = values.dtype.kind in "fi"
        found.update(str(name).encode())
        found.update(values.tobytes() if numbers else repr(values.tolist()).encode())
    return found.hexdigest()


def everything(result: ek.StudyResult) -> str:
    return digest(result.outcomes(), result.failures(), result.warnings())


def part(result: ek.StudyResult, estimator: str | None = None, replicates: int = 10**9) -> str:
    """Return a hash of the leading outcomes of an estimator, or of all, at the first n."""
    frame = result.outcomes()
    chosen = (frame["replicate"] < replicates) & (frame["n"] == frame["n"][0])
    if estimator is not None:
        chosen &= frame["estimator"] == estimator
    assert chosen.any()
    return digest(frame[chosen])


# The functions below are made inside of functions, so that workers get them by value.
def generators() -> Functions:
    def whole(rng: Any, replicates: int, n: int) -> Any:  # two draws: whole blocks or other numbers
        return rng.normal(size=(replicates, n)) * rng.choice([0.5, 1.0], size=(replicates, n))

    return {"looped": lambda rng, n: rng.normal(size=n), "vectorized": ek.vectorized(whole)}


def estimators() -> Functions:
    """Return one of each kind: batched, looped, with rng, with errors, failing, warning."""

    def picky(x: Any) -> float:
        if x[0] > 1:
            raise ValueError(f"{x[0]:.3f} is too large")
        return float(x.mean())

    def noisy(x: Any) -> float:
        if x[0] > 1:
            warnings.warn("large", stacklevel=1)
        return float(x.max())

    def both(x: Any) -> ek.Estimate:
        return ek.Estimate([x.mean(), x.std()], names=["m", "s"], std_error=[x.std(), 1.0])

    def twice(x: Any, rng: Any) -> Any:  # two draws: the second must not depend on how many rows
        return x.mean(axis=1) + rng.normal(size=len(x)) + rng.normal(size=len(x))

    own: Functions = {"rng": lambda x, rng: rng.choice(x), "vectorized rng": ek.vectorized(twice)}
    spread = ek.vectorized(lambda x: {"range": np.ptp(x, axis=1), "max": x.max(axis=1)})
    return {"mean": np.mean, "spread": spread, "picky": picky, "noisy": noisy, "both": both, **own}


def study(kind: str = "looped", functions: Functions | None = None, n: Any = (5, 8)) -> ek.Study:
    functions = estimators() if functions is None else functions
    return ek.Study(generators()[kind], functions, truth=0.0, conditions=ek.grid(n=list(n)))


@functools.cache
def run(kind: str, replicates: int) -> ek.StudyResult:
    return study(kind, n=[5]).run(replicates, rng=SEED)


KINDS = ("looped", "vectorized")


class Tasks:
    """Decides how long a block seems to take, and notes how many tasks come of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.counts: list[int] = []
        self.patch = patch
        real = parallel.map_tasks

        def noted(function: Any, given: Any, **options: Any) -> Any:
            self.counts.append(len(given))
            return real(function, given, **options)

        patch.setattr(parallel, "map_tasks", noted)

    def let_a_block_take(self, seconds: float) -> None:
        ticks = itertools.count()
        self.counts.clear()
        self.patch.setattr(time, "perf_counter", lambda: next(ticks) * seconds)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    return Tasks(monkeypatch)


# --- one answer ---


@pytest.mark.parametrize("kind", KINDS)
def test_one_two_and_three_workers_give_the_same_bytes(kind: str) -> None:
    runs = [study(kind).run(1100, rng=SEED, n_jobs=n_jobs) for n_jobs in (1, 2, 3)]
    assert len({everything(run) for run in runs}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_any_chunking_gives_the_same_bytes(kind: str, tasks: Tasks) -> None:
    expected = everything(study(kind).run(2100, rng=SEED))
    most = []
    for seconds in (1e-9, 0.1, 10.0):
        tasks.let_a_block_take(seconds)
        assert everything(study(kind).run(2100, rng=SEED, n_jobs=2)) == expected
        most.append(max(tasks.counts))
    assert most == sorted(set(most))  # three chunkings indeed


@pytest.mark.parametrize("kind", KINDS)
def test_threads_chosen_by_parallel_config_give_the_same_bytes(kind: str, tasks: Tasks) -> None:
    functions = {n: f for n, f in estimators().items() if n != "noisy"}  # Python's own limit
    expected = digest(study(kind, functions, n=[2000]).run(1100, rng=SEED).outcomes())
    tasks.let_a_block_take(10.0)
    with joblib.parallel_config(backend="threading", n_jobs=3):
        result = study(kind, functions, n=[2000]).run(1100, rng=SEED)
    assert max(tasks.counts) > 5
    assert digest(result.outcomes()) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("few", [1, 130, 1000])
@pytest.mark.parametrize("name", list(estimators()))
def test_few_replicates_are_a_prefix_of_many(kind: str, few: int, name: str) -> None:
    assert part(run(kind, few), name) == part(run(kind, 10_000), name, few)


def test_a_bad_replicate_beyond_the_end_does_not_change_what_came_before() -> None:
    # a block that fails is looped, and its last bits may not tell whether it was cut before that
    def steep(x: Any) -> Any:
        if (x[:, 0] > 3).any():
            raise ValueError("too large")
        return x @ (1 / np.arange(1.0, 6.0))

    whole = study("vectorized", {"steep": ek.vectorized(steep)}, n=[5])
    many = whole.run(512, rng=SEED)
    first = int(many.failures()["replicate"].iloc[0])
    assert first > 1
    assert part(whole.run(first, rng=SEED)) == part(many, replicates=first)


@pytest.mark.parametrize("kind", KINDS)
def test_more_estimators_and_conditions_change_no_number_of_the_others(kind: str) -> None:
    functions = estimators()
    wanted = {name: functions[name] for name in ("mean", "picky", "rng", "vectorized rng")}
    alone = study(kind, wanted, n=[5]).run(300, rng=SEED)
    reordered = dict(reversed([*functions.items(), ("new", np.median)]))
    among = study(kind, reordered, n=[5, 8, 9]).run(300, rng=SEED)
    assert [part(alone, name) for name in wanted] == [part(among, name) for name in wanted]


# --- trouble in generate, and interruptions ---


def failing_at(k: int, error: type[BaseException]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a generator and an estimator that work k times and then raise."""
    calls = itertools.count()

    def work(x: Any) -> Any:
        if next(calls) >= k:
            raise error("enough")
        return x

    return (lambda rng: work(rng.normal(size=3))), (lambda x: work(x).mean())


@pytest.mark.parametrize("k", [0, 50, 250])
@pytest.mark.parametrize("where", ["generate", "estimator"])
def test_what_stops_a_study_leaves_every_complete_replicate_in_partial(k: int, where: str) -> None:
    full = ek.Study(lambda rng: rng.normal(size=3), {"it": lambda x: x.mean()}).run(400, rng=SEED)
    if where == "generate":
        broken = ek.Study(failing_at(k, ValueError)[0], {"it": lambda x: x.mean()})
        expected, message = (
            ek.StudyError,
            f"ValueError in replicate {k} of the only condition: enough",
        )
    else:
        broken = ek.Study(
            lambda rng: rng.normal(size=3), {"it": failing_at(k, KeyboardInterrupt)[1]}
        )
        expected, message = ek.StudyInterrupted, "stopped"
    with pytest.raises(expected, match=message) as caught:
        broken.run(400, rng=SEED)
    partial = caught.value.partial
    kept = 0 if partial is None else len(partial.outcomes())
    assert kept == 0 or partial.outcomes().equals(full.outcomes().head(kept))
    assert kept == k


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_trouble_in_a_later_condition_keeps_the_earlier_ones(n_jobs: int) -> None:
    def generate(rng: Any, n: int) -> Any:
        x = rng.normal(size=n)
        if n == 8 and x[0] > 1.5:
            raise ValueError("too large")
        return x

    three = ek.Study(generate, {"mean": np.mean}, truth=0.0, conditions=ek.grid(n=[5, 8, 9]))
    with pytest.raises(ek.StudyError, match=r"ValueError .* of condition n=8: too large") as caught:
        three.run(400, rng=SEED, n_jobs=n_jobs)
    expected = study("looped", {"mean": np.mean}, n=[5]).run(400, rng=SEED)
    assert part(caught.value.partial) == part(expected)


def test_work_that_cannot_be_sent_to_workers_is_refused_in_words() -> None:
    lock = threading.Lock()
    locked = ek.Study(lambda rng: rng.normal(size=3) if lock else None, {"mean": np.mean})
    assert len(locked.run(200, rng=SEED).outcomes()) == 200
    with pytest.raises(ek.EstkitError, match="n_jobs"):
        locked.run(200, rng=SEED, n_jobs=2)


# --- replay ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(estimators()))
def test_a_replay_gives_the_stored_outcome(kind: str, name: str) -> None:
    result = run(kind, 1000)
    rows = result.outcomes()
    failures = result.failures().set_index(["estimator", "replicate"])["reason"]
    for replicate in (0, 1, 99, 100, 516, 998, *failures[name:name].index.get_level_values(1)[:2]):
        stored = rows[(rows["estimator"] == name) & (rows["replicate"] == replicate)]
        again = result.replay(replicate, {"n": 5}).estimates[name]
        assert again.status == stored["status"].iloc[0]
        assert again.reason == failures.get((name, replicate), "")
        assert list(again.names) == stored["parameter"].tolist()
        assert again.to_frame()[list(FIELDS)].to_numpy() == pytest.approx(
            stored[list(FIELDS)].to_numpy(), rel=BATCH, abs=BATCH, nan_ok=True
        )


def test_a_replay_gives_the_data_that_the_estimators_got() -> None:
    for kind in KINDS:
        seen = study(kind, {"first": lambda x: x[0], "last": lambda x: x[-1]}, n=[5, 8])
        frame = seen.run(600, rng=SEED).outcomes()
        for replicate, condition in [(0, 0), (1, 1), (511, {"n": 5}), (599, {"n": 8})]:
            replay = seen.replay(replicate, condition, rng=SEED)
            own = frame[(frame["replicate"] == replicate) & (frame["n"] == replay.condition["n"])]
            assert replay.data[[0, -1]].tolist() == own["estimate"].tolist()
            assert (replay.replicate, dict(replay.truth)) == (replicate, {"first": 0, "last": 0})


def test_a_replay_needs_no_other_replicate() -> None:
    drawn: list[int] = []
    one = ek.Study(lambda rng: drawn.append(1) or rng.normal(size=3), {"it": lambda x: x.mean()})
    one.replay(10**15, rng=SEED)
    assert len(drawn) == 1


# --- progress ---


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_counts_the_replicates_of_all_conditions(
    n_jobs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    study("looped", {"mean": np.mean}).run(250, rng=SEED, n_jobs=n_jobs)
    assert capsys.readouterr() == ("", "")
    shown = study("looped", {"mean": np.mean}).run(250, rng=SEED, n_jobs=n_jobs, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "500/500" in err and "100%" in err
    assert everything(shown) == everything(study("looped", {"mean": np.mean}).run(250, rng=SEED))
