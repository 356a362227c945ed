"""Time competitors side by side, after checking that they answer the same question.

A competitor is a function that does the whole task once. Each first runs untimed; its answer must
lie within Monte-Carlo error of estkit's, for a fast wrong answer is no competitor. Then all run in
turn, in an order shuffled anew each round, so that a slow spell of the machine hits everyone.
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from environment import BLAS_THREADS, is_installed, markdown
from threadpoolctl import threadpool_limits

Answer = Mapping[Any, tuple[float, float]]
"""Each measure with its Monte-Carlo standard error; the keys are what competitors share."""

WIDEST_GAP = 5.0
"""Two right answers differ by more than so many combined standard errors once in 1.7 million."""


@dataclass(frozen=True)
class Competitor:
    """One way to do the task.

    `run` takes the number of replicates per condition. `answer` turns what it gives into measures;
    without one it is a bound, which is timed but answers nothing. `needs` is the module it imports.
    `complaint` compares it with estkit on shared data: what is wrong, or an empty string.
    """

    name: str
    run: Callable[[int], Any]
    replicates: int
    answer: Callable[[Any], Answer] | None = None
    needs: str | None = None
    complaint: Callable[[], str] | None = None


@dataclass
class Row:
    """What became of one competitor: its times, or the reason why there are none."""

    competitor: Competitor
    agreement: str = ""
    trouble: str = ""
    seconds: list[float] = field(default_factory=list)


def moments(estimates: npt.ArrayLike, truth: npt.ArrayLike) -> tuple[Any, Any, Any, Any]:
    """Give bias and empirical standard error of each column, each before its standard error."""
    values = np.asarray(estimates, dtype=float)
    replicates = len(values)
    deviations = values - values.mean(axis=0)
    spread = np.sqrt((deviations**2).sum(axis=0) / (replicates - 1))
    # A standard deviation has the influence values (d**2 - s**2) / (2 s).
    influence = (deviations**2 - spread**2) / (2 * spread)
    root = math.sqrt(replicates)
    bias = values.mean(axis=0) - np.asarray(truth)
    return bias, spread / root, spread, influence.std(axis=0, ddof=1) / root


def answer_of_summary(summary: pd.DataFrame, keys: list[str], measures: list[str]) -> Answer:
    """Read an estkit summary as an answer keyed by the columns `keys` and the measure."""
    chosen = summary.loc[summary["measure"].isin(measures), [*keys, "measure", "value", "mcse"]]
    return {tuple(key): (value, error) for *key, value, error in chosen.itertuples(index=False)}


def gap(answer: Answer, reference: Answer) -> float:
    """Give the largest difference between two answers, in combined standard errors."""
    shared = [key for key in answer if key in reference]
    if len(shared) < len(answer):
        raise ValueError(f"estkit does not report {set(answer) - set(shared)}")
    gaps = []
    for key in shared:
        (value, error), (known, known_error) = answer[key], reference[key]
        both = math.hypot(error, known_error)  # 0 for rates of 0 or 1
        gaps.append(abs(value - known) / both if both else 0.0 if value == known else math.inf)
    # max() would drop a NaN that is not first; an answer with a NaN is a wrong answer.
    return math.inf if any(math.isnan(value) for value in gaps) else max(gaps)


def check(row: Row, reference: Answer | None) -> Answer | None:
    """Run a competitor once, untimed, and note whether it may compete."""
    competitor = row.competitor
    if competitor.needs is not None and not is_installed(competitor.needs):
        row.trouble = "not installed"
        return None
    try:
        row.trouble = competitor.complaint() if competitor.complaint is not None else ""
        if row.trouble:
            return None
        result = competitor.run(competitor.replicates)
        answer = competitor.answer(result) if competitor.answer is not None else None
        widest = gap(answer, reference) if answer is not None and reference is not None else None
    except Exception as error:  # a peer whose API has changed is shown, not dropped
        # The message goes into a table cell, where neither line breaks nor bars may stand.
        message = " ".join(str(error).replace("|", "/").split())
        row.trouble = f"failed: {type(error).__name__}: {message}"
        return None
    if answer is None:
        row.agreement = "bound"
    elif widest is None:
        row.agreement = "reference"
    elif widest > WIDEST_GAP:
        row.trouble = f"disagrees with estkit: {widest:.1f} standard errors apart"
    else:
        row.agreement = f"{widest:.1f} s.e."
    return answer


def compare(
    competitors: Sequence[Competitor], *, conditions: int = 1, rounds: int = 7
) -> list[Row]:
    """Check every competitor against the first, then time all of them in shuffled rounds."""
    rows = [Row(competitor) for competitor in competitors]
    reference = check(rows[0], None)
    if reference is None:
        raise RuntimeError(f"estkit itself did not run: {rows[0].trouble}")
    for row in rows[1:]:
        check(row, reference)
    able = [row for row in rows if not row.trouble]
    shuffler = random.Random(0)
    # The check has loaded every library, so the limit reaches the BLAS of each.
    with threadpool_limits(limits=BLAS_THREADS):
        for _ in range(rounds):
            for row in shuffler.sample(able, len(able)):
                gc.collect()
                start = time.perf_counter()
                row.competitor.run(row.competitor.replicates)
                elapsed = time.perf_counter() - start
                row.seconds.append(elapsed / (row.competitor.replicates * conditions))
    return rows


def _ratio(own: Sequence[float], other: Sequence[float]) -> float:
    """Give the median over the rounds, each of which met the same state of the machine twice."""
    return statistics.median(mine / theirs for mine, theirs in zip(own, other, strict=True))


def report(rows: Sequence[Row]) -> bool:
    """Print the table of ratios; tell whether every installed competitor could be timed."""
    base = rows[0].seconds
    bound = next((row.seconds for row in rows if row.agreement == "bound"), base)
    lines = []
    for row in rows:
        name, replicates = row.competitor.name, f"{row.competitor.replicates:,}"
        if row.trouble:
            lines.append([name, replicates, "", "", "", "", row.trouble])
            continue
        micro = [1e6 * statistics.median(row.seconds), 1e6 * min(row.seconds)]
        ratios = [_ratio(row.seconds, base), _ratio(row.seconds, bound)]
        figures = [f"{value:.2f}" for value in (*micro, *ratios)]
        lines.append([name, replicates, *figures, row.agreement])
    header = ["competitor", "replicates", "median µs", "minimum µs", "ratio to estkit",
              "ratio to bound", "agreement"]  # fmt: skip
    print(markdown(header, lines))
    print(
        f"\nµs per replicate; {len(base)} rounds; ratio above 1 = slower than the first row."
        " Agreement: largest gap to estkit in combined Monte-Carlo standard errors"
        f" (at most {WIDEST_GAP:g}).\n",
        flush=True,
    )
    return all(row.trouble in ("", "not installed") for row in rows)
