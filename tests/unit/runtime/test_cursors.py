"""Cursors are good for one tenant and one list, and for nothing that somebody made up."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.errors import InvalidRequestError
from controlplane.runtime.cursors import open_cursor, seal_cursor

KEY = b"a key of this deployment"
LISTING = "/api/v1/projects"
AFTER = "PROJECT#vision"
SEALED = seal_cursor(KEY, "acme", LISTING, AFTER)


@given(st.text(), st.text(), st.text())
def test_a_cursor_opens_where_it_was_made(tenant: str, listing: str, after: str) -> None:
    assert open_cursor(KEY, tenant, listing, seal_cursor(KEY, tenant, listing, after)) == after


@pytest.mark.parametrize(
    ("key", "tenant", "listing"),
    [
        (KEY, "globex", LISTING),
        (KEY, "acme", f"{LISTING}/vision/models"),
        (b"another key", "acme", LISTING),
        (KEY, "acme/api", "/v1/projects"),
    ],
)
def test_a_cursor_of_somebody_else_is_refused(key: bytes, tenant: str, listing: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        open_cursor(key, tenant, listing, SEALED)
    assert refused.value.remedy


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_cursor_is_refused(place: int, change: int) -> None:
    raw = bytearray(urlsafe_b64decode(SEALED + "=" * (-len(SEALED) % 4)))
    raw[place % len(raw)] ^= change

    with pytest.raises(InvalidRequestError):
        open_cursor(KEY, "acme", LISTING, urlsafe_b64encode(raw).decode().rstrip("="))


@given(st.text(max_size=60))
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        open_cursor(KEY, "acme", LISTING, cursor)
