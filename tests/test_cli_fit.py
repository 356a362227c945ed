"""``estkit fit``: the numbers of the Python call, files that are written, and clear refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import estkit as ek
from estkit.__main__ import main

WRONG_USE = 2
RNG = np.random.default_rng(6)
N = 240
FRAME = pd.DataFrame(
    {
        "low": RNG.choice(["yes", "no"], N),
        "one": RNG.integers(0, 2, N),
        "age": RNG.uniform(14, 45, N).round(1),
        "race": RNG.choice(["black", "other", "white"], N),
        "site": RNG.integers(1, 4, N),
        "times": RNG.integers(0, 4, N),
        "stands": RNG.uniform(0.5, 9, N),
        "shift": RNG.normal(size=N),
        "town": RNG.integers(0, 20, N),
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("a folder")
    FRAME.to_csv(where / "data.csv", index=False)
    FRAME.to_parquet(where / "data.parquet")
    holes = FRAME.assign(age=FRAME["age"].where(FRAME.index != 7))
    holes.to_csv(where / "holes.csv", index=False)
    (where / "empty.csv").write_text("")
    (where / "broken.parquet").write_text("no parquet")
    (where / "broken.csv").write_bytes(b"a,b\n\xff\xfe\x00,1\n")
    (where / "data.xls").write_text("1")
    return where


class Ended:
    """What a command printed, and its exit status."""

    def __init__(self, status: Any, captured: Any) -> None:
        self.status, self.out, self.err = status, captured.out, captured.err


@pytest.fixture
def estkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Ended:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["estkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code or 0, capsys.readouterr())

    return run


CALLS: dict[str, tuple[list[str], str, Any, dict[str, Any], dict[str, Any]]] = {
    "binomial": (["--success", "yes"], "low ~ age + C(race)", ek.Binomial(success="yes"), {}, {}),
    "link": (["--link", "probit"], "one ~ age", ek.Binomial(link="probit"), {}, {}),
    "weights": (["--weights", "times", "--offset", "shift", "--level", "0.9"], "one ~ age + race",
                ek.Binomial(), {"weights": "times", "offset": "shift"}, {"level": 0.9}),
    "groups": (["--groups", "town", "--covariance", "cluster"], "one ~ age",
               ek.Binomial(), {"groups": "town"}, {"kind": "cluster"}),
    "sampling": (["--family", "softmax", "--reference", "other", "--sampling-weights", "stands"],
                 "race ~ age", ek.Softmax(reference="other"), {"sampling_weights": "stands"}, {}),
    "analytic": (["--family", "gaussian", "--analytic-weights", "stands", "--covariance", "HC1"],
                 "age ~ site", ek.Gaussian(), {"analytic_weights": "stands"}, {"kind": "HC1"}),
    "ordinal": (["--family", "ordinal", "--order", "white, other,black"], "race ~ age",
                ek.Ordinal(order=("white", "other", "black")), {}, {}),
    "numbers": (["--family", "softmax", "--reference", "2"], "site ~ age",
                ek.Softmax(reference=2), {}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("file", ["data.csv", "data.parquet"])
def test_the_numbers_are_those_of_the_call_in_python(
    name: str, file: str, folder: Path, tmp_path: Path, estkit: Any
) -> None:
    options, formula, family, arguments, shown = CALLS[name]
    out, page = tmp_path / "fit.json", tmp_path / "fit.html"
    ended = estkit("fit", folder / file, formula, *options, "--json", out, "--html", page)
    assert (ended.status, ended.err) == (0, "")
    wanted = ek.fit_formula(formula, FRAME, family, **arguments)
    stored = json.loads(out.read_text())
    again = ek.LikelihoodFit.from_dict(stored)
    np.testing.assert_array_equal(again.params, wanted.params)
    np.testing.assert_array_equal(again.std_errors, wanted.std_errors)
    np.testing.assert_array_equal(again.predict(FRAME), wanted.predict(FRAME))
    table = wanted.to_frame(**shown)
    pd.testing.assert_frame_equal(pd.DataFrame(stored["table"]["rows"]), table, check_exact=True)
    if not shown:
        assert str(wanted) in ended.out
    assert f"at level {shown.get('level', 0.95)}" in ended.out
    html = page.read_text()
    assert [term for term in table["term"] if f">{term}<" not in html] == []


def test_it_prints_from_a_process_of_its_own(folder: Path) -> None:
    command = [sys.executable, "-m", "estkit", "fit", folder / "data.csv", "one ~ age"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert str(ek.fit_formula("one ~ age", FRAME, ek.Binomial())) in ended.stdout


def test_incomplete_rows_are_dropped_when_asked(folder: Path, estkit: Any) -> None:
    ended = estkit("fit", folder / "holes.csv", "one ~ age", "--missing", "drop")
    assert ended.status == 0
    assert f"{N - 1} observations" in ended.out


def test_the_help_names_every_option(estkit: Any) -> None:
    ended = estkit("fit", "--help")
    options = ["--family", "--link", "--success", "--weights", "--groups", "--covariance",
               "--level", "--json", "--html", "--missing", "fit_formula"]  # fmt: skip
    assert ended.status == 0
    assert [option for option in options if option not in ended.out] == []


REFUSED: dict[str, tuple[str, list[str], list[str]]] = {
    "no file": ("nothing.csv", ["one ~ age"], ["nothing.csv", "No such file"]),
    "an empty file": ("empty.csv", ["one ~ age"], ["empty.csv", "No columns"]),
    "no text": ("broken.csv", ["one ~ age"], ["broken.csv", "cannot read"]),
    "no parquet": ("broken.parquet", ["one ~ age"], ["broken.parquet", "cannot read"]),
    "another kind": ("data.xls", ["one ~ age"], ["data.xls", ".csv or .parquet"]),
    "no such column": ("data.csv", ["one ~ size"], ["no column 'size'", "age"]),
    "no such weights": ("data.csv", ["one ~ age", "--weights", "w"], ["weights='w'", "times"]),
    "no formula": ("data.csv", ["one"], ["response ~ terms"]),
    "a missing value": ("holes.csv", ["one ~ age"], ["age", "row 7"]),
    "no success": ("data.csv", ["low ~ age"], ["success="]),
    "a foreign option": ("data.csv", ["one ~ age", "--order", "a,b"], ["--order", "binomial"]),
    "no such link": ("data.csv", ["one ~ age", "--link", "log10"], ["link must be", "log10"]),
    "no such family": ("data.csv", ["one ~ age", "--family", "poisson"], ["poisson", "softmax"]),
    "no such covariance": ("data.csv", ["one ~ age", "--covariance", "HC9"], ["HC9", "HC1"]),
    "a level of percents": ("data.csv", ["one ~ age", "--level", "95"], ["level", "95"]),
    "no groups": ("data.csv", ["one ~ age", "--covariance", "cluster"], ["groups="]),
    "two weights": ("data.csv", ["one ~ age", "--weights", "times", "--sampling-weights", "stands"],
                    ["weights and sampling_weights"]),
    "separated": ("data.csv", ["one ~ {one * 2}"], ["Complete separation"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_ends_with_one_message(case: str, folder: Path, estkit: Any) -> None:
    file, arguments, quoted = REFUSED[case]
    ended = estkit("fit", folder / file, *arguments)
    assert ended.status == WRONG_USE
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert [part for part in quoted if part not in ended.err] == []


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_where_nothing_can_be_written_is_said_before_the_work(
    option: str, folder: Path, estkit: Any
) -> None:
    for target in (folder, folder / "not there" / "fit.out"):
        ended = estkit("fit", folder / "data.csv", "one ~ age", option, target)
        assert (ended.status, ended.out) == (WRONG_USE, "")
        assert "cannot write" in ended.err and str(target) in ended.err
