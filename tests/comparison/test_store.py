"""A store: nothing is fitted twice or lost, and nothing of another comparison is taken for its own.

How often a model was fitted is read from a file that it adds a letter to.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import estkit as ek
from estkit.montecarlo.parts import write_whole

X, Y = load_iris(return_X_y=True)
COUNTING = """
import os
import signal

from sklearn.tree import DecisionTreeClassifier


class Counting(DecisionTreeClassifier):
    def __init__(self, log=None, random_state=None):
        super().__init__(random_state=random_state)
        self.log = log

    def fit(self, X, y):
        with open(self.log, "a") as file:
            file.write("x")
        if os.path.getsize(self.log) >= int(os.environ.get("ENDS_AT", "99")):
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.getsize(self.log) == int(os.environ.get("STOPS_AT", "99")):
            raise KeyboardInterrupt
        if X[0, 0] != 5.1:
            raise ValueError("no first row")
        return super().fit(X, y)
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an estimator, in a file that other processes can import, and how often it was fit."""
    (tmp_path / "counting.py").write_text(COUNTING, "utf-8")
    (tmp_path / "log").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counting", raising=False)
    import counting

    return counting.Counting(str(tmp_path / "log"))


def fits(model: Any) -> int:
    return Path(model.log).stat().st_size


def same(one: ek.Comparison, other: ek.Comparison) -> bool:
    pd.testing.assert_frame_equal(one.predictions(), other.predictions())
    pd.testing.assert_frame_equal(one.failures(), other.failures())
    return one.scores().equals(other.scores()) and one.notes == other.notes


def files(store: Path) -> list[Path]:
    return sorted(store.glob("*.npz"))


def test_what_is_there_is_not_fitted_again(tmp_path: Path, counting: Any) -> None:
    store = tmp_path / "deep" / "store"
    given: dict[str, Any] = {"cv": (3, 2), "rng": 4}
    without = ek.compare({"c": counting, "knn": "knn"}, X, Y, **given)
    first = ek.compare({"c": counting, "knn": "knn"}, X, Y, **given, store=store)
    assert fits(counting) == 12
    again = ek.compare({"c": counting, "knn": "knn"}, X, Y, **given, store=str(store))
    assert fits(counting) == 12
    assert same(without, first)
    assert same(first, again)
    pd.testing.assert_frame_equal(first.table(), again.table())  # times and bytes, too
    failed = again.failures()
    assert set(failed["reason"]) == {"ValueError: no first row"}
    assert len(failed) == 2  # the first row is tested on once in each repeat
    assert len(files(store)) == 18


def test_a_model_that_is_added_is_fitted_alone(tmp_path: Path, counting: Any) -> None:
    given: dict[str, Any] = {"cv": 3, "rng": 4, "store": tmp_path / "store"}
    ek.compare({"c": counting}, X, Y, **given)
    both = ek.compare({"tree": DecisionTreeClassifier(), "c": counting}, X, Y, **given)
    assert fits(counting) == 3
    assert both.models == ("tree", "c", "baseline")
    assert same(
        ek.compare({"tree": "tree"}, X, Y, **given), ek.compare(["tree"], X, Y, cv=3, rng=4)
    )
    assert len(files(tmp_path / "store")) == 9
    ek.compare({"c": counting}, X, Y, **given)
    assert fits(counting) == 3


def test_workers_keep_the_same_numbers(tmp_path: Path) -> None:
    models = {"tree": DecisionTreeClassifier(max_features=1), "knn": "knn"}
    with joblib.parallel_config("threading"):  # processes: in the next test
        one, two = (
            ek.compare(models, X, Y, cv=4, rng=2, n_jobs=n, store=tmp_path / str(n)) for n in (1, 2)
        )
    assert same(one, two)
    arrays = []
    for n in (1, 2):
        found = {}
        for path in files(tmp_path / str(n)):
            with np.load(path) as file:
                found[path.name[:23]] = [file[a].tobytes() for a in ("prediction", "probability")]
        arrays.append(found)
    assert len(arrays[0]) == 12
    assert arrays[0] == arrays[1]


def test_a_run_that_is_interrupted_loses_the_trial_at_work_alone(
    tmp_path: Path, counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"cv": 8, "rng": 1, "store": tmp_path / "store"}
    with monkeypatch.context() as patched:
        patched.setenv("STOPS_AT", "6")
        with pytest.raises(KeyboardInterrupt):
            ek.compare({"c": counting}, X, Y, **given)
    assert len(files(tmp_path / "store")) == 5
    resumed = ek.compare({"c": counting}, X, Y, **given)
    assert fits(counting) == 6 + 3
    assert same(resumed, ek.compare({"c": counting}, X, Y, cv=8, rng=1))


def test_killed_workers_lose_the_trials_at_work_alone(tmp_path: Path, counting: Any) -> None:
    code = f"""
        import estkit as ek
        from sklearn.datasets import load_iris
        from counting import Counting
        ek.compare({{"c": Counting({counting.log!r})}}, *load_iris(return_X_y=True), cv=8, rng=1,
                   store={str(tmp_path / "store")!r}, n_jobs=2)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=120,
        check=False,
        env={**os.environ, "ENDS_AT": "6",
             "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    assert b"TerminatedWorker" in ended.stderr
    done, begun = len(files(tmp_path / "store")), fits(counting)
    assert done >= begun - 2  # what each worker was at when it ended
    assert done >= 4
    resumed = ek.compare({"c": counting}, X, Y, cv=8, rng=1, store=tmp_path / "store")
    assert fits(counting) - begun == 8 - done
    assert same(resumed, ek.compare({"c": counting}, X, Y, cv=8, rng=1))


def test_a_damaged_file_is_named_and_computed_anew(tmp_path: Path, counting: Any) -> None:
    given: dict[str, Any] = {"cv": 4, "rng": 1, "store": tmp_path}
    first = ek.compare({"c": counting}, X, Y, **given)
    bent = next(path for path in files(tmp_path) if "-000002-" in path.name)
    data = bytearray(bent.read_bytes())
    data[len(data) // 2] ^= 1
    bent.write_bytes(data)
    with pytest.warns(ek.EstkitWarning, match=rf"{bent.name}.* is damaged: .* fold 2 anew"):
        again = ek.compare({"c": counting}, X, Y, **given)
    assert same(first, again)
    assert fits(counting) <= 5  # 4 if the file is of the baseline
    assert bent.with_suffix(".damaged").exists()
    other = next(path for path in files(tmp_path) if "-000003-" in path.name)
    other.rename(tmp_path / other.name.replace("-000003-", "-000000-"))
    with pytest.warns(ek.EstkitWarning, match="damaged"):  # a good file in the wrong place
        assert same(first, ek.compare({"c": counting}, X, Y, **given))


def test_without_a_seed_it_is_that_of_the_store(tmp_path: Path) -> None:
    first = ek.compare("tree", X, Y, cv=3, store=tmp_path)
    again = ek.compare("tree", X, Y, cv=3, store=tmp_path)
    assert again.seed == first.seed
    assert again.folds.fingerprint == first.folds.fingerprint
    assert len(files(tmp_path)) == 6


def turned(at: int, value: Any) -> Any:
    changed = np.array(X if at else Y)
    changed[(0, 2) if at else 0] = value
    return changed


FRAME = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(np.where(X[:, 1] > 3, "wide", "thin")),
                      "c": np.where(X[:, 2] > 4, "long", None)})  # fmt: skip
SCALED = make_pipeline(StandardScaler(), KNeighborsClassifier(5))
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a value of X": ({}, {"X": turned(1, 9.0)}, "'x2' of X has other values now"),
    "a value of y": ({}, {"y": turned(0, 2)}, "y has other values now"),
    "labels": ({}, {"y": np.array(["a", "b", "c"])[Y]}, "y held 0, 1, 2, now 'a', 'b', 'c'"),
    "rows": ({}, {"X": X[:149], "y": Y[:149]}, "of 150 rows, now there are 149"),
    "sparse columns": ({}, {"X": sparse.csr_array(X)}, "X was a ndarray, now it is a csr_array"),
    "another column": (
        {"X": FRAME}, {"X": FRAME.rename(columns={"a": "d"})},
        "lacks the column 'a', and X has the new column 'd'",
    ),
    "an order of columns": ({"X": FRAME}, {"X": FRAME[["b", "a", "c"]]}, "in another order"),
    "an order of categories": (
        {"X": FRAME}, {"X": FRAME.assign(b=FRAME["b"].cat.reorder_categories(["wide", "thin"]))},
        "'b' of X has other values",
    ),
    "a missing text": (
        {"X": FRAME}, {"X": FRAME.assign(c=FRAME["c"].fillna("None"))}, "'c' of X has other values",
    ),
    "the seed": ({}, {"rng": 2}, "the seed was 1, now it is 2"),
    "the number of folds": ({}, {"cv": 4}, "it has 3 folds .*now there are 4 folds"),
    "an unseeded splitter": (
        {"cv": StratifiedKFold(3)}, {"cv": StratifiedKFold(3, shuffle=True)}, "needs a random_state"
    ),
    "a setting": (
        {"models": {"m": SCALED}}, {"models": {"m": make_pipeline(
            StandardScaler(), KNeighborsClassifier(7))}},
        "the model 'm': kneighborsclassifier__n_neighbors was int 5, now it is int 7",
    ),
    "a class": (
        {"models": {"m": LogisticRegression()}}, {"models": {"m": RidgeClassifier()}},
        "'m': its class was .*LogisticRegression.* now it is .*RidgeClassifier",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_store_of_something_else_is_refused_with_what_differs(case: str, tmp_path: Path) -> None:
    then, now, message = CHANGES[case]
    given = {"models": {"tree": "tree"}, "X": X, "y": Y, "cv": 3, "rng": 1, **then}
    ek.compare(**given, store=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ek.DataError, match=f"holds another comparison.*{message}.*another folder"):
        ek.compare(**{**given, **now}, store=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_code_of_a_class_is_part_of_a_model(tmp_path: Path, counting: Any) -> None:
    ek.compare({"c": counting}, X, Y, cv=3, rng=1, store=tmp_path / "store")
    file = tmp_path / "counting.py"
    file.write_text(COUNTING.replace("!= 5.1", "!= 5.2"), "utf-8")
    del sys.modules["counting"]
    import counting as anew

    with pytest.raises(ek.DataError, match=r"model 'c': its class fit its code was .*5.1.* 5.2"):
        ek.compare({"c": anew.Counting(counting.log)}, X, Y, cv=3, rng=1, store=tmp_path / "store")


def test_versions_and_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    given: dict[str, Any] = {"models": "tree", "X": X, "y": Y, "cv": 3, "rng": 1}
    first = ek.compare(**given, store=tmp_path)
    manifest = tmp_path / "manifest.json"
    text = manifest.read_text("utf-8")
    whole = json.loads(text)
    for change, message in (
        ({"versions": {**whole["versions"], "sklearn": "0.1"}}, "the version of sklearn was '?0.1"),
        ({"format": "estkit.store"}, "not the manifest of a comparison"),
        ({"version": 99}, "of version 99"),
        ({"models": None}, "an entry is missing"),
    ):
        manifest.write_text(json.dumps({**whole, **change}), "utf-8")
        with pytest.raises(ek.DataError, match=message):
            ek.compare(**given, store=tmp_path)
    manifest.write_text(text[:50], "utf-8")
    with pytest.raises(ek.DataError, match=r"is damaged: .*Delete it"):
        ek.compare(**given, store=tmp_path)
    manifest.unlink()
    times = {path.name for path in files(tmp_path)}
    assert same(first, ek.compare(**given, store=tmp_path))
    assert {path.name for path in files(tmp_path)} == times
    with pytest.raises(ek.DataError, match="store must be a folder"):
        ek.compare(**given, store=manifest)
    with pytest.raises(ek.DataError, match="cannot be read: Not a directory"):
        ek.compare(**given, store=manifest / "within")


def test_a_full_disk_is_told_and_what_was_written_is_used(
    tmp_path: Path, counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"

    def full(path: Path, data: bytes) -> None:
        if len(files(store)) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, data)

    with monkeypatch.context() as patched:
        patched.setattr("estkit.comparison.store.write_whole", full)
        with pytest.raises(ek.DataError, match=r"No space left .*is safe: make room"):
            ek.compare({"c": counting}, X, Y, cv=5, rng=1, store=store)
    resumed = ek.compare({"c": counting}, X, Y, cv=5, rng=1, store=store)
    assert fits(counting) == 4 + 2
    assert same(resumed, ek.compare({"c": counting}, X, Y, cv=5, rng=1))
