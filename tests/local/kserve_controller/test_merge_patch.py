"""The difference of two documents, applied to the first, gives the second (RFC 7396)."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.kserve_controller.cluster import merge_patch

NAMES = st.sampled_from("abc")
VALUES = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)


def applied(target: Any, patch: Any) -> Any:
    """MergePatch of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


# The first document of a busy machine's first run can take a second to draw.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS, DOCUMENTS)
def test_a_patch_leads_from_the_old_document_to_the_new(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert applied(old, merge_patch(old, new)) == new


@given(DOCUMENTS)
def test_equal_documents_need_no_patch(document: dict[str, Any]) -> None:
    assert merge_patch(document, document) == {}
