"""The promises that hold for every public name."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import estkit

# What functions work on may stand in place, even where it may be left out; options may not.
DATA = {"X", "Y", "y"}
# Here the keywords are the user's own names, so none of them can be misspelt and swallowed.
TAKES_ANY_KEYWORD = {"grid"}

NAMES = [name for name in estkit.__all__ if not name.startswith("_")]
DOCUMENTED = [name for name in NAMES if not isinstance(getattr(estkit, name), types.ModuleType)]


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give each public function, and each constructor and public method of the public classes."""
    for name in NAMES:
        value = getattr(estkit, name)
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            own = [base for base in value.__mro__ if base.__module__.startswith("estkit")]
            members = [pair for base in reversed(own) for pair in vars(base).items()]
            for attribute, member in dict(members).items():
                function = getattr(member, "__func__", member)
                public = attribute == "__init__" or not attribute.startswith("_")
                if public and inspect.isfunction(function):
                    yield f"{name}.{attribute}", function


CALLABLES = dict(callables())
FUNCTIONS = [name for name in CALLABLES if "." not in name]


def test_star_import_gives_exactly_the_public_names() -> None:
    space: dict[str, object] = {}
    exec("from estkit import *", space)
    del space["__builtins__"]
    assert sorted(space) == sorted(estkit.__all__)  # also: no name twice; ruff keeps the order


def test_every_public_attribute_is_listed() -> None:
    attributes = {name for name in dir(estkit) if not name.startswith("_")} - {"annotations"}
    modules = {name for name in attributes if inspect.ismodule(getattr(estkit, name))}
    assert attributes - modules == set(DOCUMENTED)


def test_every_error_and_warning_is_public() -> None:
    from estkit import errors

    raised = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert raised <= set(NAMES)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_public_name_is_documented_with_an_example(name: str) -> None:
    text = inspect.cleandoc(getattr(estkit, name).__doc__ or "")
    section = re.search(r"^Examples\n-{8}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", text, re.M | re.S)
    assert section, f"the docstring of {name} has no Examples section"
    assert ">>> " in section[1]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_of_a_function_are_keyword_only(name: str) -> None:
    in_place = [
        parameter.name
        for parameter in inspect.signature(CALLABLES[name]).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.default is not parameter.empty
    ]
    assert set(in_place) <= DATA


@pytest.mark.parametrize("name", CALLABLES)
def test_no_misspelt_keyword_is_swallowed(name: str) -> None:
    kinds = {parameter.kind for parameter in inspect.signature(CALLABLES[name]).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds or name in TAKES_ANY_KEYWORD
