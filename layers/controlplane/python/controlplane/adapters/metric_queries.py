"""The names of series, as data: one file a gateway or server, in the folder `queries`."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "queries"


@cache
def read_queries(name: str) -> dict[str, Any]:
    """The file of a gateway, such as `embedded`. Raises ValueError for one that there is none of."""
    file = _FOLDER / f"{name}.json"
    if not name.replace("_", "").isalnum() or not file.is_file():
        known = ", ".join(sorted(path.stem for path in _FOLDER.glob("*.json")))
        raise ValueError(f"there are no queries for {name!r}: use one of {known}")
    queries: dict[str, Any] = json.loads(file.read_text())
    return queries


def counts_copies(gateway: str) -> bool:
    """Whether a gateway's series tell of copies of requests. Raises ValueError for one that there is no file of."""
    matchers = read_queries(gateway).get("matchers", {})
    return matchers.get("mirrored", "") is not None
