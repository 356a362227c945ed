"""``estkit similar`` gives the numbers of the calls in Python, and one clear line for errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from typer.testing import CliRunner, Result

import estkit as ek
from estkit.cli import app
from estkit.estimate import plain

COLUMNS = ["alcohol", "ash", "hue", "proline", "flavanoids"]


def run(*args: Any) -> Result:
    return CliRunner().invoke(app, ["similar", *map(str, args)])


def told(*args: Any) -> str:
    """Return what a run prints, which must end well."""
    ended = run(*args)
    assert ended.exit_code == 0, ended.exception
    return ended.stdout


@pytest.fixture(scope="module")
def wines() -> pd.DataFrame:
    frame = load_wine(as_frame=True).data[COLUMNS].iloc[::4].reset_index(drop=True)
    frame.insert(0, "name", [f"wine {i}" for i in range(len(frame))])
    return frame


@pytest.fixture(scope="module")
def folder(wines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    wines.to_csv(folder / "wines.csv", index=False)
    wines.to_parquet(folder / "wines.parquet")
    new = wines.iloc[:6, ::-1].assign(price=1.0)
    new.to_csv(folder / "new.csv", index=False)
    holes = wines.copy()
    holes.loc[3, "ash"] = np.nan
    holes.loc[[5, 8], COLUMNS] = 0.0
    holes.to_csv(folder / "holes.csv", index=False)
    np.save(folder / "wines.npy", wines[COLUMNS].to_numpy(np.float32))
    return folder


def labelled(file: Path) -> pd.DataFrame:
    return pd.read_csv(file).set_index("name")


@pytest.mark.parametrize("data", ["wines.csv", "wines.parquet"])
@pytest.mark.parametrize("kind", [".csv", ".parquet", ".json"])
def test_neighbours_are_those_of_the_call(
    folder: Path, tmp_path: Path, data: str, kind: str
) -> None:
    out = tmp_path / f"found{kind}"
    printed = told(folder / data, "--label", "name", "--top", 3, "--out", out)
    expected = ek.cosine_top_k(labelled(folder / "wines.csv"), k=3)
    assert printed.splitlines()[:8] == str(expected).splitlines()[:8]
    if kind == ".json":
        stored = json.loads(out.read_text("utf-8"))
        assert stored["columns"] == COLUMNS
        assert stored["pairs"] == plain(expected.to_frame().to_dict("records"))
    else:
        found = pd.read_csv(out) if kind == ".csv" else pd.read_parquet(out)
        assert found.to_dict("list") == expected.to_frame().to_dict("list")


def test_rows_of_another_file_are_matched_by_column_and_label(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.csv"
    files = [folder / "wines.csv", "--against", folder / "new.csv"]
    told(*files, "--label", "name", "--threshold", 0.9999, "--center", "--out", out)
    other = labelled(folder / "new.csv")[COLUMNS]
    X = labelled(folder / "wines.csv")
    expected = ek.cosine_join(X, other, threshold=0.9999, center=True)
    assert pd.read_csv(out).to_dict("list") == expected.to_frame().to_dict("list")
    assert set(other.index) <= set(pd.read_csv(out)["neighbor"])


def test_an_array_goes_by_position_in_its_own_precision(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "cosines.npy"
    printed = told(folder / "wines.npy", "--matrix", "--out", out)
    expected = ek.cosine_similarity(np.load(folder / "wines.npy"))
    assert expected.dtype == np.float32
    assert np.load(out).dtype == np.float32
    assert np.array_equal(np.load(out), expected)
    assert printed.startswith("Cosines of 45 x 45 rows")
    assert "and 25 more rows and 37 more columns" in printed


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".json"])
def test_a_matrix_keeps_its_labels_and_digits(folder: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"cosines{kind}"
    told(folder / "wines.csv", "--label", "name", "--matrix", "--adjusted", "--out", out)
    expected = ek.cosine_similarity(labelled(folder / "wines.csv"), center="columns")
    if kind == ".json":
        stored = json.loads(out.read_text("utf-8"))
        found = pd.DataFrame(stored["cosines"], stored["rows"], stored["columns"])
    else:
        found = pd.read_csv(out, index_col=0) if kind == ".csv" else pd.read_parquet(out)
    assert list(found.index) == list(found.columns) == list(expected.index)
    assert np.array_equal(found.to_numpy(), expected.to_numpy())


@pytest.mark.parametrize("option", [None, "--center", "--adjusted"])
@pytest.mark.parametrize("against", [None, "new.csv"])
def test_intervals_are_those_of_each_pair(
    folder: Path, tmp_path: Path, option: str | None, against: str | None
) -> None:
    out = tmp_path / "sure.csv"
    more = [option] if option else []
    more += ["--against", folder / against] if against else []
    printed = told(
        folder / "wines.csv", "--label", "name", "--top", 2, "--interval", "--level", 0.9,
        "--out", out, *more,
    )  # fmt: skip
    assert "90% interval" in printed
    X = labelled(folder / "wines.csv")
    Y = X if against is None else labelled(folder / against)[COLUMNS]
    center: Any = option == "--center"
    if option == "--adjusted":  # the mean of each column over the rows of both files
        center = (X if against is None else pd.concat([X, Y])).mean().to_numpy()
    found = pd.read_csv(out)
    for row in found.iloc[::10].itertuples():
        sure = ek.cosine_interval(X.loc[row.row], Y.loc[row.neighbor], level=0.9, center=center)
        assert [row.std_error, row.lower, row.upper] == pytest.approx(
            [sure.std_error, sure.lower, sure.upper], rel=1e-6
        )


def test_intervals_do_not_depend_on_how_many_are_made_together(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def intervals() -> bytes:
        told(folder / "wines.csv", "--label", "name", "--interval", "--out", tmp_path / "x.csv")
        return (tmp_path / "x.csv").read_bytes()

    whole = intervals()
    monkeypatch.setattr("estkit.similar_command._NUMBERS", 4 * len(COLUMNS))
    assert intervals() == whole


def test_policies_are_those_of_the_call(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    told(folder / "holes.csv", "--label", "name", "--nan", "pairwise", "--zero", "drop",
         "--threshold", 0.99, "--out", out)  # fmt: skip
    X = labelled(folder / "holes.csv")
    expected = ek.cosine_join(X, threshold=0.99, nan="pairwise", zero="drop")
    stored = json.loads(out.read_text("utf-8"))
    assert stored["pairs"] == expected.to_frame().to_dict("records")
    assert stored["zero_rows"] == [5, 8]
    printed = told(folder / "holes.csv", "--nan", "propagate", "--top", 1, "--interval")
    assert "2 zero rows, 1 missing row" in printed


def test_what_is_compared_is_said(folder: Path) -> None:
    printed = told(folder / "wines.csv", "--top", 1)
    assert "Compared over 5 columns: alcohol, ash, hue, proline, flavanoids." in printed
    assert "Left out, for they hold no numbers: name." in printed
    printed = told(folder / "wines.csv", "--columns", "hue, ash", "--label", "name")
    assert "Compared over 2 columns: hue, ash." in printed
    assert "Left out" not in printed


def test_a_column_of_lists_is_rows_of_numbers(wines: pd.DataFrame, tmp_path: Path) -> None:
    X = wines[COLUMNS].to_numpy(np.float32)
    frame = pd.DataFrame({"name": wines["name"], "embedding": list(X)})
    frame.to_parquet(tmp_path / "lists.parquet")
    frame.iloc[5:].to_parquet(tmp_path / "others.parquet")
    out = tmp_path / "pairs.parquet"
    told(tmp_path / "lists.parquet", "--against", tmp_path / "others.parquet", "--columns",
         "embedding", "--threshold", 0.9999, "--out", out)  # fmt: skip
    expected = ek.cosine_join(X, X[5:], threshold=0.9999)
    found = pd.read_parquet(out)
    assert found["similarity"].dtype == np.float32
    assert np.array_equal(found["similarity"], expected.similarities)
    assert np.array_equal(found["neighbor"], expected.indices)
    frame.at[3, "embedding"] = X[0, 1:]
    frame.to_parquet(tmp_path / "lists.parquet")
    ended = run(tmp_path / "lists.parquet", "--columns", "embedding")
    assert "column 'embedding' has 4 numbers in row 3" in str(ended.exception)


@pytest.mark.parametrize("given", ["text", "csv", "npy"])
@pytest.mark.parametrize("measure", ["similarity", "distance", "angle"])
def test_weights_and_measures_are_those_of_the_call(
    folder: Path, tmp_path: Path, given: str, measure: str
) -> None:
    weights = {"alcohol": 2.0, "ash": 1.0, "hue": 1.0, "proline": 0.01, "flavanoids": 1.0}
    pd.DataFrame([weights]).iloc[:, ::-1].to_csv(tmp_path / "w.csv", index=False)
    np.save(tmp_path / "w.npy", list(weights.values()))
    text = "proline = 0.01, alcohol=2" if given == "text" else tmp_path / f"w.{given}"
    X, W = labelled(folder / "wines.csv"), list(weights.values())
    options = ["--label", "name", "--weights", text, "--measure", measure, "--adjusted"]
    out = tmp_path / "found.csv"
    told(folder / "wines.csv", *options, "--top", 2, "--interval", "--out", out)
    found = pd.read_csv(out)
    mean = X.mean().to_numpy()
    left, right = X.loc[found["row"]].to_numpy(), X.loc[found["neighbor"]].to_numpy()
    direct = ek.cosine_pairs(left, right, measure=measure, weights=W, center=mean)
    assert found[measure].to_numpy() == pytest.approx(np.asarray(direct), rel=1e-6)
    sure = ek.cosine_interval(left, right, weights=W, center=mean)
    assert found["lower"].to_numpy() == pytest.approx(sure.lower, rel=1e-6)
    printed = told(folder / "wines.csv", *options, "--matrix", "--out", tmp_path / "m.json")
    key = {"similarity": "cosines", "distance": "distances", "angle": "angles"}[measure]
    whole = ek.cosine_distance(X, measure=measure, weights=W, center="columns")
    made = json.loads((tmp_path / "m.json").read_text("utf-8"))[key]
    np.testing.assert_allclose(made, whole, rtol=1e-13, atol=1e-15)
    assert printed.startswith(f"{key.title()} of 45 x 45 rows")


@pytest.mark.parametrize("kind", ["npy", "plain", "named"])
def test_a_soft_cosine_takes_its_matrix_from_a_file(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    S = np.exp(-abs(np.subtract.outer(np.arange(5), np.arange(5))) / 2.0)
    frame = pd.DataFrame(S, COLUMNS, COLUMNS)
    file = tmp_path / ("s.npy" if kind == "npy" else "s.csv")
    if kind == "npy":
        np.save(file, S)
    elif kind == "plain":
        frame.iloc[::-1, ::-1].to_csv(file, index=False)
    else:
        frame.iloc[[2, 0, 1, 4, 3], ::-1].to_csv(file)
    out = tmp_path / "found.csv"
    told(folder / "wines.csv", "--label", "name", "--soft", file, "--threshold", 0.99,
         "--measure", "distance", "--out", out)  # fmt: skip
    X = labelled(folder / "wines.csv")
    expected = ek.cosine_join(X, threshold=0.99, soft=S).to_frame()
    found = pd.read_csv(out)
    assert found[["row", "neighbor"]].equals(expected[["row", "neighbor"]])
    assert found["similarity"].to_numpy() == pytest.approx(expected["similarity"], rel=1e-12)
    assert found["distance"].to_numpy() == pytest.approx(1 - found["similarity"], abs=1e-13)


WRONG: dict[str, tuple[list[str], str]] = {
    "no such weight": (["--weights", "ash=2,kind=1"], "--weights: 'kind' is no column that is"),
    "a weight in words": (["--weights", "ash=much"], "'ash=much' must be name=number"),
    "a negative weight": (["--weights", "ash=-1"], "weights: number 1 is negative"),
    "no such label": (["--label", "kind"], "--label: there is no column 'kind' in "),
    "no such column": (["--columns", "ash,kind"], "--columns: there is no column 'kind'"),
    "text to compare": (["--columns", "name"], "column 'name', row 0 (counted from 0) is not a n"),
    "two questions": (["--top", "1", "--matrix"], "exclude each other"),
    "two means": (["--center", "--adjusted"], "give one"),
    "no cosine": (["--threshold", "1.5"], "threshold must be a cosine from -1 to 1"),
    "intervals of a matrix": (["--matrix", "--interval"], "for the pairs of --top or --threshold"),
    "gaps": (["--interval", "--nan", "pairwise"], "needs rows without gaps"),
    "two coordinates": (["--columns", "ash,hue", "--interval"], "at least 3 are needed"),
    "unknown kind": (["--out", "x.xlsx"], "must end in .csv, .parquet, .json"),
    "pairs as an array": (["--out", "x.npy"], ".npy is for --matrix"),
    "nowhere to write": (["--out", "/no/such/folder/x.csv"], "in none"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_told_in_one_line(folder: Path, case: str) -> None:
    args, message = WRONG[case]
    ended = run(folder / "wines.csv", *args)
    assert isinstance(ended.exception, ek.DataError)
    assert message in str(ended.exception)
    assert "\n" not in str(ended.exception)
    assert not ended.stdout


@pytest.mark.parametrize(("content", "name", "args", "message"), [
    (None, "none.npy", [], "No such file"),
    ("a,b\n1,2", "x.txt", [], "must end in .csv, .parquet or .npy"),
    ("no array", "x.npy", [], "it holds no array of numbers"),
    ("", "empty.npy", [], "it holds no array of numbers"),
    ("a,b\n", "empty.csv", [], "empty.csv' holds no rows"),
    ("a,b\nx,y\n", "text.csv", [], "has no column of numbers to compare rows by; it has a, b"),
    ("a,b\n1,2\n,3\n", "gap.csv", [],
     "gap.csv': row 1 (counted from 0), column 'a' is missing (nan); 1 such row (1); pass "
     "--nan propagate for a cosine of NaN, or --nan pairwise"),
    ("a,b\n1,2\n0,0\n", "zero.csv", ["--zero", "raise"], "row 1 (counted from 0) is zero"),
    ("a,b,c\n1,2,k\n3,4,\n", "label.csv", ["--label", "c"], "has no 'c' in row 1"),
    ("a,b,c\n1,2,k\n3,4,k\n", "twice.csv",
     ["--label", "c", "--matrix", "--out", "OUT/x.parquet"], "Duplicate column names"),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, name: str, args: list[str], message: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content, "utf-8")
    ended = run(file, *(arg.replace("OUT", str(tmp_path)) for arg in args))
    assert isinstance(ended.exception, ek.DataError)
    assert message in str(ended.exception)


def test_files_that_do_not_fit_each_other_are_told(folder: Path) -> None:
    ended = run(folder / "new.csv", "--against", folder / "wines.csv", "--label", "name")
    assert "--against: there is no column 'price'" in str(ended.exception)
    ended = run(folder / "wines.npy", "--label", "name")
    assert "need columns with names" in str(ended.exception)
    np.save(folder / "cube.npy", np.ones((2, 2, 2)))
    assert "cube.npy' must be one vector or rows" in str(run(folder / "cube.npy").exception)
    ended = run(folder / "wines.npy", "--against", folder / "new.csv")
    assert "new.csv' has 6 coordinates but '" in str(ended.exception)
