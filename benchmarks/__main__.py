"""Run every benchmark, each in a process of its own: `python benchmarks`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run all `bench_*.py` beside this file; give 1 when any of them did not end well."""
    scripts = sorted(Path(__file__).parent.glob("bench_*.py"))
    # A fresh process each, so that no benchmark finds the imports and worker pools of another.
    ends = [subprocess.run([sys.executable, str(script)]).returncode for script in scripts]
    failed = [script.name for script, end in zip(scripts, ends, strict=True) if end != 0]
    if failed:
        print(f"did not end well: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
