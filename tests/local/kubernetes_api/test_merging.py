"""The pure logic of patches and field ownership, on generated documents."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local.kubernetes_api.field_sets import from_fields, owned_paths, to_fields
from local.kubernetes_api.managed_fields import Writer, apply, read_shares, track_update
from local.kubernetes_api.patches import merge_patch, strategic_merge_patch
from local.kubernetes_api.schemas import BUILT_IN

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(st.integers(0, 3), st.sampled_from(["x", "y"]), st.booleans())
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": SCALARS, "args": st.lists(SCALARS)}),
    unique_by=lambda one: str(one["name"]),
    min_size=1,
    max_size=3,
)
FIELDS = st.dictionaries(NAMES, SCALARS, min_size=1, max_size=3)
SPECS = st.fixed_dictionaries({}, optional={"containers": CONTAINERS, "plain": FIELDS})
FIRST, SECOND = Writer("first", "v1", "then", "Apply"), Writer("second", "v1", "then", "Apply")


def configuration(spec: Any) -> dict[str, Any]:
    return {"metadata": {}, **({"spec": spec} if spec else {})}


EMPTY = configuration({})


def applied(live: Any, spec: Any, writer: Writer) -> Any:
    before = copy.deepcopy(live)
    after = apply(live, configuration(spec), writer, BUILT_IN, force=True)
    assert live == before
    return after


@given(SPECS)
def test_field_sets_survive_their_written_form(spec: Any) -> None:
    paths = owned_paths(configuration(spec), BUILT_IN)
    assert from_fields(to_fields(paths)) == paths


@given(SPECS, SPECS)
def test_applying_twice_is_applying_once(first: Any, second: Any) -> None:
    live = applied(applied(EMPTY, first, FIRST), second, SECOND)
    assert applied(live, second, SECOND) == live


@given(SPECS, SPECS)
def test_a_sole_owner_replaces_all_it_applied(old: Any, new: Any) -> None:
    after = applied(applied(EMPTY, old, FIRST), new, FIRST)
    fresh = applied(EMPTY, new, FIRST)
    assert _sorted(after) == _sorted(fresh)


@given(SPECS, SPECS)
def test_leaving_gives_back_what_the_other_applied(first: Any, second: Any) -> None:
    live = applied(applied(EMPTY, first, FIRST), second, SECOND)
    left = applied(live, {}, FIRST)
    assert "first" not in {share.writer.manager for share in read_shares(left).values()}
    assert _sorted(left).get("spec") == _sorted(configuration(second)).get("spec")


@given(SPECS, SPECS)
def test_an_update_owns_what_it_changed(first: Any, second: Any) -> None:
    live = applied(EMPTY, first, FIRST)
    new = {"metadata": {}, "spec": second}
    tracked = track_update(live, new, Writer("editor", "v1", "now"), BUILT_IN)
    owners = read_shares(tracked).values()
    owned = set().union(*(share.paths for share in owners))
    if second != first:
        assert {path for path in owned_paths(new, BUILT_IN) if len(path) > 1} <= owned


@given(FIELDS, FIELDS)
def test_merge_patches_follow_their_standard(document: Any, patch: Any) -> None:
    merged = merge_patch(document, patch)
    assert merged == {**document, **patch}
    assert merge_patch(document, dict.fromkeys(document)) == {}


@given(CONTAINERS, CONTAINERS)
def test_strategic_patches_keep_one_item_a_key(live: Any, patch: Any) -> None:
    merged = strategic_merge_patch({"containers": live}, {"containers": patch}, BUILT_IN)
    names = [one["name"] for one in merged["containers"]]
    assert len(names) == len(set(names))
    assert set(names) == {one["name"] for one in (*live, *patch)}
    images = {one["name"]: one.get("image") for one in merged["containers"]}
    assert all(images[one["name"]] == one["image"] for one in patch if "image" in one)


def _sorted(obj: Any) -> Any:
    """Containers in the order of their names: applying keeps the order of the live list."""
    spec = obj.get("spec") or {}
    if "containers" in spec:
        ordered = sorted(spec["containers"], key=lambda one: str(one["name"]))
        obj = {**obj, "spec": {**spec, "containers": ordered}}
    return obj
