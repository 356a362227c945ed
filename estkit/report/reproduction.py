"""How to get the same bytes again: the call, the seed, the versions."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from estkit.report.page import Code, Part, Terms, Words

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult


def versions() -> tuple[str, str]:
    """Return with what the page is written, as a term and its text."""
    from importlib.metadata import version

    parts = [f"{name} {version(name)}" for name in ("estkit", "numpy", "scipy")]
    parts += [f"Python {platform.python_version()}", platform.platform(terse=True)]
    return "Versions, when this page was written", ", ".join(parts)


def reproduction(result: StudyResult) -> list[Part]:
    """Return the call that gives the same outcomes, and what they were made with."""
    counts = result.counts()
    sizes = list(counts.values())
    asked = str(sizes[0]) if len(set(sizes)) == 1 else repr(sizes)
    entropy, key = result.seed["entropy"], tuple(result.seed["spawn_key"])
    seed = str(entropy)
    if key or not isinstance(entropy, int):
        seed = f"np.random.SeedSequence({entropy!r}, spawn_key={key!r})"
    lines = [
        f"result = study.run({asked}, rng={seed})",
        f"result.fingerprint() == {result.fingerprint()!r}",
    ]
    words = (
        "The same call gives the same bytes for any number of workers. One replicate comes back by "
        "result.replay(replicate, condition), with its data."
    )
    return [Code("\n".join(lines)), Terms([("Seed", seed), versions()]), Words(words)]
