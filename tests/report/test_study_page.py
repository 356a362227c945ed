"""The page of a study says what was studied, what came of it, and how to get it again."""

from __future__ import annotations

import html
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import estkit as ek


def draw(rng: np.random.Generator, n: int) -> Any:
    """Draw from the law that the estimators are for."""
    return rng.normal(2.0, size=n)


def mean(x: Any) -> ek.Estimate:
    return ek.Estimate(x.mean(), std_error=x.std(ddof=1) / np.sqrt(len(x)))


def picky(x: Any) -> float:
    if x[0] < 2:
        raise ValueError("x[0] < 2")
    if x[0] > 3:
        warnings.warn("rather large", stacklevel=1)
    return float(np.median(x))


def result(replicates: Any = 40, **options: Any) -> ek.StudyResult:
    estimators = options.pop("estimators", {"mean": mean, "picky": picky})
    settings = {"truth": 2.0, "conditions": ek.grid(n=[5, 9]), **options}
    return ek.Study(draw, estimators, **settings).run(replicates, rng=8)


def sections(study: ek.StudyResult, **options: Any) -> dict[str, str]:
    """Return the text of each section, its tags left out."""
    page = study.to_html(**{"plots": False, **options})
    assert page is not None
    found = re.findall(r'<section id="([^"]*)">(.*?)</section>', page, flags=re.DOTALL)
    return {name: html.unescape(re.sub(r"<[^>]*>", "|", text)) for name, text in found}


def cells(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]


def test_the_sections_are_those_of_ademp() -> None:
    assert list(sections(result())) == [
        "aims", "data-generating-mechanism", "estimands", "methods", "performance-measures",
        "results", "failures-and-warnings", "reproduction",
    ]  # fmt: skip


def test_aims_are_the_users_or_made_from_the_study() -> None:
    assert (
        "how well mean and picky estimate in 2 conditions, which vary n"
        in sections(result())["aims"]
    )
    assert cells(sections(result(), aims="First.\n\nSecond.")["aims"]) == [
        "Aims", "First.", "Second."]  # fmt: skip
    page = result().to_html(title="My <title>", plots=False)
    assert page is not None
    assert "<h1>My &lt;title&gt;</h1>" in page


def test_the_mechanism_has_its_source_conditions_and_what_chance_is_shared() -> None:
    shown = sections(result([30, 50]))["data-generating-mechanism"]
    assert "return rng.normal(2.0, size=n)" in shown
    assert "independent" in shown
    assert cells(shown)[-6:] == ["0", "5", "30", "1", "9", "50"]
    shared = sections(result(common_random_numbers=True, antithetic=True))
    assert "common random numbers" in shared["data-generating-mechanism"]
    assert "antithetic pairs" in shared["data-generating-mechanism"]


def test_true_values_are_a_sentence_or_a_table() -> None:
    assert "The true value is 2 throughout." in sections(result())["estimands"]
    by_condition = sections(result(truth=lambda n: 2 + n / 100))["estimands"]
    assert cells(by_condition)[1:8] == ["True values", "n", "truth", "5", "2.05", "9", "2.09"]
    assert "lambda n: 2 + n / 100" in by_condition
    by_estimator = sections(result(truth={"mean": 2.0, "picky": 2.5}))["estimands"]
    assert cells(by_estimator)[2:8] == ["n", "estimator", "truth", "5", "mean", "2"]
    uncertain = sections(result(truth=ek.Estimate(2.0, std_error=0.012)))["estimands"]
    assert cells(uncertain)[-3:] == ["9", "2", "0.012"]
    assert "No true value" in sections(result(truth=None))["estimands"]

    def sample(rng: np.random.Generator, n: int) -> ek.Sample:
        center = rng.uniform(1, 2)
        return ek.Sample(rng.normal(center, size=n), truth=center)

    study = ek.Study(sample, {"mean": np.mean}, conditions=ek.grid(n=[5]))
    assert "varies from 1.0" in sections(study.run(50, rng=1))["estimands"]


def test_methods_and_measures_are_explained() -> None:
    shown = sections(result(estimators={"mean": mean, "numpy": np.mean}), measures=["mse", "power"])
    assert "def mean(x: Any)" in shown["methods"]
    assert "numpy.mean" in shown["methods"]
    assert "mean squared error (mse)" in shown["performance-measures"]
    assert "coverage" not in shown["performance-measures"]


def test_measures_of_the_user_are_explained_by_their_source() -> None:
    near = ek.Measure(lambda d: np.mean(np.abs(d.estimate - 2) < 0.5), "<near>", smooth=True)
    shown = sections(result(), measures=near)
    assert "np.abs(d.estimate - 2) < 0.5" in shown["performance-measures"]
    assert cells(shown["results"])[2:6] == ["n", "estimator", "<near>", "failed"]


def test_means_that_do_not_settle_are_pointed_at() -> None:
    ratio = {"ratio": lambda x: (x[0] - 2) / (x[1] - 2)}
    study = result(600, estimators=ratio)
    noted = study.summary(["bias", "median_bias"])["note"].tolist()
    assert [bool(note) for note in noted] == [True, False] * 2  # a median is sure
    shown = sections(study, measures=["bias", "median_bias", "mse"])["results"]
    assert study.table().notes[1] in shown
    assert [cell for cell in cells(shown) if cell in noted] == noted[::2]
    assert cells(shown).count("bias, mse") == 2


def test_a_study_without_any_answer_has_a_page() -> None:
    def never(x: Any) -> Any:
        raise ValueError("never")

    study = result(estimators={"never": never})
    shown = sections(study, plots=True)
    assert "80 failures in 80 estimates" in shown["failures-and-warnings"]
    assert cells(shown["results"])[1:] == [
        study.table().title, "n", "estimator", "failed", "5", "never", "40", "9", "never", "40",
        "In brackets: Monte-Carlo standard errors.",
    ]  # fmt: skip


def test_results_are_the_table_of_the_study() -> None:
    study = result()
    table = study.table(["mse", "power"])
    shown = cells(sections(study, measures=["mse", "power"])["results"])
    rows = zip(*(column.shown() for column in table.columns), strict=True)
    expected = [cell for row in rows for cell in row if cell]
    start = 2 + len(table.columns)
    assert shown[start : start + len(expected)] == expected


def test_failures_and_warnings_are_counted_by_reason() -> None:
    study = result()
    shown = cells(sections(study)["failures-and-warnings"])
    failures = study.failures().query("n == 5")
    assert f"{len(study.failures())} failures in 160 estimates" in shown
    place = shown.index("ValueError: x[0] < 2")
    assert shown[place - 2 : place] == ["picky", "failed"]
    counts = {str((study.failures()["n"] == n).sum()) for n in (5, 9)}
    assert shown[place + 1] in counts
    first = ", ".join(map(str, failures["replicate"][:3]))
    assert first in shown
    assert any("rather large" in cell for cell in shown)
    none = sections(result(estimators={"mean": mean}))["failures-and-warnings"]
    assert "There were no failures in 80 estimates." in none


def test_the_variance_that_was_saved_is_told() -> None:
    controls = {"mean of x": (np.mean, 2.0)}
    study = result(400, estimators={"median": np.median}, controls=controls)
    shown = sections(study, measures=["bias"])
    assert (
        "Control variates with known expectations: mean of x." in shown["data-generating-mechanism"]
    )
    gains = study.summary("bias")["gain"]
    assert f"{gains[0]:.3g}" in cells(shown["results"])
    assert gains[0] > 1.5  # the mean explains most of a median of 5: correlation 0.83
    assert "control variate mean of x" in shown["methods"]


def test_the_page_says_how_to_get_the_same_again() -> None:
    study = result([30, 50])
    shown = sections(study)["reproduction"]
    assert "result = study.run([30, 50], rng=8)" in shown
    assert study.fingerprint() in shown
    assert ek.__version__ in shown
    seed = np.random.SeedSequence(5, spawn_key=(2,))
    spawned = ek.Study(draw, mean, truth=2.0, conditions=ek.grid(n=[3])).run(4, rng=seed)
    code = re.findall(r"rng=(.*)\)", sections(spawned)["reproduction"])[0]
    again = eval(code, {"np": np})
    assert (again.entropy, again.spawn_key) == (5, (2,))


def test_a_stored_result_has_a_page_without_sources() -> None:
    stored = pickle.loads(pickle.dumps(result()))
    shown = sections(stored)
    assert "stored without its functions" in shown["methods"]
    assert "mean, picky" in shown["methods"]
    assert shown["results"] == sections(result())["results"]


def test_the_same_study_gives_the_same_bytes_with_pictures() -> None:
    assert result().to_html() == result().to_html()


@pytest.mark.parametrize(
    "conditions",
    [
        [{}],
        [{"n": 5}],
        ek.grid(n=list(range(3, 20))),
        [{"n": 5, "weights": [1, 2], "f": None}, {"n": 7, "weights": [3], "f": None}],
    ],
    ids=["one", "one named", "many", "odd levels"],
)
def test_pages_with_pictures_of_all_kinds_of_conditions(conditions: Any, tmp_path: Path) -> None:
    def generate(rng: np.random.Generator, condition: Any) -> Any:
        return rng.normal(size=condition.get("n", 4))

    def both(x: Any) -> Any:
        return {"center": mean(x), "spread": x.std()}

    study = ek.Study(
        generate, {"both": both, "again": both}, truth={"center": 0.0, "spread": 1.0},
        conditions=conditions,
    ).run(12, rng=1)  # fmt: skip
    file = tmp_path / "study.html"
    assert study.to_html(file) is None
    text = file.read_text("utf-8")
    assert text.count("<figure>") >= 6
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert not re.search("https?://", text)


def test_the_page_counts_failures_and_rejections_as_it_is_asked_to() -> None:
    def half(x: Any) -> ek.Estimate:
        if x[0] > 0.5:
            raise ValueError("too large")
        return ek.Estimate(x.mean(), lower=x.mean() - 1, upper=x.mean() + 1)

    study = ek.Study(lambda rng: rng.normal(size=3), {"half": half, "mean": np.mean}, truth=0.0)
    ran = study.run(60, rng=1)
    pages = {}
    for options in ({}, {"missing": "complete"}, {"missing": "worst"}, {"null": 0.7}):
        own = ran.to_html(measures=["rmse", "power"], plots=False, **options)
        shown = ran.table(["rmse", "power"], **options).to_frame()
        pages[str(options)] = own
        for column in ("rmse", "power"):
            for text in shown[column].astype(str):
                assert text.split(" ")[0] in own, (options, column, text)
    assert len(set(pages.values())) == 4
    assert "in which every estimator has an answer" in pages["{'missing': 'complete'}"]
    assert "largest error that its estimator made" in pages["{'missing': 'worst'}"]
    assert "an interval that leaves out 0.7." in pages["{'null': 0.7}"]
    assert "at most 0.05" in pages["{}"]
    drawn = [ran.to_html(missing=how).split("<svg", 1)[1] for how in ("pairwise", "complete")]
    assert drawn[0] != drawn[1]
    with pytest.raises(ek.DataError, match="missing must be one of"):
        ran.to_html(missing="none")


def test_the_page_shows_the_times_of_estimators_where_asked_for() -> None:
    ran = result()
    page = ran.to_html(times=True, plots=False)
    assert "What the estimators take of time" in page
    for seconds in ran.times()["seconds"]:
        assert f"{float(f'{seconds:.3g}')}" in page or f"{seconds:.3g}" in page
    assert "What the estimators take of time" not in ran.to_html(plots=False)
