"""Models that were not fitted, each with the seed of its name and its fold."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from estkit.comparison.candidates import Candidate
from estkit.montecarlo.streams import own_purpose

_AHEAD = 16  # models that are made at once, while what makes them is in the cache
_SMALL = 20_000  # bytes of a model of which so many may lie about


class Maker:
    """Makes models that were not fitted, each with the seed of its fold.

    To unpickle a model takes a tenth of the time of cloning it, which for small data is some of the
    time of fitting it; several at once take a fraction of that.
    """

    def __init__(
        self, candidate: Candidate, seed: np.random.SeedSequence, *, seen: bool = False
    ) -> None:
        self.candidate, self.seed, self.seen = candidate, seed, seen
        self._open: list[str] | None = None
        self._pickled = b""
        self._made: dict[int, Any] = {}

    def make(self, fold: int) -> Any:
        """Return a clone of the candidate; those of the folds that follow are made ahead."""
        if self._open is None:
            first = self._clone()
            self._open = _open_seeds(first)
            with suppress(Exception):  # parameters such as lambdas; then clones are made
                self._pickled = pickle.dumps(first, pickle.HIGHEST_PROTOCOL)
        if fold not in self._made:
            ahead = _AHEAD if 0 < len(self._pickled) < _SMALL else 1
            self._made = {each: self._seeded(each) for each in range(fold, fold + ahead)}
        return self._made.pop(fold)

    def _clone(self) -> Any:
        from sklearn.base import clone

        return pickle.loads(self._pickled) if self._pickled else clone(self.candidate.estimator)

    def _seeded(self, fold: int) -> Any:
        assert self._open is not None
        return _with_seed(self._clone(), self._open, self.candidate.name, fold, self.seed)


def seeded(model: Any, name: str, fold: int, seed: np.random.SeedSequence) -> Any:
    """Return a model whose own randomness is that of its name and the fold."""
    return _with_seed(model, _open_seeds(model), name, fold, seed)


def _open_seeds(model: Any) -> list[str]:
    return [
        key for key, value in model.get_params().items()
        if key.split("__")[-1] == "random_state" and value is None
    ]  # fmt: skip


def _with_seed(
    model: Any, open_ones: Sequence[str], name: str, fold: int, seed: np.random.SeedSequence
) -> Any:
    if open_ones:
        key = (*seed.spawn_key, 1, fold, own_purpose(name) % (1 << 32))
        state = np.random.SeedSequence(seed.entropy, spawn_key=key).generate_state(1)[0]
        for path in open_ones:
            _set_seed(model, path, int(state))
    return model


def _set_seed(model: Any, path: str, state: int) -> None:
    """Set the random state of a model or of a step of a pipeline.

    `set_params` looks at every parameter of every step first, which takes longer than a small fit.
    """
    from sklearn.base import BaseEstimator

    step, _, rest = path.rpartition("__")
    owner: Any = dict(getattr(model, "steps", ())).get(step) if step else model
    if rest == "random_state" and getattr(type(owner), "set_params", 0) is BaseEstimator.set_params:
        owner.random_state = state
    else:
        model.set_params(**{path: state})
