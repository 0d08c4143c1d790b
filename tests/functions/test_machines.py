"""Machines, their keys, the exchange of a key for a token, and the gateway's question."""

import re
from datetime import timedelta
from hashlib import sha256
from zlib import crc32

import pytest

from local.bench.wire import Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import Log, SetClock, forget_wiring
from tests.functions.people import Office
from tests.functions.samples import Json, sample


@pytest.fixture
def office(call: Api, cloud: Cloud) -> Office:
    return Office(call, cloud)


def check(text: str, **question: str) -> Json:
    answered: Json = invoke("people/check_key", sample("key_check") | {"key": text} | question)
    return answered


def test_a_key_is_shown_once_and_kept_as_a_digest(office: Office, cloud: Cloud) -> None:
    made = office.machine_key("read", valid_days=30)
    secret = made["api_key"].rsplit("_", 1)[1][:64]

    assert re.fullmatch(r"hr_acme_k[0-9a-f]{12}_[0-9a-f]{72}", made["api_key"])
    stored = cloud.item("TENANT#acme", f"KEY#{made['key_id']}")
    assert stored["digest"] == sha256(secret.encode()).hexdigest()
    assert secret not in str(cloud.items())
    shown = office.ask("GET", f"/keys/{made['key_id']}")
    assert secret not in shown.body
    assert "digest" not in shown.json
    assert secret not in office.ask("GET", "/keys").body


def test_a_repeat_does_not_show_the_key_again(office: Office) -> None:
    office.ask("POST", "/machines", {"name": "ci"})
    body, again = {"machine": "ci", "scopes": ["read"]}, {"Idempotency-Key": "k"}
    first = office.ask("POST", "/keys", body, headers=again)
    repeat = office.ask("POST", "/keys", body, headers=again)

    assert first.headers["cache-control"] == "no-store"
    assert (repeat.status, repeat.code) == (409, "secret_shown_once")
    assert first.json["key_id"] in repeat.json["remedy"]
    assert first.json["api_key"] not in repeat.body
    assert len(office.ask("GET", "/keys").json["items"]) == 1


def test_a_key_becomes_a_token_of_its_own_user(office: Office, cloud: Cloud) -> None:
    one, two = office.machine_key("read"), office.machine_key("deploy", "read")
    for key in (one, two, one):
        issued = office.exchange(key["api_key"])
        assert (issued.status, issued.json["token_type"]) == (200, "Bearer")
        assert issued.json["key_id"] == key["key_id"]
        assert issued.headers["cache-control"] == "no-store"
        assert issued.json["access_token"].count(".") == 2

    assert office.usernames() == {f"acme.key.{key['key_id']}" for key in (one, two)}
    subject = cloud.item("TENANT#acme", f"KEY#{two['key_id']}")["subject"]
    assert office.claims(subject, f"acme.key.{two['key_id']}") == {
        "tenant_id": "acme",
        "roles": "service",
        "key_id": two["key_id"],
        "machine": "ci",
        "scopes": "deploy read",
    }


def test_keys_outlive_a_change_of_the_secret(
    office: Office, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = office.machine_key()
    office.exchange(key["api_key"])
    subject = cloud.item("TENANT#acme", f"KEY#{key['key_id']}")["subject"]
    secrets = cloud.clients.secrets
    made = secrets.create_secret(Name=f"machines-{cloud.table}", SecretString="another one")
    monkeypatch.setenv("MACHINE_SECRET_ARN", made["ARN"])
    forget_wiring()

    assert office.exchange(key["api_key"]).status == 200
    assert cloud.item("TENANT#acme", f"KEY#{key['key_id']}")["subject"] == subject


def test_a_user_who_was_made_anew_is_not_the_keys(office: Office, cloud: Cloud) -> None:
    key = office.machine_key()
    office.exchange(key["api_key"])
    username = f"acme.key.{key['key_id']}"
    cloud.clients.identity.admin_delete_user(UserPoolId=cloud.user_pool, Username=username)

    refused = office.exchange(key["api_key"])
    assert (refused.status, refused.body) == (401, office.exchange("hr_").body)


def test_last_use_is_written_at_most_once_a_minute(
    office: Office, cloud: Cloud, later: SetClock
) -> None:
    key = office.machine_key()
    office.exchange(key["api_key"])
    first = cloud.item("TENANT#acme", f"KEY#{key['key_id']}")
    office.exchange(key["api_key"])
    assert cloud.item("TENANT#acme", f"KEY#{key['key_id']}") == first
    later(timedelta(minutes=1))
    office.exchange(key["api_key"])

    assert cloud.item("TENANT#acme", f"KEY#{key['key_id']}")["last_used_at"] > first["last_used_at"]


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(
    office: Office, cloud: Cloud, later: SetClock, log: Log
) -> None:
    good, revoked = office.machine_key(), office.machine_key()
    office.exchange(revoked["api_key"])
    office.ask("DELETE", f"/keys/{revoked['key_id']}")
    text = good["api_key"]
    unknown = _with_checksum(text[:-8].replace(good["key_id"], "k000000000000"))
    other_tenant = _with_checksum(text[:-8].replace("hr_acme_", "hr_globex_"))
    forged = _with_checksum(f"{text[:-72]}{'0' * 64}")
    bodies = []
    for wrong in (revoked["api_key"], unknown, other_tenant, forged, text[:-1] + "x", "hr_", "x"):
        refused = office.exchange(wrong)
        bodies.append(refused.body)
        assert refused.status == 401, wrong
    for status in ("Suspended", "Onboarding", "Offboarding", "Offboarded"):
        cloud.add_tenant("acme", status=status)
        bodies.append(office.exchange(text).body)
    cloud.add_tenant("acme")
    assert office.exchange(text).status == 200
    later(timedelta(days=90))
    bodies.append(office.exchange(text).body)

    assert len(bodies) == 12
    assert set(bodies) == {bodies[0]}
    assert text[-72:] not in log.text


def test_a_body_that_is_no_request_does_not_come_back(office: Office, log: Log) -> None:
    text = office.machine_key()["api_key"]
    refused = office.call.call_as(None, "POST", "/token", {"api_key": text, "extra": text})

    assert refused.status == 422
    assert text not in refused.body
    assert text not in log.text


def test_a_revoked_keys_token_ends_and_its_user_goes(
    office: Office, cloud: Cloud, call: Api
) -> None:
    key = office.machine_key("read")
    office.exchange(key["api_key"])
    subject = cloud.item("TENANT#acme", f"KEY#{key['key_id']}")["subject"]
    token = {"role": "service", "subject": subject, "issued_at": 2**33}
    assert call("GET", "/projects", **token).status == 200
    assert office.ask("DELETE", f"/keys/{key['key_id']}").json["status"] == "Revoked"
    forget_wiring()

    assert call("GET", "/projects", **token).status == 401
    assert office.claims(subject, f"acme.key.{key['key_id']}") == {}
    office.deliver()
    assert office.usernames() == set()
    assert office.ask("DELETE", f"/keys/{key['key_id']}").status == 200


def test_a_key_does_only_what_its_scopes_say(office: Office, cloud: Cloud, call: Api) -> None:
    key = office.machine_key("read")
    office.exchange(key["api_key"])
    subject = cloud.item("TENANT#acme", f"KEY#{key['key_id']}")["subject"]
    token = {"role": "service", "subject": subject, "issued_at": 2**33}

    assert call("GET", "/projects", **token).status == 200
    assert call("POST", "/projects", {"name": "x"}, **token).status == 403
    assert call("GET", "/people", **token).status == 403
    assert call("POST", "/keys", {"machine": "ci", "scopes": ["read"]}, **token).status == 403


def test_keys_are_revoked_all_at_once_with_a_dry_run(office: Office) -> None:
    keys = [office.machine_key(machine=name)["key_id"] for name in ("ci", "ci", "lab")]
    dry = office.ask("POST", "/keys/revoke", {"dry_run": True}).json
    assert ({key["key_id"] for key in dry["keys"]}, dry["more"]) == (set(keys), False)
    assert {key["status"] for key in office.ask("GET", "/keys").json["items"]} == {"Active"}
    of_ci = office.ask("POST", "/keys/revoke", {"machine": "ci"}).json
    assert {key["key_id"] for key in of_ci["keys"]} == set(keys[:2])
    assert office.ask("GET", "/machines/ci").json["active_keys"] == 0
    rest = office.ask("POST", "/keys/revoke", {}).json

    assert [key["key_id"] for key in rest["keys"]] == keys[2:]
    assert office.ask("POST", "/keys/revoke", {}).json["keys"] == []


def test_many_keys_are_revoked_in_few_transactions(
    office: Office, cloud: Cloud, wire: Wire
) -> None:
    made = {"created_at": "2026-03-02T09:15:00+00:00", "created_by": "root", "version": 1}
    until = {"valid_until": "2099-01-01T00:00:00+00:00", "digest": "0" * 64}
    tenant = {"pk": "TENANT#acme", "roles": ["service"]} | made
    cloud.put_many(
        [tenant | {"sk": f"MACHINE#m{n}", "name": f"m{n}", "active_keys": 10} for n in range(5)]
    )
    keys = [{"key_id": f"k{n:012x}", "machine": f"m{n % 5}", "scopes": ["read"]} for n in range(50)]
    cloud.put_many([tenant | until | key | {"sk": f"KEY#{key['key_id']}"} for key in keys])
    office.ask("GET", "/keys")
    with wire.recording() as said:
        revoked = office.ask("POST", "/keys/revoke", {}).json

    assert len(revoked["keys"]) == 50
    assert [call.name for call in said] == ["Query", *["TransactWriteItems"] * 3]
    assert {m["active_keys"] for m in office.ask("GET", "/machines").json["items"]} == {0}


def test_a_machine_has_so_many_keys_and_goes_without_any(office: Office) -> None:
    keys = [office.machine_key()["key_id"] for _ in range(10)]
    full = office.ask("POST", "/keys", {"machine": "ci", "scopes": ["read"]})
    assert (full.status, full.code) == (422, "limit_exceeded")
    used = office.ask("DELETE", "/machines/ci")
    assert (used.status, used.code) == (409, "in_use")
    office.ask("POST", "/keys/revoke", {"machine": "ci"})

    assert office.ask("DELETE", "/machines/ci").status == 204
    assert office.ask("GET", "/machines/ci").status == 404
    assert office.ask("POST", "/keys", {"machine": "ci", "scopes": ["read"]}).status == 404
    assert office.ask("GET", f"/keys/{keys[0]}").json["status"] == "Revoked"


@pytest.mark.parametrize(
    "wrong",
    [
        {"roles": ["tenant-admin"]},
        {"roles": ["platform-admin"]},
        {"roles": []},
    ],
)
def test_a_machine_is_no_administrator(office: Office, wrong: Json) -> None:
    assert office.ask("POST", "/machines", {"name": "ci"} | wrong).status == 422


@pytest.mark.parametrize("days", [0, 366])
def test_a_key_is_valid_for_a_year_at_most(office: Office, days: int) -> None:
    office.ask("POST", "/machines", {"name": "ci"})
    body = {"machine": "ci", "scopes": ["read"], "valid_days": days}
    assert office.ask("POST", "/keys", body).status == 422


def test_the_gateway_is_told_who_calls(office: Office, wire: Wire) -> None:
    office.ask("POST", "/machines", {"name": "ci", "groups": ["research"]})
    key = office.machine_key("infer")
    with wire.recording() as made:
        answered = check(key["api_key"])

    assert answered == {
        "allowed": True,
        "reason": None,
        "tenant": "acme",
        "machine": "ci",
        "key_id": key["key_id"],
        "scopes": ["infer"],
        "tier": "standard",
        "groups": ["research"],
    }
    assert [said.name for said in made] == ["BatchGetItem"]


def test_the_gateway_is_told_why_not(
    office: Office, cloud: Cloud, later: SetClock, log: Log
) -> None:
    infer, read = office.machine_key("infer"), office.machine_key("read")
    text = infer["api_key"]
    forged = _with_checksum(f"{text[:-72]}{'0' * 64}")
    nothing: Json = {"tenant": None, "key_id": None, "scopes": [], "machine": None, "tier": None}
    assert check("hr_x") == {"allowed": False, "reason": "malformed", "groups": [], **nothing}
    assert check(forged) == {"allowed": False, "reason": "unknown", "groups": [], **nothing}
    assert check(read["api_key"])["reason"] == "scope_missing"
    assert check(text, path="/serving/tenant-globex/x--y/v2")["reason"] == "other_tenant"
    assert check(text, path="/serving/tenant-acme2/x--y/v2")["reason"] == "other_tenant"
    cloud.add_tenant("acme", status="Suspended", suspension={"serving": "keep"})
    assert check(text)["allowed"] is True
    cloud.add_tenant("acme", status="Suspended", suspension={"serving": "stop"})
    assert check(text)["reason"] == "tenant_not_served"
    cloud.add_tenant("acme")
    later(timedelta(days=91))
    assert check(text)["reason"] == "expired_or_revoked"
    assert text[-72:] not in log.text


def _with_checksum(text: str) -> str:
    return f"{text}{crc32(text.encode()):08x}"
