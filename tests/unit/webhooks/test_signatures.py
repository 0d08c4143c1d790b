"""Secrets and signatures: as the Standard Webhooks specification and its own library have them."""

from base64 import b64decode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as StandardWebhook

from controlplane.webhooks.model import SecretVersion
from controlplane.webhooks.signatures import PREFIX, SigningKeys, secret_text, sign

KEYS = SigningKeys.parse('{"1": "one key", "2": "another key"}')
FIRST = SecretVersion(generation=1, key=1)
names = st.text("abc/|", min_size=1, max_size=4)


def test_published_example_is_signed_as_published() -> None:
    """The example of the specification's libraries (github.com/standard-webhooks/standard-webhooks)."""
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [secret])

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(body=st.binary(max_size=200), both=st.booleans())
def test_each_valid_secret_verifies_a_message(body: bytes, both: bool) -> None:
    text = body.decode("latin-1").encode().decode()
    versions = [FIRST, SecretVersion(generation=2, key=2)][: 2 if both else 1]
    secrets = [KEYS.secret("acme", "wh-1", version) for version in versions]
    timestamp = int(datetime.now(UTC).timestamp())
    headers = sign("d-1", timestamp, f'"{text}"'.encode(), secrets)

    for secret in secrets:
        library = StandardWebhook(secret_text(secret))
        moment = datetime.fromtimestamp(timestamp, UTC)
        made = library.sign("d-1", moment, f'"{text}"')
        assert made in headers["webhook-signature"].split(" ")
    assert len(headers["webhook-signature"].split(" ")) == len(secrets)


def test_secret_is_32_bytes_with_the_prefix_of_the_specification() -> None:
    text = secret_text(KEYS.secret("acme", "wh-1", FIRST))

    assert text.startswith(PREFIX)
    assert len(b64decode(text.removeprefix(PREFIX))) == 32


@given(one=st.tuples(names, names, st.integers(1, 3), st.integers(1, 2)), other=st.data())
def test_every_tenant_webhook_generation_and_key_has_a_secret_of_its_own(
    one: tuple[str, str, int, int], other: st.DataObject
) -> None:
    two = other.draw(st.tuples(names, names, st.integers(1, 3), st.integers(1, 2)))

    same = _secret(*one) == _secret(*two)

    assert same == (one == two)


def _secret(tenant: str, webhook: str, generation: int, key: int) -> bytes:
    return KEYS.secret(tenant, webhook, SecretVersion(generation=generation, key=key))


def test_highest_key_makes_new_secrets_and_older_ones_are_kept() -> None:
    assert KEYS.newest == 2
    only_new = SigningKeys.parse('{"2": "another key"}')
    with pytest.raises(KeyError):
        only_new.secret("acme", "wh-1", FIRST)


@pytest.mark.parametrize("text", ["{}", '{"1": ""}'])
def test_secret_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        SigningKeys.parse(text)


def test_keys_do_not_show_themselves() -> None:
    assert "one key" not in repr(KEYS)
