"""The wheel that users install: what is in it, what it says of itself, and that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DIST_INFO = f"{PROJECT['name']}-{PROJECT['version']}.dist-info"


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    """Run Python with these arguments and return what it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel outside the repository, with the build back end itself: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into an empty folder, and return the folder."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(folder)]
    run("-m", "pip", "install", "--quiet", *options, str(wheel), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Return the wheel's own METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"{DIST_INFO}/METADATA").decode())


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "estkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert held == package | {f"{DIST_INFO}/{name}" for name in about}
    assert "estkit/py.typed" in held


def test_wheel_runs_anywhere(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_metadata_says_what_pyproject_says(metadata: Message) -> None:
    assert metadata["Name"] == PROJECT["name"]
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["Summary"] == PROJECT["description"]
    assert metadata["License-Expression"] == PROJECT["license"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    readme = (ROOT / "README.md").read_text("utf-8").strip()
    assert readme and str(metadata.get_payload()).strip() == readme


def test_metadata_lists_the_extras(metadata: Message) -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(metadata.get_all("Provides-Extra", [])) == set(extras)
    everything = Requirement(extras["all"][0])
    assert everything.name == PROJECT["name"]
    assert everything.extras == set(extras) - {"all"}


def test_requirements_have_a_lower_bound_and_no_upper_one(metadata: Message) -> None:
    required = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    others = [requirement for requirement in required if requirement.name != PROJECT["name"]]
    assert others
    for requirement in others:
        assert [bound.operator for bound in requirement.specifier] == [">="], requirement


def test_installed_wheel_imports_from_its_own_folder(installed: Path) -> None:
    script = "import estkit; print(estkit.__file__); print(estkit.__version__)"
    printed = run("-c", script, cwd=installed.parent, PYTHONPATH=str(installed)).split()
    assert printed == [str(installed / "estkit" / "__init__.py"), PROJECT["version"]]


def test_installed_wheel_runs_as_a_command(installed: Path) -> None:
    shown = run("-m", "estkit", "--version", cwd=installed.parent, PYTHONPATH=str(installed))
    assert PROJECT["version"] in shown.split()
    points = (installed / DIST_INFO / "entry_points.txt").read_text("utf-8")
    assert points.split() == ["[console_scripts]", "estkit", "=", "estkit.__main__:main"]
