"""Run every benchmark, each in a process of its own: `python benchmarks`.

Options are handed on to all: `--all` for the slow peers too, `--rounds 1` for a quick look,
`--wait 60` to let others finish first on a shared machine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run all `bench_*.py` beside this file; give 1 when any of them did not end well."""
    scripts = sorted(Path(__file__).parent.glob("bench_*.py"))
    # A fresh process each, so that no benchmark finds the imports and worker pools of another.
    ends = [
        subprocess.run([sys.executable, str(script), *sys.argv[1:]]).returncode
        for script in scripts
    ]
    failed = [script.name for script, end in zip(scripts, ends, strict=True) if end != 0]
    if failed:
        print(f"did not end well: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
