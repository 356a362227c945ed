"""The manifest of a store of trials: what their numbers depend on, and what to say of a change."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estkit.comparison.candidates import Candidate, Data
from estkit.comparison.folds import Folds
from estkit.errors import DataError
from estkit.estimate import plain
from estkit.montecarlo.manifest import NAME, in_words, refuse, shown, without_source
from estkit.montecarlo.provenance import described, difference, version_of

_FORMAT = "estkit.trials"
_VERSION = 1
_OF_NO_TRIAL = ("format", "version", "versions", "folds", "models")
_MOST_COLUMNS = 2000  # more of them are told apart as a whole only
_LIBRARIES = ("estkit", "numpy", "sklearn")


def manifest_of(
    candidates: Sequence[Candidate], data: Data, folds: Folds, seed: np.random.SeedSequence
) -> dict[str, Any]:
    """Return all that what models predict depends on, as JSON holds it."""
    import sklearn  # noqa: F401 - whose version is told

    python = ".".join(platform.python_version_tuple()[:2])
    made = {
        "format": _FORMAT,
        "version": _VERSION,
        "versions": {"python": python, **{name: version_of(name) for name in _LIBRARIES}},
        "seed": {"entropy": seed.entropy, "spawn_key": list(seed.spawn_key)},
        "kind": "frame" if hasattr(data.X, "iloc") else type(data.X).__name__,
        "rows": len(data.y),
        "columns": [list(pair) for pair in _columns(data.X)],
        "outcome": _digest(data.y),
        "classes": [repr(label) for label in data.classes],
        "folds": {"scheme": folds.scheme, "number": len(folds), "fingerprint": folds.fingerprint},
        "models": {each.name: _model(each.estimator) for each in candidates},
    }
    return dict(json.loads(json.dumps(plain(made))))


def key_of(manifest: Mapping[str, Any], name: str) -> str:
    """Return a hash of all that the trials of a model depend on."""
    whole = {part: value for part, value in manifest.items() if part not in _OF_NO_TRIAL}
    own = [whole, manifest["folds"]["fingerprint"], name, manifest["models"][name]]
    text = json.dumps(without_source(own), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest in a folder, None if there is none, or raise and say what is wrong."""
    file = folder / NAME
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{str(file)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{str(file)!r} is damaged: {error}. {_ANEW}") from error
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise DataError(
            f"{str(file)!r} is not the manifest of a comparison; give another folder as store."
        )
    if found.get("version") != _VERSION:
        raise DataError(
            f"{str(folder)!r} is a store of version {found.get('version')!r}; this estkit reads "
            f"version {_VERSION}. Give another folder."
        )
    if not _is_sound(found):
        raise DataError(f"{str(file)!r} is damaged: an entry is missing. {_ANEW}")
    return found


_ANEW = "Delete it, and run again with the same seed: every trial in the folder is found again."


def _is_sound(found: Mapping[str, Any]) -> bool:
    kinds = {"versions": dict, "seed": dict, "kind": str, "rows": int, "columns": list,
             "outcome": str, "classes": list, "folds": dict, "models": dict}  # fmt: skip
    if not all(isinstance(found.get(name), kind) for name, kind in kinds.items()):
        return False
    models = found["models"].values()
    inner = (found["seed"], {"entropy", "spawn_key"}), (
        found["folds"], {"scheme", "number", "fingerprint"})  # fmt: skip
    return all(keys <= part.keys() for part, keys in inner) and all(
        isinstance(own, dict) and {"classes", "settings", "is"} <= own.keys() for own in models
    )


def seed_in(folder: Path) -> np.random.SeedSequence | None:
    """Return the seed of the store in a folder, None when there is none yet."""
    found = read_manifest(folder)
    if found is None:
        return None
    return np.random.SeedSequence(found["seed"]["entropy"], spawn_key=found["seed"]["spawn_key"])


def refuse_changes(old: Mapping[str, Any], new: Mapping[str, Any], folder: Path) -> None:
    """Raise if a store is of other data, folds, seed or models of the same names; name the first.

    Models may be added and left out.
    """
    what = f"The store {str(folder)!r} holds another comparison"
    path, mine, other = difference(old["versions"], new["versions"])
    if path:
        refuse(what, in_words(("versions", *path)), mine, other, "now")
    _refuse_data(old, new, what)
    if old["seed"] != new["seed"]:
        refuse(what, "the seed", old["seed"]["entropy"], new["seed"]["entropy"], "now")
    if old["folds"]["fingerprint"] != new["folds"]["fingerprint"]:
        sides = [f"{own['folds']['number']} folds ({own['folds']['scheme']})" for own in (old, new)]
        then = sides[0] if sides[0] != sides[1] else f"other {sides[0]}"
        raise DataError(
            f"{what}: it has {then}, now there are {sides[1]}. Pass the same cv and groups (a "
            f"splitter that shuffles needs a random_state), or give another folder."
        )
    for name in [name for name in new["models"] if name in old["models"]]:
        _refuse_model(name, old["models"][name], new["models"][name], what)


def _refuse_data(old: Mapping[str, Any], new: Mapping[str, Any], what: str) -> None:
    either = "Pass the data it was made with, or give another folder."
    if old["rows"] != new["rows"]:
        raise DataError(f"{what}: of {old['rows']} rows, now there are {new['rows']}. {either}")
    if old["kind"] != new["kind"]:
        raise DataError(f"{what}: X was a {old['kind']}, now it is a {new['kind']}. {either}")
    names = [[name for name, _ in own["columns"]] for own in (old, new)]
    if names[0] != names[1]:
        gone = [name for name in names[0] if name not in names[1]]
        added = [name for name in names[1] if name not in names[0]]
        told = [f"X lacks the column {name!r}" for name in gone[:1]]
        told += [f"X has the new column {name!r}" for name in added[:1]]
        told = told or ["the columns of X are in another order"]
        raise DataError(f"{what}: now {', and '.join(told)}. {either}")
    for (name, then), (_, now) in zip(old["columns"], new["columns"], strict=True):
        if then != now:
            raise DataError(f"{what}: {name!r} of X has other values now. {either}")
    if old["classes"] != new["classes"]:
        sides = [", ".join(own["classes"]) or "numbers" for own in (old, new)]
        raise DataError(f"{what}: y held {shown(sides[0])}, now {shown(sides[1])}. {either}")
    if old["outcome"] != new["outcome"]:
        raise DataError(f"{what}: y has other values now. {either}")


def _refuse_model(name: str, old: Any, new: Any, what: str) -> None:
    if without_source(old) == without_source(new):
        return
    path, *sides = difference(old["classes"], new["classes"])
    if not path:  # the innermost setting says most
        mine, other = old["settings"], new["settings"]
        apart = [key for key in {**mine, **other} if mine.get(key) != other.get(key)]
        inner = sorted(apart, key=lambda key: -key.count("__"))[:1]
        then, now = ({key: own.get(key) for key in inner} for own in (mine, other))
        path, *sides = difference(then, now)
    if not path:
        path, *sides = difference(old["is"], new["is"])
    told = in_words((f"the model {name!r}", *path))
    raise DataError(
        f"{what}: {told} was {shown(sides[0])}, now it is {shown(sides[1])}. Undo the change, call "
        f"the model something else, or give another folder."
    )


def _model(estimator: Any) -> dict[str, Any]:
    """Return what an estimator is: as a whole, and part by part to name what changed."""
    from sklearn.base import clone

    try:
        fresh = clone(estimator)
    except Exception:  # then every trial fails, and says why
        fresh = estimator
    given = fresh.get_params()
    within = {name: value for name, value in given.items() if hasattr(value, "get_params")}
    return {
        "classes": {"its class": described(type(fresh)),
                    **{name: described(type(value)) for name, value in within.items()}},
        "settings": {n: described(value) for n, value in given.items() if n not in within},
        "is": described(fresh),
    }  # fmt: skip


def _columns(X: Any) -> Iterator[tuple[str, str]]:
    """Yield the name and a hash of every column; of all together where they are many or sparse."""
    if hasattr(X, "tocsr"):
        parts = [_digest(part) for part in (X.indptr, X.indices, X.data)]
        yield f"all {X.shape[1]} columns", "".join(parts)
    elif X.shape[1] > _MOST_COLUMNS and not hasattr(X, "iloc"):
        yield f"all {X.shape[1]} columns", _digest(X)
    elif hasattr(X, "iloc"):
        for j, name in enumerate(X.columns):
            yield str(name), _of_series(X.iloc[:, j])
    else:
        for j in range(X.shape[1]):
            yield f"x{j}", _digest(X[:, j])


def _of_series(column: Any) -> str:
    kind = str(column.dtype)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
        return _digest(column.to_numpy())
    if kind == "category":  # the order of the categories can decide what a model makes of them
        kind += repr((column.cat.categories.tolist(), column.cat.ordered))
    return _digest(column.to_numpy(dtype=object), kind)


def _digest(values: NDArray[Any], kind: str = "") -> str:
    """Return a hash of values and of what they are."""
    digest = hashlib.blake2b(f"{kind}{values.dtype}{values.shape}".encode(), digest_size=8)
    if values.dtype.kind == "O":
        digest.update(repr(values.ravel().tolist()).encode(errors="backslashreplace"))
    else:
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
