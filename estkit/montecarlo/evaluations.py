"""Evaluations of a measure at places of an entry, which a search asks for."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, StudyError
from estkit.montecarlo import conditions as settings
from estkit.montecarlo.crossing import LOG, Seen, scale_of_entry, scale_of_measure
from estkit.montecarlo.influence import Measure
from estkit.montecarlo.summary import Cell, measured

if TYPE_CHECKING:
    from estkit.montecarlo.study import Study

SEARCH = (0, 1)  # the stages in which places share random numbers


class Evaluations:
    """A measure at places of an entry: how it is computed there, and what was found so far."""

    def __init__(
        self,
        study: Study,
        name: str,
        condition: dict[str, Any],
        measure: tuple[str, Measure],
        target: float,
        estimator: str | None,
        parameter: str | None,
        whole: bool,
        bounds: tuple[float, float],
        seed: np.random.SeedSequence,
        n_jobs: int | None,
        max_evaluations: int,
    ) -> None:
        self.study, self.name, self.condition = study, name, condition
        (self.measure, self.formula), self.target = measure, target
        self.whole, self.bounds = whole, bounds
        self.estimator, self.parameter = estimator, parameter
        self.seed, self.n_jobs, self.left = seed, n_jobs, max_evaluations
        self.scale = scale_of_measure(self.formula)
        self.entry = scale_of_entry(self.formula, whole=whole, least=bounds[0])
        self.seen: list[Seen] = []
        self.who = "", ""
        self.group = study.group_size()

    def evaluate(self, places: Sequence[float], replicates: int, stage: int) -> list[Seen]:
        """Return the measure at some places, all with the same random numbers."""
        self.left -= len(places)
        if self.left < 0:
            raise StudyError(
                f"No {self.name} was found in max_evaluations; the last were {self.last()}. Give "
                f"bounds closer to the answer, or allow more."
            )
        own = copy.copy(self.study)
        own.conditions = settings.checked(
            [{**self.condition, self.name: place} for place in places]
        )
        own.common_random_numbers = stage in SEARCH
        unit = math.lcm(2, self.group)
        seed = np.random.SeedSequence(
            self.seed.entropy, spawn_key=(*self.seed.spawn_key, stage)
        )  # fmt: skip
        count = math.ceil(replicates / unit) * unit
        result = own.run(count, rng=seed, n_jobs=self.n_jobs)
        found = [self._seen(cell, stage) for cell in result.cells() if self._meant(cell, result)]
        self.seen += found
        return found

    def _meant(self, cell: Cell, result: Any) -> bool:
        """Return whether a cell is the one that is solved for, and raise where that is unclear."""
        for what, wanted, known in (
            ("estimator", self.estimator, list(result.estimators)),
            ("parameter", self.parameter, sorted({c.parameter for c in result.cells()
                if self.estimator in (None, c.estimator)})),
        ):  # fmt: skip
            if wanted is None and len(known) > 1:
                raise DataError(f"{what} must be named, it is one of {', '.join(known)}.")
            if wanted is not None and wanted not in known:
                raise DataError(f"{wanted!r} is no {what} of this study: {', '.join(known)}.")
        return self.estimator in (None, cell.estimator) and self.parameter in (
            None, cell.parameter,
        )  # fmt: skip

    def _seen(self, cell: Cell, stage: int) -> Seen:
        self.who = cell.estimator, cell.parameter
        row = measured(cell, self.formula, 0.95)
        place = cell.condition[self.name]
        if not row["used"] or not math.isfinite(row["value"]):
            why = "has none of what it needs: intervals, p-values, a truth or an estimate"
            raise StudyError(
                f"{self.measure} of {cell.estimator!r} cannot be computed at {self.name}="
                f"{place!r}: the estimator {why}. Other bounds may help."
            )
        if self.scale is LOG and row["value"] <= 0:
            raise StudyError(
                f"{self.measure} of {cell.estimator!r} is {row['value']:g} at {self.name}="
                f"{place!r}, so there is no scale on which to search."
            )
        return Seen(place, row["value"], row["mcse"], row["used"], stage)

    def last(self) -> str:
        """Return the last evaluations in words."""
        return ", ".join(f"{each.value:.4g} at {each.at:g}" for each in self.seen[-4:])
