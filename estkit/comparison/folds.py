"""Folds: one stored set of splits, with a fingerprint, that every model is evaluated on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.errors import DataError
from estkit.montecarlo.streams import generator_of

Rows = NDArray[np.intp]
_SPLITS, _REPEATS = 10, 3  # by default


@dataclass(frozen=True, eq=False)
class Folds:
    """Splits of n rows into training and test rows, the same for every model.

    Parameters
    ----------
    train, test : tuple of arrays of int
        The rows of each fold, in ascending order.
    rows : int
        How many rows there are.
    scheme : str
        How they were made, in words.
    repeats : int
        How often every row is a test row; 0 if that is not the same for all.

    Examples
    --------
    >>> import numpy as np
    >>> from estkit.comparison.folds import make_folds
    >>> folds = make_folds(5, np.zeros((20, 1)), np.arange(20.0), rng=1)
    >>> len(folds), folds.test[0].size, folds.scheme
    (5, 4, '5-fold')
    """

    train: tuple[Rows, ...]
    test: tuple[Rows, ...]
    rows: int
    scheme: str
    repeats: int

    def __len__(self) -> int:
        return len(self.test)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all rows of all folds; equal for equal folds alone."""
        digest = hashlib.sha256(np.int64(self.rows).tobytes())
        for train, test in zip(self.train, self.test, strict=True):
            for part in (train, test):
                digest.update(np.int64(len(part)).tobytes() + np.asarray(part, np.int64).tobytes())
        return digest.hexdigest()

    @property
    def forward(self) -> bool:
        """Whether every fold is trained on rows before its test rows alone, as in time."""
        return all(a[-1] < b[0] for a, b in zip(self.train, self.test, strict=True))

    @property
    def weighed(self) -> int:
        """The fold whose models are looked at for their size: forward in time the last, longest."""
        return len(self.train) - 1 if self.forward else 0

    @property
    def test_share(self) -> float:
        """The average of n_test / n_train over the folds, as corrected tests need it."""
        ratios = [len(b) / len(a) for a, b in zip(self.train, self.test, strict=True)]
        return float(np.mean(ratios))


def make_folds(
    cv: Any, X: Any, y: NDArray[Any], *, groups: Any = None, rng: Any = None, classes: bool = False
) -> Folds:
    """Return the folds that `cv` stands for, made once.

    Parameters
    ----------
    cv : int, pair of int, str, splitter, iterable of pairs, Folds or None
        A number of folds; (folds, repeats); ``"loo"`` for every row by itself; ``"time"`` for
        training on the past only, ``("time", 5)`` in 5 folds; any scikit-learn splitter; pairs of
        training and test rows. By default 10 folds, 3 times. Folds are shuffled, stratified by
        class, and keep groups whole.
    X, y : array of n rows
        The data, for splitters that look at them.
    groups : array of shape (n,), optional
        Rows of one group are never split.
    rng : int, SeedSequence, Generator or None
        The seed of the shuffling.
    classes : bool
        Whether y holds classes, to stratify by.

    Raises
    ------
    DataError
        If there are fewer rows, groups or members of a class than folds, or a fold is empty or
        holds a training row twice or as a test row.
    """
    rows = len(y)
    if isinstance(cv, Folds):
        if cv.rows != rows:
            raise DataError(f"the folds are of {cv.rows} rows, the data have {rows}.")
        return cv
    if rows < 2:
        raise DataError(f"{rows} row cannot be split into training and test rows.")
    groups, sound = _checked_groups(groups, rows), False
    if isinstance(cv, str):
        pairs, scheme = _by_name(cv, rows, groups)
    elif isinstance(cv, tuple) and len(cv) == 2 and cv[0] == "time" and is_whole(cv[1]):
        pairs, scheme = _forward(int(cv[1]), rows, groups)
    elif cv is None or is_whole(cv) or (isinstance(cv, tuple) and all(map(is_whole, cv))):
        splits, repeats = _sizes(cv, groups)
        pairs = _shuffled(splits, repeats, y, groups, generator_of(rng), classes=classes)
        scheme = f"{splits}-fold" + (f" x {repeats}" if repeats > 1 else "")
        scheme += ", groups kept whole" if groups is not None else ""
        scheme += ", stratified" if classes else ""
        sound = groups is None  # groups may leave a fold empty
    elif hasattr(cv, "split"):
        pairs, scheme = _of_splitter(cv, X, y, groups), type(cv).__name__
    elif isinstance(cv, Iterable):
        pairs, scheme = cv, "given folds"
    else:
        raise DataError(
            f"cv must be a whole number, (folds, repeats), 'loo', 'time', a splitter or pairs of "
            f"training and test rows; got {cv!r}."
        )
    train, test = zip(*pairs, strict=True) if sound else _checked(pairs, rows)
    counts = np.bincount(np.concatenate(test), minlength=rows)
    repeats = int(counts[0]) if (counts == counts[0]).all() else 0
    return Folds(train, test, rows, scheme, repeats)


def _checked_groups(groups: Any, rows: int) -> NDArray[Any] | None:
    """Return groups as codes in order of their names, one for every row."""
    import pandas as pd

    if groups is None:
        return None
    given = np.asarray(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1 or len(given) != rows:
        raise DataError(
            f"groups must have one value for each of the {rows} rows, got shape {given.shape}."
        )
    missing = np.flatnonzero(pd.isna(given))
    if missing.size:
        raise DataError(f"groups has no value in row {missing[0]}; give every row a group.")
    if given.dtype.kind != "O":
        return given
    try:
        return np.asarray(np.unique(given, return_inverse=True)[1])
    except TypeError:  # kinds without a common order
        return np.asarray(pd.factorize(given)[0])


def _of_splitter(cv: Any, X: Any, y: NDArray[Any], groups: Any) -> list[Any]:
    try:
        return list(cv.split(X, y, groups))
    except (TypeError, ValueError) as error:  # such as groups that are needed and not there
        raise DataError(f"{type(cv).__name__} cannot split these rows: {error}") from error


def is_whole(value: Any) -> bool:
    """Return whether something is a whole number, which a truth value is not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _sizes(cv: Any, groups: Any) -> tuple[int, int]:
    if cv is None:
        most = _SPLITS if groups is None else min(_SPLITS, len(np.unique(np.asarray(groups))))
        return most, _REPEATS
    if isinstance(cv, tuple) and len(cv) != 2:
        raise DataError(f"a pair for cv is (folds, repeats), such as (10, 3); got {cv!r}.")
    splits, repeats = cv if isinstance(cv, tuple) else (cv, 1)
    if splits < 2 or repeats < 1:
        raise DataError(f"cv must be 2 folds or more, got {cv!r}; say 10, or (10, 3) to repeat.")
    return int(splits), int(repeats)


def _by_name(name: str, rows: int, groups: Any) -> tuple[Iterable[Any], str]:
    from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut

    frame = np.zeros((rows, 1))
    if name == "loo" and groups is None:
        return LeaveOneOut().split(frame), "leave-one-out"
    if name == "loo" and len(np.unique(groups)) < 2:
        raise DataError("groups has a single group, and without it no rows are left to train on.")
    if name == "loo":
        return LeaveOneGroupOut().split(frame, None, groups), "leave-one-group-out"
    if name == "time":
        return _forward(min(_SPLITS, rows - 1), rows, groups)
    raise DataError(f"cv must be a number, 'loo', 'time', a splitter or pairs; got {name!r}.")


def _forward(splits: int, rows: int, groups: Any) -> tuple[Iterable[Any], str]:
    """Return folds each of which is tested on rows after those it is trained on."""
    from sklearn.model_selection import TimeSeriesSplit

    if groups is not None:
        raise DataError("folds forward in time cannot keep groups whole; leave out groups.")
    if rows < 3:
        raise DataError(f"{rows} rows are too few for two folds forward in time, which take 3.")
    if not 2 <= splits < rows:
        raise DataError(f"{rows} rows make 2 to {rows - 1} folds forward in time, not {splits}.")
    pairs = TimeSeriesSplit(splits).split(np.zeros((rows, 1)))
    return pairs, f"{splits} folds forward in time"


def _shuffled(
    splits: int, repeats: int, y: Any, groups: Any, rng: np.random.Generator, *, classes: bool
) -> Iterable[tuple[Any, Any]]:
    """Yield the folds of every repeat, each repeat with a seed of its own."""
    from sklearn import model_selection as split

    seeds = [int(rng.integers(0, 1 << 31)) for _ in range(repeats)]
    if groups is not None:
        distinct = len(np.unique(np.asarray(groups)))
        if distinct < max(2, splits):
            what = "a single group" if distinct == 1 else f"{distinct} groups"
            raise DataError(f"groups has {what}, fewer than {max(2, splits)} folds.")
        kind = split.StratifiedGroupKFold if classes else split.GroupKFold
        frame = np.zeros((len(y), 1))
        for seed in seeds:
            yield from kind(splits, shuffle=True, random_state=seed).split(frame, y, groups)
        return
    if len(y) < splits:
        raise DataError(
            f"{len(y)} rows are fewer than {splits} folds; take {len(y)}, which leaves out every "
            f"row once, or fewer."
        )
    if classes:
        _check_members(y, splits)
    of_rows = _stratified(y, splits, seeds) if classes else _unstratified(len(y), splits, seeds)
    for numbers in of_rows:
        for fold in range(splits):
            inside = numbers == fold
            yield np.flatnonzero(~inside), np.flatnonzero(inside)


def _unstratified(rows: int, splits: int, seeds: Sequence[int]) -> Iterator[NDArray[np.intp]]:
    """Yield the fold of every row, for each seed as ``KFold`` shuffles, without its checks."""
    sizes = np.full(splits, rows // splits) + (np.arange(splits) < rows % splits)
    for seed in seeds:
        order = np.arange(rows)
        np.random.RandomState(seed).shuffle(order)
        numbers = np.empty(rows, np.intp)
        numbers[order] = np.repeat(np.arange(splits), sizes)
        yield numbers


def _stratified(y: Any, splits: int, seeds: Sequence[int]) -> Iterator[NDArray[np.intp]]:
    """Yield the fold of every row, for each seed as ``StratifiedKFold`` shuffles.

    Rows in order of their classes are dealt out to the folds in turn, which settles how many of
    each class a fold gets; which ones is drawn class by class, in the order of appearance.
    """
    _, first, found = np.unique(np.asarray(y), return_index=True, return_inverse=True)
    counts = np.bincount(found)[np.argsort(first)]
    members = [np.flatnonzero(found == code) for code in np.argsort(first)]
    starts = np.cumsum(counts) - counts
    dealt = [
        np.sort(np.arange(start, start + count) % splits)
        for start, count in zip(starts, counts, strict=True)
    ]
    for seed in seeds:
        draws, numbers = np.random.RandomState(seed), np.empty(len(found), np.intp)
        for rows, folds in zip(members, dealt, strict=True):
            own = folds.copy()
            draws.shuffle(own)
            numbers[rows] = own
        yield numbers


def _check_members(y: Any, splits: int) -> None:
    labels, counts = np.unique(np.asarray(y), return_counts=True)
    if counts.min() < splits:
        few, least = labels.tolist()[int(np.argmin(counts))], int(counts.min())
        if least == 1:
            raise DataError(
                f"class {few!r} has a single member, which cannot be trained on and tested both; "
                f"put it together with another class, or leave it out."
            )
        raise DataError(
            f"class {few!r} has {least} members, fewer than {splits} folds, so some folds would "
            f"not have it; take at most {least} folds, or put it together with another class."
        )


def _checked(pairs: Iterable[Any], rows: int) -> tuple[tuple[Rows, ...], tuple[Rows, ...]]:
    train, test = [], []
    for number, pair in enumerate(pairs):
        try:
            parts = [np.asarray(part) for part in pair]
            if any(part.dtype == bool and part.shape != (rows,) for part in parts):
                raise ValueError(f"truth values must be {rows}, one for each row")
            first, second = (np.flatnonzero(p) if p.dtype == bool else p for p in parts)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"fold {number} must be a pair of training rows and test rows: {error}."
            ) from error
        for part, name in ((first, "training"), (second, "test")):
            if part.ndim != 1 or part.size == 0 or part.dtype.kind not in "iu":
                raise DataError(f"fold {number} has no {name} rows, or no row numbers.")
            if part.min() < 0 or part.max() >= rows:
                raise DataError(f"fold {number} has {name} rows outside 0 to {rows - 1}.")
        counts = [np.bincount(part.astype(np.intp), minlength=rows) for part in (first, second)]
        for each, name in zip(counts, ("training", "test"), strict=True):
            if each.max() > 1:
                row = int(np.argmax(each > 1))
                raise DataError(f"fold {number} has the {name} row {row} twice.")
        both = np.flatnonzero(counts[0] & counts[1])
        if both.size:
            raise DataError(f"fold {number} has row {both[0]} for training and for testing.")
        train.append(np.flatnonzero(counts[0]))
        test.append(np.flatnonzero(counts[1]))
    if not test:
        raise DataError("cv gives no folds.")
    return tuple(train), tuple(test)
