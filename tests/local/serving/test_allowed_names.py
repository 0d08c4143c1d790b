"""What the list of allowed imports lets through of the installed scikit-learn: a new release tells of itself."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controlplane.registry.allowed_globals import NAMES, is_allowed
from tests.local.serving.trained_models import SERVING_PYTHON

LISTER = Path(__file__).with_name("list_names.py")
# Of these no class may be reached by a module that has imported it.
CLOSED = ("callback", "datasets", "experimental", "externals")
Held = dict[str, Any]


@pytest.fixture(scope="module")
def held() -> list[Held]:
    command = [str(SERVING_PYTHON), str(LISTER)]
    listed = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    names: list[Held] = json.loads(listed.stdout.splitlines()[-1])
    return names


@pytest.fixture(scope="module")
def allowed(held: list[Held]) -> list[Held]:
    found = [one for one in held if is_allowed(one["module"], one["name"])]
    assert len(found) > 1000
    return found


def test_the_modules_hold_what_must_not_be_reached(held: list[Held]) -> None:
    """Else the tests below would look at nothing."""
    names = {(one["module"], one["name"]) for one in held}

    assert ("sklearn.tree._export", "StringIO") in names
    assert ("sklearn.callback._transport", "Client") in names
    assert ("sklearn.metrics._scorer", "_SCORERS") in names


def test_no_data_is_taken_for_a_class(allowed: list[Held]) -> None:
    """A pickle could change what later code relies on."""
    assert [one for one in allowed if one["kind"] == "data"] == []


def test_functions_measure_or_make_a_class_of_scikit_learns(allowed: list[Held]) -> None:
    functions = [one for one in allowed if one["kind"] == "function"]
    listed = [one for one in functions if one["name"] in NAMES.get(one["module"], ())]
    compiled = [one for one in functions if one["name"].startswith(("__pyx_unpickle_", "newObj"))]
    measures = [one for one in functions if one["home"][0].startswith("sklearn.metrics.")]

    assert len(listed) > 5
    assert len(compiled) > 5
    assert len(measures) > 50
    assert [one for one in functions if one not in (*listed, *compiled, *measures)] == []


def test_no_class_from_elsewhere_is_reached(allowed: list[Held]) -> None:
    """A module holds what it imports as well: files, threads, connections."""
    elsewhere = [
        one
        for one in allowed
        if one["kind"] == "class"
        and not is_allowed(*one["home"])
        and not one["home"][0].startswith("sklearn.")
    ]
    closed = [one for one in allowed if one["home"][0].split(".")[1:2] in [[c] for c in CLOSED]]

    assert elsewhere == []
    assert closed == []
