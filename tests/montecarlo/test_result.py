"""``StudyResult``: what it prints, stores and refuses, and unequal conditions."""

from __future__ import annotations

import html.parser
import itertools
import json
import math
import pickle
import re
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek

SEED = 3


def interval(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / math.sqrt(len(x)))


def picky(x: Any) -> float:
    if x[0] > 1:
        raise ValueError("too large")
    return float(np.median(x))


def study(**options: Any) -> ek.Study:
    settings: dict[str, Any] = {"truth": 0.0, "conditions": ek.grid(n=[5, 9], law=["z"])}
    functions = {"mean": interval, "picky": picky, "max": lambda x: x.max()}
    return ek.Study(lambda rng, n: rng.normal(size=n), functions, **settings | options)


WRONG_CALLS: dict[str, tuple[Any, str]] = {
    "no such measure": (lambda r: r.summary("biass"), "'biass' is not a measure; they are bias"),
    "no measure": (lambda r: r.summary([]), "measure"),
    "no name of a measure": (lambda r: r.summary(5), "measure"),
    "a level": (lambda r: r.summary(level=95), "level must lie strictly between 0 and 1"),
    "a contrast with a stranger": (lambda r: r.contrast("mean", "mode"), "'mode' is not an est"),
    "a contrast of two measures": (lambda r: r.contrast("mean", "max", ["bias", "mse"]), "measure"),
    "a level of a contrast": (lambda r: r.contrast("mean", "max", level=0.0), "level must lie"),
    "a plot of nothing": (lambda r: r.plot("biass"), "'biass' is not a measure"),
    "a replay of -1": (lambda r: r.replay(-1, 0), "replicate must be a whole number"),
    "a replay of 1.5": (lambda r: r.replay(1.5, 0), "replicate must be a whole number"),
    "a replay of text": (lambda r: r.replay("1", 0), "replicate must be a whole number"),
    "a replay of None": (lambda r: r.replay(None, 0), "replicate must be a whole number"),
    "a replay of no condition": (lambda r: r.replay(0), "condition must be a number below 2 or"),
    "a condition too far": (lambda r: r.replay(0, 2), "condition must be a number below 2 or"),
    "another condition": (lambda r: r.replay(0, {"n": 7}), "condition must be a number below 2"),
    "a condition in words": (lambda r: r.replay(0, "n=5"), "condition must be a number below 2"),
}


@pytest.mark.parametrize("kind", WRONG_CALLS)
def test_a_wrong_call_is_refused_in_words(kind: str) -> None:
    call, message = WRONG_CALLS[kind]
    with pytest.raises(ek.DataError, match=message):
        call(study().run(5, rng=SEED))


@pytest.mark.parametrize("rng", [None, np.random.default_rng(1)], ids=["None", "Generator"])
def test_a_replay_without_the_seed_of_the_run_is_refused(rng: Any) -> None:
    # None, or a generator that has moved on, would give another data set without a word
    with pytest.raises(ek.DataError, match="rng"):
        study().replay(0, 0, rng=rng)


# --- tables ---

HOSTILE = [
    "a|b", r"c\|d", "<script>alert(1)</script>", "x & y_1", "50 % of $5 #1 {~^}", "two\nlines",
    'quote"\'', r"back\slash", "*bold*", "é ∑ 中",
]  # fmt: skip


def hostile() -> ek.StudyResult:
    functions = {name: lambda x: {"<b>|&": x.mean(), "p_2%": x.max()} for name in HOSTILE}
    conditions = [{"n<i>|_": 3, "law": name} for name in HOSTILE[:2]]
    return ek.Study(
        lambda rng, condition: rng.normal(size=3), functions, truth=0.0, conditions=conditions
    ).run(20, rng=SEED)


class Cells(html.parser.HTMLParser):
    """Reads the tags and the cells of a page as a browser does."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


def test_html_shows_names_as_text() -> None:
    page = Cells(hostile()._repr_html_())
    assert page.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    shown = [cell.strip() for cell in page.cells]
    assert set(HOSTILE) | {"n<i>|_", "<b>|&", "p_2%"} <= set(shown)


def test_markdown_keeps_its_columns_and_its_lines() -> None:
    lines = [line for line in hostile().to_markdown().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 2 * len(HOSTILE) * 2
    # in a pipe table a backslash takes the meaning from the next character
    bars = {len(re.findall(r"\|", re.sub(r"\\.", "", line))) for line in lines}
    assert len(bars) == 1


def test_latex_has_no_sign_of_its_own_left_in_a_name() -> None:
    table = hostile().to_latex()
    body = table[table.index(r"\midrule") + 8 : table.index(r"\bottomrule")].strip()
    rows = body.split("\\\\\n")
    assert len(rows) == 2 * len(HOSTILE) * 2
    signs = "backslash|asciitilde|asciicircum|less|greater|bar"
    plain = [re.sub(rf"\\text({signs})\{{\}}|\\[&%$#_{{}}]", "", row) for row in rows]
    assert {row.count("&") for row in plain} == {plain[0].count("&")}
    assert not any(re.search(r"[\\%$#_{}~^<>|]", row.removesuffix(r" \\")) for row in plain)


def test_text_keeps_a_row_on_a_line() -> None:
    lines = str(hostile()).splitlines()
    start = next(i for i, line in enumerate(lines) if "estimator" in line)
    rows = lines[start + 1 : lines.index("", start)]
    assert len(rows) == 2 * len(HOSTILE) * 2


def test_every_table_tells_every_row() -> None:
    result = study().run(200, rng=SEED)
    for shown in (str(result), result.to_markdown(), result.to_latex(), result._repr_html_()):
        for word in ("200 replicates", "estimator", "mean", "picky", "coverage", "failed"):
            assert word in shown
    assert repr(result) == (
        f"StudyResult(3 estimators, 2 conditions, 200 replicates, {len(result.failures())} failed)"
    )


# --- storage ---


def test_a_result_is_stored_small_and_without_its_functions() -> None:
    lock = threading.Lock()  # cannot be stored, so whatever holds it is not
    made = ek.Study(lambda rng, n: rng.normal(size=2000) if lock else 0, {"mean": np.mean},
                    truth=0.0, conditions=ek.grid(n=[1, 2]))  # fmt: skip
    result = made.run(500, rng=SEED)
    stored = pickle.dumps(result)
    numbers = 2 * 500 * (5 * 8 + 1)  # estimate, error, limits, truth, and a status each
    assert len(stored) < 1.2 * numbers + 2000
    again = pickle.loads(stored)
    assert again.outcomes().equals(result.outcomes())
    assert again.summary().equals(result.summary())
    assert str(again) == str(result) and again.seed == result.seed
    with pytest.raises(ek.EstkitError, match=r"use Study\.replay with the seed 3"):
        again.replay(0, 0)


def test_a_result_cannot_be_changed() -> None:
    result = study().run(10, rng=SEED)
    with pytest.raises(AttributeError):
        result.seed = {}  # type: ignore[misc]
    before = result.summary()
    for frame in (result.outcomes(), result.summary()):
        frame.iloc[:] = frame.iloc[::-1].to_numpy()
    assert result.summary().equals(before)


SEEDS: dict[str, Any] = {
    "an int": 3,
    "a large int": 2**127 + 1,
    "a Generator": np.random.default_rng(3),
    "a SeedSequence": np.random.SeedSequence([1, 2], spawn_key=(4,)),
    "a SeedSequence of an array": np.random.SeedSequence(np.array([1, 2])),
    "nothing": None,
}


@pytest.mark.parametrize("kind", SEEDS)
def test_the_dictionary_is_json_and_tells_the_seed(kind: str) -> None:
    made = study()
    result = made.run(20, rng=SEEDS[kind])
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (plain["format"], plain["version"]) == ("estkit.StudyResult", 1)
    assert plain["conditions"] == [{"n": 5, "law": "z"}, {"n": 9, "law": "z"}]
    assert plain["estimators"] == ["mean", "picky", "max"]
    frame = pd.DataFrame(plain["summary"])
    numbers = ["value", "mcse", "lower", "upper"]
    assert frame.columns.tolist() == result.summary().columns.tolist()
    assert np.array_equal(
        frame[numbers].astype(float), result.summary()[numbers].astype(float), equal_nan=True
    )
    again = np.random.SeedSequence(**plain["seed"])
    assert made.run(20, rng=again).outcomes().equals(result.outcomes())


UNUSUAL: dict[str, dict[str, Any]] = {
    "open intervals": {"estimators": lambda x: ek.Estimate(x[0], lower=-np.inf, upper=x[0])},
    "an estimator that never moves": {"estimators": lambda x: ek.Estimate(1.0, std_error=1.0)},
    "nan in a condition": {"conditions": [{"w": float("nan")}]},
    "infinity in a condition": {"conditions": [{"w": float("inf")}]},
    "an array in a condition": {"conditions": [{"w": np.array([1.0, np.nan])}]},
    "a function in a condition": {"conditions": [{"w": np.mean}]},
    "nothing in a condition": {"conditions": [{"w": None}]},
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_the_dictionary_is_json_whatever_the_numbers(kind: str) -> None:
    options = {"estimators": lambda x: x.mean(), "truth": 0.0} | UNUSUAL[kind]
    result = ek.Study(lambda rng: rng.normal(size=3), **options).run(20, rng=SEED)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert len(plain["summary"]) == len(result.summary())


# --- unequal conditions ---


def test_conditions_need_not_be_a_full_grid() -> None:
    uneven = [{"n": 5, "law": "a"}, {"n": 9, "law": "a"}, {"n": 9, "law": "b"}]
    names = {"a": ["left"], "b": ["left", "right"]}
    functions = {"it": lambda x, law: dict(zip(names[law], x, strict=False))}
    made = ek.Study(lambda rng, n: rng.normal(size=n), functions, truth=0.0, conditions=uneven)
    frame = made.run(30, rng=SEED).summary("bias")
    assert frame[["n", "law", "parameter"]].values.tolist() == [
        [5, "a", "left"], [9, "a", "left"], [9, "b", "left"], [9, "b", "right"],
    ]  # fmt: skip
    assert frame["used"].tolist() == [30] * 4


def test_a_partial_result_says_how_many_replicates_each_condition_has() -> None:
    drawn = itertools.count()

    def generate(rng: Any, n: int) -> Any:
        return rng.normal(size=n) if n == 5 or next(drawn) < 350 else 1 / 0

    made = ek.Study(generate, {"mean": np.mean}, truth=0.0, conditions=ek.grid(n=[5, 9, 12]))
    with pytest.raises(ek.StudyError, match="ZeroDivisionError") as caught:
        made.run(700, rng=SEED)
    partial = caught.value.partial
    first, second = partial.summary("bias")["used"]
    assert (first, partial.summary("bias")["n"].tolist()) == (700, [5, 9])
    assert 0 < second < 700
    assert f"{second} to {first} replicates" in repr(partial)
    assert f"{second} to {first} replicates" in str(partial)
