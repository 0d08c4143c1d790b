"""API keys as text: what is one, what proves one, and what cannot be told from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.identifiers import NAME_PATTERN
from controlplane.people.exchange import derive_password
from controlplane.people.keys import mint, new_key_id, read_key

tenants = st.from_regex(NAME_PATTERN, fullmatch=True).filter(lambda name: len(name) <= 30)


@given(tenant=tenants)
def test_a_minted_key_reads_back_and_proves_itself_alone(tenant: str) -> None:
    key_id = new_key_id()
    text, digest = mint(tenant, key_id)
    other, other_digest = mint(tenant, key_id)
    presented = read_key(text)

    assert presented is not None
    assert (presented.tenant_id, presented.key_id) == (tenant, key_id)
    assert presented.proves(digest)
    assert not presented.proves(other_digest)
    assert not presented.proves(None)
    assert text != other
    assert digest not in text


@given(data=st.data())
def test_a_slip_anywhere_in_a_key_is_found_without_the_table(data: st.DataObject) -> None:
    text, _ = mint("acme", new_key_id())
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0123456789abcdef_xyz-"))
    if text[place] != letter:
        assert read_key(f"{text[:place]}{letter}{text[place + 1 :]}") is None


@given(text=st.text(max_size=200))
def test_other_text_is_no_key(text: str) -> None:
    assert read_key(text) is None


def test_a_minted_key_has_no_end_that_is_cut_off() -> None:
    text, _ = mint("acme", new_key_id())

    for wrong in (text[:-1], f"{text}\n", f" {text}", text.upper()):
        assert read_key(wrong) is None


def test_passwords_are_each_keys_own_and_satisfy_the_pool() -> None:
    one = derive_password(b"secret", "acme", "k1")

    assert one == derive_password(b"secret", "acme", "k1")
    others = {
        derive_password(b"secret", "acme", "k2"),
        derive_password(b"secret", "globex", "k1"),
        derive_password(b"another", "acme", "k1"),
    }
    assert one not in others
    assert len(others) == 3
    for needed in (str.islower, str.isupper, str.isdigit):
        assert any(needed(letter) for letter in one)
    assert any(not letter.isalnum() for letter in one)
    assert 12 <= len(one) <= 256


@pytest.mark.parametrize("tenant", ["a", "a" * 30, "a-b-c"])
def test_every_tenants_name_fits_into_a_key(tenant: str) -> None:
    assert read_key(mint(tenant, new_key_id())[0]) is not None
