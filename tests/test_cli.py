"""The command line in processes of its own: what it prints, writes, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import estkit as ek

ROOT = Path(__file__).parents[1]
WRONG_USE = 2
# The width is fixed, so that a message is not broken in the middle of what is looked for.
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def estkit(*arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, or with a statement before it."""
    call = ["-m", "estkit"]
    if before:
        call = ["-c", f"{before}\nfrom estkit.__main__ import main\nmain()"]
    command = [sys.executable, *call, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def assert_refused(ended: subprocess.CompletedProcess[str], *quoted: str) -> None:
    assert ended.returncode == WRONG_USE
    assert "Traceback" not in ended.stderr + ended.stdout
    assert [part for part in quoted if part not in ended.stderr] == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Run the demo once; return its folder, its output, and what it wrote beside it."""
    folder = tmp_path_factory.mktemp("demo") / "a" / "new folder"
    ended = estkit("demo", "--out", folder, "--replicates", 20)
    assert ended.returncode == 0, ended.stderr
    return folder, ended.stdout, ended.stderr


def test_the_demo_writes_a_picture_and_says_where(demo: tuple[Path, str, str]) -> None:
    folder, output, _ = demo
    pictures = list(folder.iterdir())
    assert len(pictures) == 1
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    assert str(pictures[0]) in output


def test_the_demo_prints_two_fits_and_a_study(demo: tuple[Path, str, str]) -> None:
    _, output, _ = demo
    wanted = ["569 observations", "mean texture", "178 observations", "barbera", "20 replicates",
              "bias", "coverage", "failed", "Monte-Carlo standard errors"]  # fmt: skip
    assert [part for part in wanted if part not in output] == []


def test_the_demo_shows_progress_apart_from_its_output(demo: tuple[Path, str, str]) -> None:
    _, output, beside = demo
    assert "100%" in beside
    assert "%|" not in output


def test_the_demo_prints_the_same_for_any_number_of_workers(
    demo: tuple[Path, str, str], tmp_path: Path
) -> None:
    _, output, _ = demo
    again = estkit("demo", "--out", tmp_path, "--replicates", 20, "--n-jobs", 2)
    assert again.stdout.splitlines()[:-1] == output.splitlines()[:-1]


def test_the_version_is_that_of_the_package() -> None:
    ended = estkit("--version")
    assert (ended.returncode, ended.stdout) == (0, f"estkit {ek.__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"]])
def test_help_teaches(arguments: list[str]) -> None:
    ended = estkit(*arguments)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert "demo" in ended.stdout
    if len(arguments) == 2:
        options = ["--out", "--replicates", "--seed", "--n-jobs", "default"]
        assert [part for part in options if part not in ended.stdout] == []


def test_without_a_command_the_help_is_shown() -> None:
    ended = estkit()
    assert ended.returncode == WRONG_USE
    assert "demo" in ended.stdout + ended.stderr


WRONG: dict[str, tuple[list[str], list[str]]] = {
    "an unknown command": (["fitt"], ["fitt", "--help"]),
    "an unknown option": (["demo", "--replicate", "5"], ["--replicate", "--help"]),
    "a word for a number": (["demo", "--replicates", "many"], ["--replicates", "integer"]),
    "a single replicate": (["demo", "--replicates", "1"], ["--replicates", "2"]),
    "a negative seed": (["demo", "--seed", "-1"], ["--seed", "0"]),
    "no workers": (["demo", "--n-jobs", "0"], ["--n-jobs", "0"]),
    "an option without a value": (["demo", "--out"], ["--out"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_ends_with_a_message(case: str, tmp_path: Path) -> None:
    arguments, quoted = WRONG[case]
    if case == "no workers":
        arguments = [*arguments, "--out", str(tmp_path)]
    assert_refused(estkit(*arguments), *quoted)


def test_a_folder_that_cannot_be_written_to_ends_before_the_work(tmp_path: Path) -> None:
    file = tmp_path / "taken"
    file.write_text("in the way")
    for folder in (file, file / "below"):
        ended = estkit("demo", "--out", folder, "--replicates", 20)
        assert_refused(ended, "cannot write", str(folder), "--out")
        assert ended.stdout == ""
        assert len(ended.stderr.splitlines()) == 1
    assert file.read_text() == "in the way"


def test_a_picture_that_cannot_be_written_loses_no_table(tmp_path: Path) -> None:
    (tmp_path / "coverage.png").mkdir()
    ended = estkit("demo", "--out", tmp_path, "--replicates", 20)
    assert_refused(ended, "coverage.png")
    assert "Monte-Carlo standard errors" in ended.stdout


# Every finder says that it does not know the package, which is what happens where it is absent.
HIDE = """
import sys
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *rest):
        return None if name.split(".")[0] == {!r} else self.finder.find_spec(name, *rest)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


@pytest.mark.parametrize(("absent", "extra"), [("typer", "cli"), ("rich", "cli"),
                                               ("matplotlib", "plot")])  # fmt: skip
def test_a_missing_extra_is_named(absent: str, extra: str, tmp_path: Path) -> None:
    ended = estkit("demo", "--out", tmp_path, "--replicates", 20, before=HIDE.format(absent))
    assert_refused(ended, absent, f"estkit[{extra}]")


def test_stopping_it_is_not_an_error_of_ours(tmp_path: Path) -> None:
    """Ctrl-C while the study runs, here from a function that the study calls."""
    stop = "import estkit.demo as job\ndef run(**_): raise KeyboardInterrupt\njob.run = run"
    ended = estkit("demo", "--out", tmp_path, before=stop)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert "stopped" in ended.stderr
