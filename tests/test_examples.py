"""Every script in examples/ is short, says which question it answers, and runs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
every_example = pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)


@every_example
def test_example_is_numbered_short_and_explained(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.py", script.name)
    assert len(text.splitlines()) < 60
    assert ast.get_docstring(ast.parse(text)), "the docstring says which question it answers"


@every_example
def test_example_runs(script: Path, tmp_path: Path) -> None:
    # In an empty folder: what an example writes must not land in the repository.
    ended = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip(), "an example shows its answer"
    assert "Warning" not in ended.stderr, ended.stderr
