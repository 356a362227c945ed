"""Stores without the functions that filled them: opened, and merged when they are shards."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, EstkitWarning, StudyError
from estkit.montecarlo.conditions import CONTROL, describe
from estkit.montecarlo.manifest import condition_of, enter, read_manifest, refuse_changes
from estkit.montecarlo.parts import Part, checked_folder, parquet, write_whole
from estkit.montecarlo.pieces import (
    Made,
    Share,
    cells_of,
    cover,
    has_truths,
    names_in,
    read_truths,
)
from estkit.montecarlo.store import sound_parts
from estkit.montecarlo.times import Times, copy_times, times_of
from estkit.montecarlo.truth import Truth, drawn_truth

if TYPE_CHECKING:
    from estkit.montecarlo.result import StudyResult

_LISTED = 5  # gaps that a message names


def open_study(store: Any) -> StudyResult:
    """Return the result that a store holds, without the functions of the study.

    Outcomes are read when they are asked for. What is missing, as in the store of a single shard or
    where a part is damaged, is named in a warning; the result has the replicates before a gap.

    Parameters
    ----------
    store : str or path
        The folder, as it was given to `Study.run`.

    Raises
    ------
    DataError
        If there is no store in the folder.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(lambda rng: rng.normal(size=20), {"mean": np.mean}, truth=0.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ran = study.run(100, rng=3, store=folder)
    ...     ek.open_study(folder).fingerprint() == ran.fingerprint()
    True
    """
    folder = checked_folder(store)
    manifest = read_manifest(folder)
    conditions = _conditions(manifest)
    pieces = _pieces([folder], manifest)
    _warn_of_nothing(folder, manifest, [n for n, own in pieces.items() if not own])
    shares: dict[int, list[Share]] = {}
    for number, own in pieces.items():
        if own:
            shares[number] = _without_gaps(folder, own, conditions[number])
    return _result(manifest, conditions, shares, times_of([folder]))


def merge(stores: Iterable[Any], *, into: Any = None) -> StudyResult:
    """Return the result of several stores of one study, the same bytes as those of a single run.

    Parameters
    ----------
    stores : sequence of str or path
        The folders that shards were run with; one folder that all of them used will do.
    into : str or path, optional
        A folder for a store with everything in it; by default the result reads from all folders.

    Raises
    ------
    DataError
        If the stores are not of the same study; the message names the difference.
    StudyError
        If replicates are missing; the message says which, and ``partial`` holds those before.

    Warns
    -----
    EstkitWarning
        If several stores have the same replicates, which then count once.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import estkit as ek
    >>> study = ek.Study(lambda rng: rng.normal(size=20), {"mean": np.mean}, truth=0.0)
    >>> with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
    ...     first = study.run(100, rng=3, store=one, shard=(1, 2))
    ...     second = study.run(100, rng=3, store=two, shard=(2, 2))
    ...     merged = ek.merge([one, two])
    ...     merged.fingerprint() == study.run(100, rng=3).fingerprint()
    True
    """
    if isinstance(stores, str | Path) or not isinstance(stores, Iterable):
        raise DataError(f"stores must be a list of folders, got {stores!r:.60}.")
    folders = [checked_folder(store) for store in stores]
    if not folders:
        raise DataError("There is no store to merge; give a list of folders.")
    manifests = [read_manifest(folder) for folder in folders]
    for folder, other in zip(folders[1:], manifests[1:], strict=True):
        what = f"The stores {str(folders[0])!r} and {str(folder)!r} are not of one study"
        refuse_changes(manifests[0], other, what, "in the other")
        if len(other["conditions"]) != len(manifests[0]["conditions"]):
            counts = [len(m["conditions"]) for m in (manifests[0], other)]
            raise DataError(f"{what}: one has {counts[0]} conditions, the other {counts[1]}.")
    counts = [max(each) for each in zip(*(m["replicates"] for m in manifests), strict=True)]
    manifest = {**manifests[0], "replicates": counts}
    conditions = _conditions(manifest)
    _warn_of_doubles(folders, manifest)
    pieces = _pieces(folders, manifest)
    covered = {n: cover(own, 0, counts[n]) for n, own in pieces.items()}
    holes = {n: [(a, b) for p, a, b in own if p is None] for n, own in covered.items()}
    shares = {n: _before(own) for n, own in covered.items()}
    shares = {n: own for n, own in shares.items() if own}
    times = times_of(folders)
    missing = [f"{_ranges(own)} of {describe(conditions[n])}" for n, own in holes.items() if own]
    if missing:
        more = f", and more of {len(missing) - _LISTED} others" if len(missing) > _LISTED else ""
        raise StudyError(
            f"Merged, the stores have no {'; no '.join(missing[:_LISTED])}{more}. Run what is "
            f"missing, with the same arguments; what is there before it is in the attribute "
            f"partial.",
            _result(manifest, conditions, shares, times) if shares else None,
        )
    if into is not None:
        shares = _copied(shares, checked_folder(into), manifest)
        copy_times(folders, checked_folder(into))
    return _result(manifest, conditions, shares, times)


def _conditions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [condition_of(stored) for stored in manifest["conditions"]]


def _pieces(folders: Sequence[Path], manifest: Mapping[str, Any]) -> dict[int, list[Part]]:
    parquet()
    pieces: dict[int, list[Part]] = {n: [] for n in range(len(manifest["conditions"]))}
    for folder in folders:
        then = "the study computes them anew when it is run with this store"
        for part in sound_parts(folder, manifest, then, aside=False):
            pieces[part.condition].append(part)
    return pieces


def _warn_of_nothing(folder: Path, manifest: Mapping[str, Any], numbers: Sequence[int]) -> None:
    """Warn of conditions of which there is nothing at all."""
    if numbers:
        conditions = _conditions(manifest)
        listed = "; ".join(describe(conditions[number]) for number in numbers[:_LISTED])
        more = f"; and {len(numbers) - _LISTED} others" if len(numbers) > _LISTED else ""
        warnings.warn(
            f"The store {str(folder)!r} has no replicates of {len(numbers)} of {len(conditions)} "
            f"conditions: {listed}{more}. Run the study again, or merge the stores of all shards.",
            EstkitWarning,
            stacklevel=3,
        )


def _without_gaps(folder: Path, parts: list[Part], condition: Mapping[str, Any]) -> list[Share]:
    """Return the first replicates that follow each other, and warn of those that are not there."""
    first, last = min(part.first for part in parts), max(part.stop for part in parts)
    covered = cover(parts, first, last)
    holes = [(0, first)] * (first > 0) + [(a, b) for part, a, b in covered if part is None]
    kept = _before(covered)
    if holes:
        warnings.warn(
            f"The store {str(folder)!r} has no {_ranges(holes)} of {describe(condition)}; the "
            f"result has {first} to {kept[-1][2] - 1}. Run the study again to fill the gap, or "
            f"merge the stores of all shards.",
            EstkitWarning,
            stacklevel=3,
        )
    return kept


def _before(covered: list[tuple[Any, int, int]]) -> list[Share]:
    """Return what there is before the first gap."""
    gap = next((i for i, share in enumerate(covered) if share[0] is None), len(covered))
    return covered[:gap]


def _warn_of_doubles(folders: Sequence[Path], manifest: Mapping[str, Any]) -> None:
    """Warn of replicates that more than one folder has."""
    conditions = _conditions(manifest)
    reached: dict[int, list[tuple[int, int, Path]]] = {}
    for folder in folders:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged parts there will be a warning later
            own = _pieces([folder], manifest)
        for number, parts in own.items():
            stop = max((part.stop for part in parts), default=0)
            spans = [(a, b, folder) for piece, a, b in cover(parts, 0, stop) if piece is not None]
            reached.setdefault(number, []).extend(spans)
    doubles = []
    for number, spans in reached.items():
        spans.sort(key=lambda span: span[:2])
        for (_, stop, one), (start, end, other) in itertools.pairwise(spans):
            if start < stop and one != other:
                both = _ranges([(start, min(stop, end))])
                doubles.append(f"{both} of {describe(conditions[number])} in {one} and {other}")
    if doubles:
        more = f"; and {len(doubles) - _LISTED} more" if len(doubles) > _LISTED else ""
        warnings.warn(
            f"Several stores have the same replicates, which count once: "
            f"{'; '.join(doubles[:_LISTED])}{more}.",
            EstkitWarning,
            stacklevel=3,
        )


def _copied(
    shares: Mapping[int, list[Share]], folder: Path, manifest: Mapping[str, Any]
) -> dict[int, list[Share]]:
    """Copy the parts in use into a store of their own."""
    enter(folder, manifest)
    copied: dict[int, list[Share]] = {}
    for number, own in shares.items():
        copied[number] = []
        for part, start, stop in own:
            assert isinstance(part, Part)
            path = folder / part.path.name
            if not path.exists():
                try:
                    write_whole(path, part.path.read_bytes())
                except OSError as error:
                    raise StudyError(
                        f"{str(folder)!r} cannot be written to: {error.strerror or error}. The "
                        f"stores that were to be merged are as they were."
                    ) from error
            moved = Part(path, part.condition, part.first, part.stop, part.digest)
            copied[number].append((moved, start, stop))
    return copied


def _ranges(holes: Sequence[tuple[int, int]]) -> str:
    listed = ", ".join(f"{start} to {stop - 1}" for start, stop in holes[:_LISTED])
    more = f" and {len(holes) - _LISTED} further gaps" if len(holes) > _LISTED else ""
    return f"replicates {listed}{more}"


def _result(
    manifest: Mapping[str, Any],
    conditions: list[dict[str, Any]],
    shares: Mapping[int, list[Share]],
    times: Times,
) -> StudyResult:
    """Return the result of what parts hold, with the truths that they remember."""
    from estkit.montecarlo.result import StudyResult

    estimators = list(manifest["estimators"])
    names = [*estimators, *(CONTROL + name for name in manifest["controls"])]
    truths = {
        (number, name): functools.partial(_truth, own, conditions[number], name)
        for number, own in shares.items()
        for name in estimators
    }
    options = manifest["options"]
    return StudyResult(
        {number: conditions[number] for number in shares},
        tuple(estimators),
        manifest["seed"],
        {
            "common_random_numbers": options["common_random_numbers"],
            "antithetic": options["antithetic"],
            "controls": {n: own[0][0].head["controls"] for n, own in shares.items()},
            "group": options["prepare_every"] or (2 if options["antithetic"] else 1),
            "shared": options["shared"],
        },
        cells_of(shares, names),
        Made(truths),
        None,
        _times=times,
    )


def _truth(shares: list[Share], condition: Mapping[str, Any], name: str) -> Truth:
    names = names_in(shares, name) or ()
    if names and has_truths(shares):
        return drawn_truth(functools.partial(read_truths, shares), condition, name, names)
    for part, _, _ in shares:
        known = part.head["truth"].get(name)
        if known is not None and part.names(name) == names:
            return Truth(*map(np.array, known))
    return Truth(np.full(len(names), np.nan), np.zeros(len(names)))
