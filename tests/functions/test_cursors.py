"""Lists page by page: everything once, in order, with cursors that are good for one tenant and one list."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.scenario import Scenario

NAMES = [f"p{n:02}" for n in range(23)]


def project_item(tenant: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "pk": f"TENANT#{tenant}",
        "sk": f"PROJECT#{name}",
        "name": name,
        "created_at": "2026-03-02T09:15:00Z",
        "created_by": "somebody",
        "model_versions": 0,
        "version": 1,
    } | more


@pytest.fixture
def many(cloud: Cloud) -> list[str]:
    """23 projects of acme, and some of globex that are not to be seen."""
    items = [project_item("acme", name) for name in NAMES]
    cloud.put_many(items + [project_item("globex", f"g{n}") for n in range(9)])
    return NAMES


def pages(call: Api, path: str, limit: int) -> list[list[Any]]:
    """Every page of a list; fails rather than going round."""
    cursor, found = "", []
    for _ in range(40):
        page = call("GET", f"{path}?limit={limit}{cursor}")
        assert page.status == 200, page.body
        found.append(page.json["items"])
        if page.json["next"] is None:
            return found
        cursor = f"&cursor={quote(page.json['next'])}"
    raise AssertionError("the list does not end")


@pytest.mark.parametrize("limit", [1, 5, 22, 23, 24, 100])
def test_pages_hold_everything_once_and_in_order(call: Api, many: list[str], limit: int) -> None:
    found = pages(call, "/projects", limit)

    assert [project["name"] for page in found for project in page] == many
    assert {len(page) for page in found[:-1]} <= {limit}
    assert found[-1]


def test_list_of_a_hundred_and_more_pages_by_a_hundred(call: Api, cloud: Cloud) -> None:
    names = [f"p{n:03}" for n in range(205)]
    cloud.put_many([project_item("acme", name) for name in names])

    found = pages(call, "/projects", 100)
    first = call("GET", "/projects")

    assert [len(page) for page in found] == [100, 100, 5]
    assert [p["name"] for page in found for p in page] == names
    assert len(first.json["items"]) == 100


def test_deleted_items_within_a_page_lose_no_others(call: Api, cloud: Cloud) -> None:
    gone = {"deleted_at": "2026-03-02T09:15:00Z"}
    items = [
        project_item("acme", name, **(gone if n % 3 == 0 else {})) for n, name in enumerate(NAMES)
    ]
    cloud.put_many(items)

    found = pages(call, "/projects", 3)

    assert [p["name"] for page in found for p in page] == [
        name for n, name in enumerate(NAMES) if n % 3
    ]


def test_newest_first_lists_page_backwards(call: Api, acme: Scenario) -> None:
    keys = [f"models/acme/nowhere/y{n}/model.joblib" for n in range(7)]
    for key in keys:
        acme.register(acme.arrival(key))

    found = pages(call, "/rejected-uploads", 3)

    assert [r["key"] for page in found for r in page] == keys[::-1]


def test_item_created_meanwhile_neither_repeats_nor_hides_others(
    call: Api, cloud: Cloud, many: list[str]
) -> None:
    first = call("GET", "/projects?limit=10").json
    cloud.put_many([project_item("acme", "p00a"), project_item("acme", "p15a")])

    rest = call("GET", f"/projects?limit=100&cursor={first['next']}").json

    assert [p["name"] for p in rest["items"]] == sorted([*many[10:], "p15a"])


def test_limit_outside_its_bounds_is_refused(call: Api, cloud: Cloud) -> None:
    for limit in ("0", "101", "-1", "many", "1.5", ""):
        refused = call("GET", f"/projects?limit={limit}")
        assert (refused.status, refused.code) == (422, "invalid_request"), limit
        assert refused.json["errors"][0]["field"] == "query.limit"


def test_cursor_that_was_tampered_with_is_refused(call: Api, many: list[str]) -> None:
    cursor = call("GET", "/projects?limit=5").json["next"]
    other_signature = ("B" if cursor[0] == "A" else "A") + cursor[1:]

    for tampered in (
        f"x{cursor}",
        cursor[:-2],
        other_signature,
        f"{cursor}AAAA",
        "garbage",
        "%F0%9F",
        "a" * 999,
        "a" * 1001,
    ):
        refused = call("GET", f"/projects?limit=5&cursor={tampered}")
        assert (refused.status, refused.code) == (422, "invalid_request"), tampered


def test_cursor_of_another_tenant_is_refused(call: Api, many: list[str]) -> None:
    cursor = call("GET", "/projects?limit=5", tenant="globex").json["next"]

    assert call("GET", f"/projects?limit=5&cursor={cursor}", tenant="globex").status == 200
    assert call("GET", f"/projects?limit=5&cursor={cursor}").status == 422


def test_cursor_of_another_list_is_refused(call: Api, many: list[str]) -> None:
    cursor = call("GET", "/projects?limit=5").json["next"]

    for path in ("/rejected-uploads", "/projects/p00/models", "/projects/p00/deployments"):
        assert call("GET", f"{path}?cursor={cursor}").status == 422


def test_cursor_shows_no_tenant(call: Api, many: list[str]) -> None:
    assert "acme" not in call("GET", "/projects?limit=5").json["next"]
