"""``estkit compare`` gives the numbers of the call in Python, and one clear line for errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from typer.testing import CliRunner, Result

import estkit as ek
from estkit.cli import app
from estkit.estimate import plain


def run(*args: Any) -> Result:
    """Run the command in this process, which saves starting one."""
    return CliRunner().invoke(app, ["compare", *map(str, args)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = load_iris(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    frame["garden"] = np.arange(150) % 12
    frame["day"] = np.random.default_rng(1).permutation(150)
    file = tmp_path_factory.mktemp("data") / "flowers.csv"
    frame.to_csv(file, index=False)
    frame.to_parquet(file.with_suffix(".parquet"))
    return file


def python(file: Path, **given: Any) -> ek.Comparison:
    frame = pd.read_csv(file)
    X = frame.drop(columns=["target", "garden", "day"])
    return ek.compare(["knn", "linear"], X, frame["target"], rng=1, **given)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_numbers_are_those_of_the_call(flowers: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / "result.json"
    ended = run(
        flowers.with_suffix(suffix), "--target", "target", "--folds", 4, "--repeats", 2,
        "--drop", "garden,day", "--json", out, "--store", tmp_path / "store",
    )  # fmt: skip
    assert ended.exception is None
    assert len(list((tmp_path / "store").glob("*.npz"))) == 3 * 8
    stored = json.loads(out.read_text("utf-8"))
    expected = python(flowers, cv=(4, 2))
    assert stored["folds"]["fingerprint"] == expected.folds.fingerprint
    assert stored["scores"] == plain(expected.scores().to_dict("records"))
    assert "3 models, 150 rows, 4-fold x 2, stratified" in ended.stdout


def test_groups_and_time_decide_the_folds(flowers: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    ended = run(flowers, "--target", "target", "--group", "garden", "--drop", "day",
                "--folds", 3, "--repeats", 1, "--json", out)  # fmt: skip
    assert ended.exception is None
    expected = python(flowers, cv=(3, 1), groups=pd.read_csv(flowers)["garden"])
    assert json.loads(out.read_text("utf-8"))["folds"]["fingerprint"] == expected.folds.fingerprint
    ended = run(flowers, "--target", "sepal length (cm)", "--time", "day", "--drop", "garden",
                "--bias-variance", 3, "--bias-variance-scheme", "subsample")  # fmt: skip
    assert ended.exception is None
    assert "10 folds forward in time" in ended.stdout
    assert "over 3 subsample training sets" in ended.stdout
    assert "rmse" in ended.stdout
    ended = run(flowers, "--target", "target", "--time", "day", "--folds", 4)
    assert "4 folds forward in time" in ended.stdout
    ended = run(flowers, "--target", "target", "--time", "day", "--repeats", 2)
    assert "--repeats: there is one way" in str(ended.exception)


WRONG: dict[str, tuple[list[str], str]] = {
    "no such target": (["--target", "kind"], "there is no column 'kind'"),
    "no such group": (["--target", "target", "--group", "plot"], "there is no column 'plot'"),
    "no such model": (["--target", "target", "--models", "svm"], "'svm' is not a model"),
    "no such score": (["--target", "target", "--scoring", "rmse"], "no score for classification"),
    "a rare class": (["--target", "target", "--folds", "51"], "50 members, fewer than 51 folds"),
    "no column left": (
        ["--target", "target", "--drop",
         "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm),garden,day"],
        "no column left",
    ),
    "no such test": (["--target", "target", "--test", "sign"], "'sign' is not a test; they are"),
    "a test of two classes": (["--target", "target", "--test", "delong"], "of two classes"),
    "a test of classes": (["--target", "garden", "--test", "mcnemar", "--task", "regression"],
                          "mcnemar is about classes"),
    "a test of other folds": (["--target", "target", "--test", "five_by_two_f"], "cv=(2, 5)"),
    "a test of another score": (
        ["--target", "target", "--test", "clt", "--scoring", "f1"], "no losses to pool"),
    "a scheme of nothing": (["--target", "target", "--bias-variance-scheme", "subsample"],
                            "needs --bias-variance"),
    "nowhere to write": (["--target", "target", "--json", "/no/such/folder/x.json"], "in none"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_a_test_that_does_not_suit_before_anything_is_fitted(
    flowers: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    args, message = WRONG[case]
    if "--test" in args:
        monkeypatch.delattr(ek, "compare")
    ended = run(flowers, *args)
    assert isinstance(ended.exception, ek.DataError)
    assert message in str(ended.exception)
    assert not ended.stdout


def test_wrong_input_is_one_clear_line(flowers: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "estkit", "compare", str(flowers), "--target", "kind"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "there is no column 'kind'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not ended.stdout


@pytest.mark.parametrize(("name", "text", "message"), [
    ("none.csv", None, "No such file"),
    ("text.txt", "a,b", "must end in .csv or .parquet"),
    ("broken.parquet", "not parquet", "cannot read"),
    ("constant.csv", "y,x\n" + "1.5,2\n" * 30, "y is constant"),
    ("twice.csv", "y,x,x\n" + "1.5,2,3\n" * 30, "two columns named 'x'"),
    ("more.csv", "y,x\n" + "1.5,2,3\n" * 30, "more fields than its first line has names"),
    ("semicolons.csv", "y;x\n" + "1,5;2\n" * 30, "more fields"),
    ("semicolons.csv", "y;x\n" + "1;2\n" * 30, "there are y;x. Fields must have commas between"),
    ("latin.csv", "y,x\n" + "M\udcfcller,2\n" * 30, "not text in UTF-8"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text, "utf-8", "surrogateescape")
    ended = run(file, "--target", "y")
    assert isinstance(ended.exception, ek.DataError)
    assert message in str(ended.exception)


def test_time_is_read_as_dates_and_refused_where_text_has_no_order(
    flowers: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(flowers).drop(columns=["garden"])
    days = pd.to_datetime("2019-12-30") + pd.to_timedelta(frame["day"].rank(method="first"), "D")
    file, out = tmp_path / "days.csv", tmp_path / "out.json"

    def ended(day: Any, target: str = "target") -> Result:
        frame.assign(day=day).to_csv(file, index=False)
        return run(file, "--target", target, "--time", "day", "--json", out)

    scores = []
    for form in ("%Y%m%d", "%Y-%m-%dT%H:%M"):  # the first is read as a number
        assert ended(days.dt.strftime(form)).exception is None
        scores.append(json.loads(out.read_text("utf-8"))["scores"])
    assert scores[0] == scores[1]
    for found, message in (
        (ended(days.dt.strftime("%m/%d/%Y")), "text such as '.*', whose order in time is not"),
        (ended(frame["day"].where(frame.index != 5)), "'day' has no value in row 5"),
        (ended(frame["day"], target="day"), "'day' is what is to be predicted"),
    ):
        assert isinstance(found.exception, ek.DataError)
        assert re.search(message, str(found.exception)), found.exception


# --- tests of all pairs ---


def test_the_test_of_all_pairs_can_be_chosen(flowers: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "result.json", tmp_path / "page.html"
    ended = run(flowers, "--target", "target", "--folds", 3, "--repeats", 1, "--drop",
                   "garden,day", "--test", "mcnemar", "--json", out, "--out", page)  # fmt: skip
    assert ended.exception is None
    expected = python(flowers, cv=(3, 1)).pairwise(method="mcnemar")
    stored = json.loads(out.read_text("utf-8"))["tests"]
    assert stored == plain(expected.to_dict("records"))
    assert "knn - linear accuracy" in ended.stdout
    assert "Tests by the method &#39;mcnemar&#39; of accuracy" in page.read_text("utf-8")


# --- several data sets ---


@pytest.fixture(scope="module")
def gardens(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files of the same columns, and one whose target is a number."""
    folder, frame = tmp_path_factory.mktemp("gardens"), load_iris(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    files = []
    for number, name in enumerate(("north", "south", "east")):
        files.append(folder / f"{name}.csv")
        frame.sample(90, random_state=number).to_csv(files[-1], index=False)
    files.append(folder / "heights.csv")
    frame.assign(target=frame["sepal length (cm)"]).to_csv(files[-1], index=False)
    return files


def test_several_files_are_compared_as_data_sets_with_the_numbers_of_the_call(
    gardens: list[Path], tmp_path: Path
) -> None:
    out, page = tmp_path / "result.json", tmp_path / "page.html"
    ended = run(*gardens[:3], "--target", "target", "--folds", 3, "--repeats", 1, "--seed", 4,
                "--rope", 0.01, "--json", out, "--out", page, "--test", "mcnemar",
                "--store", tmp_path / "store")  # fmt: skip
    assert ended.exception is None
    frames = {file.stem: pd.read_csv(file) for file in gardens[:3]}
    results = {
        name: ek.compare(["knn", "linear"], frame.drop(columns="target"), frame["target"],
                         cv=(3, 1), rng=4)
        for name, frame in frames.items()
    }  # fmt: skip
    expected = ek.compare_datasets(results, rope=0.01, rng=4).to_dict()
    stored = json.loads(out.read_text("utf-8"))
    assert {name: stored[name] for name in expected} == json.loads(json.dumps(expected))
    assert stored["score"] == "accuracy"
    assert stored["scores"]["south"]["knn"] == results["south"].scores("accuracy").query(
        "model == 'knn'")["value"].mean()  # fmt: skip
    for name, result in results.items():
        alone = stored["comparisons"][name]
        assert alone["scores"] == plain(result.scores().to_dict("records"))
        assert alone["tests"] == plain(result.pairwise(method="mcnemar").to_dict("records"))
        assert f"On {name!r} alone:" in ended.stdout
        assert len(list((tmp_path / "store" / name).glob("*.npz"))) == 3 * 3
    assert "3 models on 3 data sets" in ended.stdout
    text = page.read_text("utf-8")
    assert text.count("<svg") == 1
    assert "critical difference" in text
    for name in results:
        assert f"Differences of all pairs on {name}" in text
    assert "Tests by the method &#39;mcnemar&#39; of accuracy" in text
    for title in ("Ranks", "Pairs", "Scores", "Each data set", "Reproduction"):
        assert f">{title}</h2>" in text


def test_files_that_cannot_be_compared_together_are_named(
    gardens: list[Path], tmp_path: Path
) -> None:
    lacking, few = tmp_path / "lacking.csv", tmp_path / "few.csv"
    pd.read_csv(gardens[1]).drop(columns="target").to_csv(lacking, index=False)
    pd.read_csv(gardens[1]).head(4).to_csv(few, index=False)
    cases = [
        ([gardens[0], lacking], [], "--target: there is no column 'target' in"),
        ([gardens[0], gardens[3]], [], "for classification in"),
        ([gardens[0], few], [], "4 rows are fewer than 10 folds"),
        ([gardens[0], gardens[0]], [], "is given twice"),
        (gardens[:2], ["--test", "delong"], f"{str(gardens[0])!r}: DeLong's test is about"),
    ]
    for files, options, message in cases:
        ended = run(*files, "--target", "target", "--repeats", 1, *options)
        assert isinstance(ended.exception, ek.DataError)  # one line, as the other errors above
        assert message in str(ended.exception)
        assert files[-1].name in str(ended.exception) or options
        assert not ended.stdout
