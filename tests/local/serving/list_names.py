"""Prints what modules of scikit-learn hold, as a list of JSON: `<serving python> list_names.py`."""

import importlib
import inspect
import json
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import sklearn


def modules() -> Iterator[Any]:
    yield sklearn
    for found in pkgutil.walk_packages(sklearn.__path__, "sklearn.", onerror=lambda _: None):
        if ".tests" in found.name or found.name.endswith("conftest"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError:
            continue  # needs a package that is not installed


def described(module: str, name: str, held: Any) -> dict[str, Any]:
    """`home` is where it was made, as a pickle would name it."""
    is_class = inspect.isclass(held)
    return {
        "module": module,
        "name": name,
        "kind": "class" if is_class else "function" if callable(held) else "data",
        "home": [str(getattr(held, "__module__", "")), str(getattr(held, "__qualname__", ""))],
    }


def main() -> None:
    warnings.simplefilter("ignore")
    held = [(module, name) for module in modules() for name in dir(module)]
    names = [described(module.__name__, name, getattr(module, name)) for module, name in held]
    json.dump(names, sys.stdout)


if __name__ == "__main__":
    main()
