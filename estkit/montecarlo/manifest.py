"""The manifest of a store: to which study its parts belong, and what to say when it has changed."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from estkit.errors import DataError, StudyError
from estkit.estimate import plain
from estkit.montecarlo.conditions import level_text
from estkit.montecarlo.parts import parts_in, write_whole
from estkit.montecarlo.provenance import described, difference, version_of

if TYPE_CHECKING:
    from estkit.montecarlo.study import Study

NAME = "manifest.json"
_FORMAT = "estkit.store"
_VERSION = 1
_MAY_GROW = ("conditions", "replicates")
_LISTS, _MAPPINGS = _MAY_GROW, ("versions", "seed", "options", "estimators", "controls")
_OF_NO_OUTCOME = ("format", "version", "versions", "dtype", *_MAY_GROW)
_OPTIONS = {"common_random_numbers", "antithetic", "prepare_every", "shared"}
_OR = "Bring back a copy of it, or give another folder."
_WORDS = {
    "code": "its code",
    "closure": "what it closes over,",
    "globals": "what it uses,",
    "defaults": "the default of",
    "arguments": "its argument",
    "keywords": "its argument",
}


def manifest_of(
    study: Study, seed: np.random.SeedSequence, replicates: Sequence[int]
) -> dict[str, Any]:
    """Return all that the bytes of a run depend on, and how many replicates were asked for."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "versions": {"estkit": version_of("estkit"), "numpy": np.__version__, "python": python},
        "seed": plain({"entropy": seed.entropy, "spawn_key": list(seed.spawn_key)}),
        "dtype": np.dtype("<f8").name,
        "options": {
            "common_random_numbers": study.common_random_numbers,
            "antithetic": study.antithetic,
            "prepare_every": study.prepare_every,
            "shared": study.shared_size(),
        },
        "conditions": [{n: _level(v) for n, v in own.items()} for own in study.conditions],
        "generate": described(study.generate),
        "prepare": described(study.prepare),
        "truth": described(study.truth),
        "estimators": {name: described(own) for name, own in study.estimators.items()},
        "controls": {name: described(list(pair)) for name, pair in study.controls.items()},
        "replicates": list(replicates),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest in a folder, or raise and say why there is none."""
    try:
        found = json.loads((folder / NAME).read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{str(folder)!r} is not the store of a study: there is no {NAME} in it."
        ) from error
    except OSError as error:
        raise DataError(f"{str(folder / NAME)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{str(folder / NAME)!r} is damaged: {error}. {_OR}") from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise DataError(f"{str(folder / NAME)!r} is not the manifest of a study.")
    if found.get("version") != _VERSION:
        raise DataError(
            f"{str(folder)!r} is a store of version {found.get('version')!r}; this estkit reads "
            f"version {_VERSION}."
        )
    flaw = _flaw(found)
    if flaw:
        raise DataError(f"{str(folder / NAME)!r} is damaged: wrong entry {flaw!r}. {_OR}")
    return found


def _flaw(found: Mapping[str, Any]) -> str:
    """Return which entry of a manifest is missing or not what it should be."""
    for name, kind in [*((n, list) for n in _LISTS), *((n, dict) for n in _MAPPINGS)]:
        if not isinstance(found.get(name), kind):
            return name
    conditions, counts = found["conditions"], found["replicates"]
    levels = [level for own in conditions if isinstance(own, dict) for level in own.values()]
    if not all(isinstance(own, dict) for own in conditions) or not all(
        isinstance(level, dict) and level.keys() >= {"is", "value"} for level in levels
    ):
        return "conditions"
    if len(counts) != len(conditions) or not all(type(count) is int for count in counts):
        return "replicates"
    if not found["estimators"]:
        return "estimators"
    try:
        _seed(found["seed"])
    except (KeyError, TypeError, ValueError):
        return "seed"
    return "" if found["options"].keys() >= _OPTIONS else "options"


def study_of(manifest: Mapping[str, Any], number: int) -> str:
    """Return a hash of what the outcomes of a condition are of, so that parts can tell."""
    whole = {name: part for name, part in manifest.items() if name not in _OF_NO_OUTCOME}
    condition = {name: level["is"] for name, level in manifest["conditions"][number].items()}
    text = json.dumps(without_source([whole, condition]), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def without_source(value: Any) -> Any:
    """Return a description without the source, which says nothing that its code does not."""
    if isinstance(value, list):
        return [without_source(part) for part in value]
    if isinstance(value, dict):
        return {n: without_source(part) for n, part in value.items() if n != "source"}
    return value


def has_manifest(folder: Path) -> bool:
    """Tell whether there is a store in a folder."""
    return (folder / NAME).exists()


def seed_of(folder: Path) -> np.random.SeedSequence:
    """Return the seed of the store in a folder, or a new one when there is none."""
    if not has_manifest(folder):
        return np.random.SeedSequence()
    return _seed(read_manifest(folder)["seed"])


def _seed(seed: Mapping[str, Any]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed["entropy"], spawn_key=seed["spawn_key"])


def enter(folder: Path, new: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of a study into a folder, or compare it with the one that is there.

    More conditions and more replicates are entered; any other change is refused and named.
    """
    new = dict(json.loads(json.dumps(new)))  # as it will be read
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not has_manifest(folder):
            if parts_in(folder):
                raise DataError(
                    f"{str(folder)!r} has parts of a study, but its {NAME} is lost. {_OR}"
                )
            merged = dict(new)
        else:
            old = read_manifest(folder)
            refuse_changes(old, new, f"The store {str(folder)!r} holds another study", "now")
            if len(new["conditions"]) < len(old["conditions"]):
                raise DataError(
                    f"The store {str(folder)!r} has {len(old['conditions'])} conditions, this "
                    f"study only {len(new['conditions'])}; keep them, new ones may stand after."
                )
            counts = [0] * len(new["conditions"])
            for number, count in enumerate(old["replicates"]):
                counts[number] = count
            most = [max(pair) for pair in zip(counts, new["replicates"], strict=True)]
            merged = {**new, "replicates": most}
            if merged == old:
                return old
        write_whole(folder / NAME, json.dumps(merged, indent=1).encode())
    except OSError as error:
        raise StudyError(
            f"The store {str(folder)!r} cannot be written to: {error.strerror or error}."
        ) from error
    return merged


def refuse_changes(old: Mapping[str, Any], new: Mapping[str, Any], what: str, where: str) -> None:
    """Raise if two manifests are not of one study, and name the first difference."""
    for number, (mine, other) in enumerate(zip(old["conditions"], new["conditions"], strict=False)):
        names = [n for n in {**mine, **other} if _is(mine.get(n)) != _is(other.get(n))]
        if names:
            sides = [_is(own.get(names[0])) or "nothing" for own in (mine, other)]
            refuse(what, f"{names[0]} of condition {number}", sides[0], sides[1], where)
    added = [name for name in new["estimators"] if name not in old["estimators"]]
    gone = [name for name in old["estimators"] if name not in new["estimators"]]
    if added or gone:
        name = (added or gone)[0]
        known = ", ".join(old["estimators"])
        raise DataError(
            f"{what}: the estimator {name!r} is {'new' if added else 'missing'}; its estimators "
            f"are {known}. Give another folder: estimators have streams of their own, so that the "
            f"same seed gives the same numbers there."
        )
    path, mine, other = difference(
        {name: part for name, part in old.items() if name not in _MAY_GROW},
        {name: part for name, part in new.items() if name not in _MAY_GROW},
    )
    if path:
        refuse(what, in_words(path), shown(mine), shown(other), where)


def condition_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a condition from what the manifest says of it; text for what JSON cannot hold."""
    return {name: _value(level) for name, level in stored.items()}


def _level(value: Any) -> dict[str, Any]:
    kept = value if value is None or type(value) in (bool, int, str) else None
    if type(value) is float:
        kept = value if math.isfinite(value) else repr(value)
    elif kept is None and value is not None:
        kept = level_text(value)
    return {"is": described(value), "value": kept}


def _value(level: Mapping[str, Any]) -> Any:
    kind = str(level["is"]).partition(" ")[0]
    if kind == "float":
        return float(level["value"])
    known = level["value"] is not None or kind == "NoneType"
    return level["value"] if known else shown(level["is"])


def _is(level: Any) -> Any:
    return None if level is None else level["is"]


def in_words(path: Sequence[str]) -> str:
    """Return what a path within a manifest is about."""
    head, *rest = path
    if head in ("versions", "options"):
        return f"the version of {rest[0]}" if head == "versions" else f"the option {rest[0]}"
    if head in ("seed", "dtype"):
        return "the seed" if head == "seed" else "the dtype of the estimates"
    if head in ("estimators", "controls"):
        head, rest = f"{head[:-1]} {rest[0]!r}", rest[1:]
    told = [_WORDS.get(part, part) for part in rest]
    return " ".join([f"{head}:", *told]) if told else head


def shown(value: Any) -> str:
    """Return a part of a manifest as a message shows it."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def refuse(what: str, part: str, old: Any, new: Any, where: str) -> None:
    """Raise and say what differs, and what to do."""
    raise DataError(
        f"{what}: {part} was {shown(old)!s}, {where} it is {shown(new)!s}. Undo the change, or "
        f"give another folder."
    )
