"""The floors of the house: each module imports only from floors below its own, and in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "estkit"

# From the ground up. A room is a module or a folder directly in the package; "estkit" is the
# package itself, with all public names, which only what stands above it may use.
FLOORS = (
    {"errors"},
    {"estimate"},
    {"values"},
    {"frames"},
    {"data", "table", "parallel"},
    {"labels", "missing", "categories"},
    {"formulas"},
    {"formula_coding"},
    {"gradients", "similarity"},
    {"montecarlo"},
    {"likelihood", "comparison"},
    {"plot"},
    {"report"},
    {"estkit"},
    {"files"},
    {"similar_inputs"},
    {"demo", "study_command", "compare_command", "similar_command"},
    {"cli"},
    {"__main__"},
)
LEVELS = {room: level for level, floor in enumerate(FLOORS) for room in floor}

# The one door that opens upwards: a method of this name, and the room it may import when called.
DOORS = {"plot": "plot", "to_html": "report"}


@dataclass(frozen=True)
class Import:
    """One module of the package asking for another."""

    importer: str
    imported: str
    line: int
    method: str | None  # the method of a class in whose body it stands
    at_start: bool  # whether it happens when the importer itself is imported


def modules_in(package: Path) -> dict[str, Path]:
    """Return the dotted name and the file of each module; a folder goes by its __init__."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def targets(node: ast.stmt, importer: str, modules: Mapping[str, Path]) -> list[str]:
    """Return the modules of the package that an import statement asks for."""
    if isinstance(node, ast.Import):
        asked = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        parts = importer.split(".")
        folder = parts if modules[importer].name == "__init__.py" else parts[:-1]
        start = folder[: len(folder) - node.level + 1] if node.level else []
        base = ".".join([*start, *([node.module] if node.module else [])])
        # `from estkit import data` asks for a module, `from estkit import fit` for the package.
        names = [f"{base}.{alias.name}" for alias in node.names]
        asked = [name if name in modules else base for name in names]
    else:
        return []
    return [name for name in asked if name.split(".")[0] == PACKAGE.name]


def is_for_types_only(node: ast.AST) -> bool:
    """Say whether this is an `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_of(importer: str, code: str, modules: Mapping[str, Path]) -> Iterator[Import]:
    """Walk through a module, functions included, and give every import from the package."""
    waiting: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(ast.parse(code), ())]
    while waiting:
        node, around = waiting.pop()
        if isinstance(node, ast.stmt):
            scopes = [n for n in around if isinstance(n, ast.ClassDef | ast.FunctionDef)]
            functions = [isinstance(scope, ast.FunctionDef) for scope in scopes]
            for imported in targets(node, importer, modules):
                yield Import(
                    importer,
                    imported,
                    node.lineno,
                    method=scopes[-1].name if functions == [False, True] else None,
                    at_start=not any(functions) and not any(map(is_for_types_only, around)),
                )
        waiting += [(child, (*around, node)) for child in ast.iter_child_nodes(node)]


def is_allowed(asked: Import) -> bool:
    """Say whether an import goes down, stays in its room, or takes the one door up."""
    above, below = room(asked.importer), room(asked.imported)
    goes_down = above == PACKAGE.name or above == below or LEVELS[below] < LEVELS[above]
    return goes_down or DOORS.get(asked.method or "") == below


def circle_among(imports: list[Import]) -> list[str]:
    """Return the modules of one circle of imports, or none."""
    below: dict[str, set[str]] = {}
    for asked in imports:
        below.setdefault(asked.importer, set()).add(asked.imported)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


MODULES = modules_in(PACKAGE)
IMPORTS = [
    asked
    for module, path in MODULES.items()
    for asked in imports_of(module, path.read_text(encoding="utf-8"), MODULES)
]


def test_every_module_has_a_floor() -> None:
    homeless = {room(module) for module in MODULES} - set(LEVELS)
    assert not homeless, f"give {sorted(homeless)} a place in FLOORS, and in the design"


@pytest.mark.parametrize("importer", MODULES)
def test_module_imports_only_from_below(importer: str) -> None:
    wrong = [
        f"{MODULES[importer].relative_to(PACKAGE.parent)}:{asked.line} imports {asked.imported}"
        for asked in IMPORTS
        if asked.importer == importer and not is_allowed(asked)
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_import_each_other_in_no_circle() -> None:
    assert not circle_among([asked for asked in IMPORTS if asked.at_start])


# --- The checks above would also pass if they saw nothing; these show that they can fail. ---------

TOY = ("__init__", "errors", "data", "plot", "montecarlo/__init__", "montecarlo/study")


@pytest.fixture
def toy(tmp_path: Path) -> dict[str, Path]:
    """Return the modules of an empty package of the same name."""
    for name in TOY:
        path = tmp_path / PACKAGE.name / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return modules_in(tmp_path / PACKAGE.name)


@pytest.mark.parametrize(
    ("importer", "code"),
    [
        ("estkit", "from estkit.montecarlo import Study"),
        ("estkit.data", "from estkit.errors import DataError"),
        ("estkit.data", "from .errors import DataError"),
        ("estkit.montecarlo", "from .study import Study"),
        ("estkit.montecarlo.study", "from ..data import read_columns"),
        ("estkit.montecarlo.study", "from . import streams"),
        ("estkit.data", "class A:\n    def plot(self):\n        from estkit import plot"),
        ("estkit.data", "class A:\n    def to_html(self):\n        import estkit.report"),
    ],
)
def test_ways_down_and_doors_are_allowed(importer: str, code: str, toy: dict[str, Path]) -> None:
    assert [is_allowed(asked) for asked in imports_of(importer, code, toy)] == [True]


@pytest.mark.parametrize(
    ("importer", "code"),
    [
        ("estkit.errors", "from .data import Columns"),
        ("estkit.errors", "def f():\n    from estkit.data import Columns"),
        ("estkit.errors", "if TYPE_CHECKING:\n    from estkit.data import Columns"),
        ("estkit.errors", "import estkit"),
        ("estkit.errors", "from estkit import Estimate"),
        ("estkit.data", "import estkit.table"),
        ("estkit.montecarlo.study", "from ..likelihood import fit"),
        ("estkit.data", "def plot():\n    import estkit.plot"),
        ("estkit.data", "class A:\n    import estkit.plot"),
        ("estkit.data", "class A:\n    def draw(self):\n        import estkit.plot"),
        ("estkit.data", "class A:\n    def to_html(self):\n        import estkit.cli"),
    ],
)
def test_ways_up_are_not_allowed(importer: str, code: str, toy: dict[str, Path]) -> None:
    assert [is_allowed(asked) for asked in imports_of(importer, code, toy)] == [False]


@pytest.mark.parametrize(
    ("code", "circle"),
    [
        ("from estkit.montecarlo.study import Study", True),
        ("from .study import Study", True),
        ("try:\n    from . import study\nexcept ImportError:\n    pass", True),
        ("def f():\n    from .study import Study", False),
        ("if TYPE_CHECKING:\n    from .study import Study", False),
    ],
)
def test_a_circle_is_one_that_closes_on_import(
    code: str, circle: bool, toy: dict[str, Path]
) -> None:
    there = imports_of("estkit.montecarlo", code, toy)
    back = imports_of("estkit.montecarlo.study", "from estkit.montecarlo import grid", toy)
    assert bool(circle_among([asked for asked in [*there, *back] if asked.at_start])) == circle
