"""A value of the wrong type, anywhere in an object, is a clear refusal and never a failure of the server."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.kubernetes_api.running_server import (
    APPLY,
    MERGE,
    STRATEGIC,
    Json,
    RunningServer,
)
from tests.local.kubernetes_api.samples import deployment, http_route, inference_service

JUNK: tuple[Any, ...] = ("text", True, ["text"], {"odd": "map"}, [[{}]])
Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield from paths(child, (*path, key))


def spoiled(body: Json) -> Iterator[Json]:
    for number, path in enumerate(paths(body)):
        if not path or path[:2] == ("metadata", "name"):
            continue
        for junk in (JUNK[number % len(JUNK)], JUNK[(number + 2) % len(JUNK)]):
            copied = copy.deepcopy(body)
            holder: Any = copied
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = junk
            yield copied


def full(make: Callable[[str], Json]) -> Json:
    body = make("sample")
    body["metadata"].update(labels={"a": "b"}, annotations={"a": "b"}, finalizers=["e.com/f"])
    body["metadata"]["ownerReferences"] = [{"uid": "u", "name": "n", "kind": "K"}]
    return body


@pytest.mark.parametrize("media", [APPLY, MERGE, STRATEGIC])
@pytest.mark.parametrize(
    ("make", "collection"),
    [
        (deployment, "deployments"),
        (inference_service, "services"),
        (lambda name: http_route(name, 1, 2), "routes"),
    ],
)
def test_junk_is_refused(
    server: RunningServer,
    request: pytest.FixtureRequest,
    make: Callable[[str], Json],
    collection: str,
    media: str,
) -> None:
    path: str = request.getfixturevalue(collection)
    server.call("POST", path, make("sample"))
    answers = {
        server.call(
            "PATCH", f"{path}/sample?dryRun=All&force=true&fieldManager=x", body, media=media
        ).code
        for body in spoiled(full(make))
    }
    assert answers <= {200, 400, 409, 415, 422}
    assert len(answers) > 1 or answers == {415}
