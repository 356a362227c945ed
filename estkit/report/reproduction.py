"""How to get the same bytes again: the call, the seed, the versions."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from estkit.report.page import Code, Part, Terms, Words

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult


def reproduction(result: StudyResult) -> list[Part]:
    """Return the call that gives the same outcomes, and what they were made with."""
    from importlib.metadata import version

    import numpy as np

    counts = {cell.number: len(cell.draws.failed) for cell in result.cells()}
    sizes = list(counts.values())
    asked = str(sizes[0]) if len(set(sizes)) == 1 else repr(sizes)
    entropy, key = result.seed["entropy"], tuple(result.seed["spawn_key"])
    seed = str(entropy)
    if key or not isinstance(entropy, int):
        seed = f"np.random.SeedSequence({entropy!r}, spawn_key={key!r})"
    lines = [f"result = study.run({asked}, rng={seed})"]
    lines.append(f"result.fingerprint() == {result.fingerprint()!r}")
    versions = (
        f"estkit {version('estkit')}, numpy {np.__version__}, Python {platform.python_version()}"
    )
    pairs = [
        ("Seed", seed),
        ("Versions, when this page was written", f"{versions}, {platform.platform(terse=True)}"),
    ]
    words = (
        "The same call gives the same bytes for any number of workers. One replicate comes back by "
        "result.replay(replicate, condition), with its data."
    )
    return [Code("\n".join(lines)), Terms(pairs), Words(words)]
