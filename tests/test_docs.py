"""What the pages in docs/ tell the reader to run does run, and gives what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import estkit as ek

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
CLUSTERS = (ROOT / "docs" / "studies_on_clusters.md").read_text(encoding="utf-8")
STUDY, DASK, _ = re.findall(r"```python\n(.*?)```", CLUSTERS, flags=re.DOTALL)
JOB, READ = re.findall(r"```sh\n(.*?)```", CLUSTERS, flags=re.DOTALL)
FEW = 600  # of the replicates in the page


def few(text: str) -> str:
    """Return commands for fewer replicates."""
    changed = text.replace("10_000", str(FEW)).replace("10000", str(FEW))
    assert changed != text
    return changed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.py").write_text(STUDY, encoding="utf-8")
    command = tmp_path / "estkit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m estkit "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


def alone() -> ek.StudyResult:
    names: dict[str, ek.Study] = {}
    exec(STUDY, names)
    return names["study"].run(FEW, rng=1)


def ran(command: list[str], folder: Path, **variables: str) -> str:
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    source = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": source, **variables},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_an_array_of_jobs_gives_what_one_process_gives(folder: Path) -> None:
    (folder / "job.sh").write_text(few(JOB), encoding="utf-8")
    for number in (3, 1, 2):
        job = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": "3"}
        ran(["bash", "job.sh"], folder, **job)
    assert str(alone()).splitlines()[3:5] == ran(["sh", "-c", READ], folder).splitlines()[3:5]
    assert ek.open_study(folder / "results").fingerprint() == alone().fingerprint()


def test_a_dask_cluster_gives_what_one_process_gives(folder: Path) -> None:
    more = f"\n    print(result.fingerprint() == {alone().fingerprint()!r})\n"
    (folder / "on_dask.py").write_text(few(DASK) + more, encoding="utf-8")
    printed = ran([sys.executable, "on_dask.py"], folder)
    assert printed.startswith(f"Monte-Carlo study: {FEW} replicates in each of 2 conditions")
    assert printed.endswith("True\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere_and_code_compiles(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        compile(code, page.name, "exec")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
