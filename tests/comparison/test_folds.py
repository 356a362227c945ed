"""Folds are made once, cover every row as often, and tell themselves apart from others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold

import estkit as ek
from estkit.comparison.folds import make_folds

Y = np.repeat(["a", "b", "c"], [20, 30, 10])
X = np.zeros((60, 1))


@pytest.mark.parametrize("cv", [None, 5, (5, 4), "loo", KFold(6)])
def test_every_row_is_tested_as_often(cv: Any) -> None:
    folds = make_folds(cv, X, Y, rng=1, classes=True)
    counts = np.bincount(np.concatenate(folds.test), minlength=60)
    assert (counts == folds.repeats).all()
    for train, test in zip(folds.train, folds.test, strict=True):
        assert sorted([*train, *test]) == list(range(60))


def test_by_default_there_are_ten_folds_three_times_with_the_shares_of_classes() -> None:
    folds = make_folds(None, X, Y, rng=1, classes=True)
    assert (len(folds), folds.repeats, folds.scheme) == (30, 3, "10-fold x 3, stratified")
    for test in folds.test:
        assert [(Y[test] == label).sum() for label in "abc"] == [2, 3, 1]
    assert folds.test_share == pytest.approx(1 / 9)


def test_a_fingerprint_is_that_of_the_rows() -> None:
    one, same = (make_folds(5, X, Y, rng=1) for _ in range(2))
    assert one.fingerprint == same.fingerprint
    given = make_folds(zip(one.train, one.test, strict=True), X, Y)
    assert given.fingerprint == one.fingerprint
    others = [make_folds(5, X, Y, rng=2), make_folds(4, X, Y, rng=1), make_folds(5, X[:59], Y[:59])]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_groups_are_never_split() -> None:
    groups = np.arange(60) % 7
    for classes in (True, False):
        folds = make_folds((3, 2), X, Y, groups=groups, rng=1, classes=classes)
        for train, test in zip(folds.train, folds.test, strict=True):
            assert not set(groups[train]) & set(groups[test])
    assert len(make_folds("loo", X, Y, groups=groups)) == 7


def test_forward_in_time_the_past_alone_is_trained_on() -> None:
    folds = make_folds("time", X, np.arange(60.0))
    assert all(
        train.max() < test.min() for train, test in zip(folds.train, folds.test, strict=True)
    )
    assert folds.repeats == 0
    again = make_folds(("time", 10), X, np.arange(60.0))
    assert (again.fingerprint, again.scheme) == (folds.fingerprint, folds.scheme)
    few = make_folds(("time", 4), X, np.arange(60.0))
    assert [len(train) for train in few.train] == [12, 24, 36, 48]


def test_a_splitter_without_a_seed_is_asked_once() -> None:
    # scikit-learn gives every model folds of its own then
    result = ek.compare(
        {"one": "knn", "two": "knn"}, np.random.default_rng(1).normal(size=(60, 2)), Y,
        cv=ShuffleSplit(4, test_size=0.2), rng=1,
    )  # fmt: skip
    one, two = (result.values(model, result.scoring[0]) for model in ("one", "two"))
    assert one.tolist() == two.tolist()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "one fold": ({"cv": 1}, "2 folds or more"),
    "a rare class": ({"cv": 11, "classes": True}, "class 'c' has 10 members, fewer than 11"),
    "too few rows": ({"cv": 61}, "60 rows are fewer than 61 folds"),
    "too few groups": ({"cv": 5, "groups": np.arange(60) % 3}, "3 groups, fewer than 5"),
    "a name": ({"cv": "tenfold"}, "got 'tenfold'"),
    "a single member": (
        {"cv": 2, "y": np.arange(60) == 7, "classes": True},
        "class True has a single member, which cannot be trained on and tested both",
    ),
    "one fold in time": ({"cv": ("time", 1)}, "60 rows make 2 to 59 folds forward in time, not 1"),
    "too many in time": ({"cv": ("time", 60)}, "not 60"),
    "too few rows for time": ({"cv": "time", "y": Y[:2]}, "2 rows are too few"),
    "time and groups": ({"cv": "time", "groups": X[:, 0]}, "cannot keep groups"),
    "an empty fold": ({"cv": [([0, 1], [])]}, "no test rows"),
    "a row twice": ({"cv": [([0, 0], [1])]}, "training row 0 twice"),
    "a row outside": ({"cv": [([0, 1], [60])]}, "outside 0 to 59"),
    "a row in both": ({"cv": [([0, 1], [1])]}, "row 1 for training and for testing"),
    "no folds": ({"cv": []}, "gives no folds"),
    "no pairs": ({"cv": [3, 4]}, "fold 0 must be a pair"),
}


@pytest.mark.parametrize("case", WRONG)
def test_folds_that_cannot_be_are_refused(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(ek.DataError, match=message):
        make_folds(given.pop("cv"), X, given.pop("y", Y), rng=1, **given)


def test_folds_of_other_data_are_refused() -> None:
    folds = make_folds(5, X, Y)
    with pytest.raises(ek.DataError, match="60 rows, the data have 50"):
        make_folds(folds, X[:50], Y[:50])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", [KFold, StratifiedKFold])
def test_shuffled_folds_are_those_of_scikit_learn_for_the_same_seeds(kind: Any, seed: int) -> None:
    draws = np.random.default_rng(seed)
    splits, extra = int(draws.integers(2, 8)), int(draws.integers(0, 60))
    labels = np.array(["b", "zz", "a", "10"])[: draws.integers(2, 5)]
    y = draws.permutation(np.concatenate([np.repeat(labels, splits), draws.choice(labels, extra)]))
    folds = make_folds((splits, 2), y[:, None], y, rng=seed, classes=kind is StratifiedKFold)
    seeds = np.random.default_rng(np.random.SeedSequence(seed))
    known = []
    for _ in range(2):
        again = kind(splits, shuffle=True, random_state=int(seeds.integers(0, 1 << 31)))
        known += again.split(np.zeros((len(y), 1)), y)
    for train, test, (first, second) in zip(folds.train, folds.test, known, strict=True):
        assert train.tolist() == first.tolist() and test.tolist() == second.tolist()
