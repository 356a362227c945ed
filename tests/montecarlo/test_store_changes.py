"""A store refuses what has changed, and names it: two studies are never mixed."""

from __future__ import annotations

import functools
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek
from estkit.montecarlo.provenance import described, difference

SIZE = 20
BASE = """
import functools
import numpy as np
import estkit as ek

SCALE = 2.0

def helper(x):
    return x.sum()

class Trimmed:
    def __init__(self, share):
        self.share = share
    def __call__(self, x):
        return np.sort(x)[int(self.share * len(x)):].mean()

def make(shift):
    def draw(rng, n, spread=1.0):
        "Draw."
        return (rng.normal(shift, spread, size=n)).astype(np.float64)
    return draw

def total(x):
    return SCALE * helper(x)

estimators = {
    "mean": np.mean,
    "total": total,
    "trimmed": Trimmed(0.1),
    "var": functools.partial(np.var, ddof=1),
}
study = ek.Study(
    make(0.5), estimators, truth=lambda n: n * 1.0,
    conditions=[{"n": 5, "law": "a"}, {"n": 8, "law": "b"}],
    prepare=lambda rng: {"level": 3}, prepare_every=10, controls={"first": (lambda x: x[0], 0.5)},
)
"""


def study(text: str) -> ek.Study:
    """Return the study that a text defines."""
    space: dict[str, Any] = {"__name__": "simulation"}
    exec(text, space)
    return space["study"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('{"n": 8,', '{"n": 9,', "n of condition 1 was int 8, now it is int 9"),
        ('{"n": 8,', '{"n": 8.0,', "n of condition 1 was int 8, now it is float 8.0"),
        ('"law": "b"', '"law": "c"', "law of condition 1 was 'b', now it is 'c'"),
        ("rng.normal(shift", "2 * rng.normal(shift", "generate: its code"),
        ("np.float64", "np.float32", "generate: its code"),
        ("make(0.5)", "make(0.75)", "generate: what it closes over, shift was float 0.5, now"),
        ("spread=1.0", "spread=2.0", "generate: the default of spread was float 1.0, now"),
        ("SCALE = 2.0", "SCALE = 3.0", "'total': what it uses, SCALE was float 2.0, now it is f"),
        ("x.sum()", "x.max()", "'total': what it uses, helper its code"),
        ("SCALE * helper", "helper", "estimator 'total': its code"),
        ("Trimmed(0.1)", "Trimmed(0.2)", "'trimmed': state share was float 0.1, now it is float"),
        ("].mean()", "].max()", "estimator 'trimmed': object of __call__ its code"),
        ("ddof=1", "ddof=0", "'var': its argument ddof was int 1, now it is int 0"),
        ("np.mean", "np.median", "'mean' was numpy.mean"),
        ('"mean": np.mean,', "", "the estimator 'mean' is missing"),
        ('"mean": np.mean,', '"mean": np.mean, "max": np.max,', "the estimator 'max' is new"),
        ("n * 1.0", "n * 2.0", "truth: its code"),
        ('{"level": 3}', '{"level": 4}', "prepare: its code"),
        ("prepare_every=10", "prepare_every=5", "the option prepare_every was 10, now it is 5"),
        ("prepare_every=10", "antithetic=True", "the option antithetic"),
        ("prepare_every=10", "prepare_every=10, common_random_numbers=True", "common_random_n"),
        ("x[0], 0.5", "x[1], 0.5", "control 'first'"),
        ("x[0], 0.5", "x[0], 0.4", "control 'first': 1 was float 0.5, now it is float 0.4"),
    ],
    ids=str,
)
def test_a_change_is_refused_and_named(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert BASE.count(old) == 1
    study(BASE).run(SIZE, rng=1, store=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ek.DataError, match="holds another study") as found:
        study(BASE.replace(old, new)).run(SIZE, rng=1, store=tmp_path)
    assert told in str(found.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Draw."', '"Draw a sample."'),
        ("return x.sum()", "# what comes out\n    return x.sum()"),
        ("SCALE = 2.0", "\n\n\nSCALE = 2.0\nUNUSED = 1"),
    ],
    ids=["docstring", "comment", "place"],
)
def test_what_changes_no_number_is_no_change(old: str, new: str, tmp_path: Path) -> None:
    first = study(BASE).run(SIZE, rng=1, store=tmp_path)
    again = study(BASE.replace(old, new)).run(SIZE, rng=1, store=tmp_path)
    assert again.fingerprint() == first.fingerprint()


def entry(manifest: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        manifest = manifest[name]
    manifest[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("versions", "estkit"), "0.0.1", "the version of estkit was 0.0.1, now it is"),
        (("versions", "numpy"), "1.0", "the version of numpy was 1.0, now it is"),
        (("versions", "python"), "3.1", "the version of python was 3.1, now it is"),
        (("dtype",), "float32", "the dtype of the estimates was float32, now it is float64"),
        (("seed", "entropy"), 2, "the seed was 2, now it is 1"),
        (("seed", "spawn_key"), [5], "the seed was [5], now it is []"),
    ],
    ids=str,
)
def test_another_version_dtype_or_seed_is_refused(
    path: tuple[str, ...], value: Any, told: str, tmp_path: Path
) -> None:
    study(BASE).run(SIZE, rng=1, store=tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    entry(manifest, path, value)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ek.DataError, match="holds another study") as found:
        study(BASE).run(SIZE, rng=1, store=tmp_path)
    assert told in str(found.value)


def test_a_description_is_the_same_in_every_process(tmp_path: Path) -> None:
    text = BASE + (
        "\nimport json, sys, scipy.stats, pandas as pd\n"
        "from estkit.montecarlo.provenance import described\n"
        "FRAME = pd.DataFrame({'a': [1.0, 2.0], 'b': ['x', 'y']})\n"
        "names = {'one', 'two', 'three', 4}\n"
        "odd = lambda x: (x in {'u', 'v', 'w'}, FRAME, names)\n"
        "values = [study.generate, study.estimators, study.truth, odd, ek.Binomial(),\n"
        "          scipy.stats.norm(1, 2), scipy.stats.ttest_1samp, np.arange(3), ek.fit]\n"
        "print(json.dumps([described(value) for value in values]))\n"
    )
    (tmp_path / "script.py").write_text(text)
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed,
                       "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip
        ended = subprocess.run(
            [sys.executable, tmp_path / "script.py"],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        outputs.add(ended.stdout)
    assert len(outputs) == 1
    assert "0x" not in outputs.pop()  # no address of anything


def recursive(n: int) -> int:
    return 1 if n == 0 else n * recursive(n - 1)


@functools.lru_cache
def cached(n: int) -> int:
    return n + 1


ROUND: list[Any] = []
ROUND.append(ROUND)


@pytest.mark.parametrize(
    "value",
    [recursive, cached, ROUND, np.add, len, (1, 2.0), np.zeros((2, 3)), np.array([None, "a"]),
     {"a": {1, 2}}, ek.Estimate(1.0), np.random.default_rng(1), object(), float("nan"), b"x",
     classmethod(lambda own: 1), property(lambda own: 2), type("Own", (), {"k": 1})],
    ids=itertools.count(),
)  # fmt: skip
def test_anything_can_be_described(value: Any) -> None:
    first = json.loads(json.dumps(described(value)))
    assert difference(first, json.loads(json.dumps(described(value))))[0] == ()


PAIRS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x: x + 1, lambda x: x + 1.0),
    (lambda x: [i for i in x if i > 0], lambda x: [i for i in x if i > 1]),
    (lambda x, *, k=1: x, lambda x, *, k=2: x),
    (functools.partial(max, 1), functools.partial(max, 2)),
    (np.zeros(3).sum, np.ones(3).sum),
]


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_what_differs_is_described_differently(pair: tuple[Any, Any]) -> None:
    assert difference(described(pair[0]), described(pair[1]))[0] != ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("versions",), None), (("options",), {}), (("seed",), {}), (("seed", "entropy"), "x"),
        (("conditions",), [1]), (("conditions",), {}), (("replicates",), "many"),
        (("replicates",), [1]), (("estimators",), {}), (("controls",), None),
    ],
    ids=str,
)  # fmt: skip
def test_a_manifest_with_a_wrong_entry_is_named_as_damaged(
    path: tuple[str, ...], value: Any, tmp_path: Path
) -> None:
    study(BASE).run(SIZE, rng=1, store=tmp_path)
    file = tmp_path / "manifest.json"
    manifest = json.loads(file.read_text())
    entry(manifest, path, value)
    file.write_text(json.dumps(manifest))
    told = f"manifest.json' is damaged: wrong entry '{path[0]}'"
    with pytest.raises(ek.DataError, match=told):
        study(BASE).run(SIZE, rng=1, store=tmp_path)
    with pytest.raises(ek.DataError, match=told):
        study(BASE).run(SIZE, store=tmp_path)
    with pytest.raises(ek.DataError, match=told):
        ek.open_study(tmp_path)
