"""People from the invitation to their end, with a user pool that follows."""

import pytest

from controlplane.runtime.wiring.people import tenant_people
from controlplane.runtime.wiring.tables import use_platform
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.container import forget_wiring
from tests.functions.people import Office


@pytest.fixture
def office(call: Api, cloud: Cloud) -> Office:
    return Office(call, cloud)


def test_an_invited_person_gets_a_user_and_becomes_a_member(office: Office, cloud: Cloud) -> None:
    ada = office.invite("ada", "developer", "viewer")

    assert ada["status"] == "Invited"
    assert office.user("acme.ada")["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    assert office.groups_of("acme.ada") == {"tenant-acme", "developer", "viewer"}
    assert cloud.item(f"PLATFORM#USER#{ada['subject']}", "MEMBERSHIP")["tenant_id"] == "acme"
    assert office.principal(ada["subject"])["roles"] == ["developer", "viewer"]
    assert office.claims(ada["subject"], "acme.ada") == {
        "tenant_id": "acme",
        "roles": "developer viewer",
    }


def test_the_first_sign_in_makes_them_active_and_is_noted_once_an_hour(
    office: Office, cloud: Cloud
) -> None:
    ada = office.invite("ada")
    office.claims(ada["subject"], "acme.ada", "RefreshTokens")
    assert office.person("ada")["status"] == "Invited"
    office.claims(ada["subject"], "acme.ada")
    active = office.person("ada")
    assert active["status"] == "Active"
    assert active["signed_in_at"]
    before = cloud.items()
    office.claims(ada["subject"], "acme.ada")

    assert cloud.items() == before
    kinds = [detail["metadata"]["type"] for detail in cloud.stored_events()]
    assert "PersonActivated" in kinds


def test_an_address_that_the_pool_refuses_is_told_and_can_be_tried_again(
    office: Office, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "ada", "email": "ada@acme.example", "roles": ["viewer"]}
    office.ask("POST", "/people", body)
    monkeypatch.setenv("USER_POOL_ID", "us-east-1_gone")
    forget_wiring()
    with pytest.raises(Exception, match="user pool"):
        office.deliver()
    failed = office.person("ada")
    assert failed["status"] == "Failed"
    assert "user pool" in failed["reason"]
    monkeypatch.setenv("USER_POOL_ID", cloud.user_pool)
    forget_wiring()

    again = office.ask("POST", "/people/ada/reset-credentials")
    assert (again.status, again.json["status"]) == (200, "Inviting")
    office.deliver()
    assert office.person("ada")["status"] == "Invited"
    assert office.person("ada")["reason"] is None


def test_roles_change_at_once_where_they_are_fewer(office: Office, call: Api) -> None:
    ada = office.invite("ada", "developer")
    subject = ada["subject"]
    changed = office.ask("PATCH", "/people/ada", {"roles": ["viewer"]})
    assert changed.json["roles"] == ["viewer"]
    office.deliver()

    assert office.groups_of("acme.ada") == {"tenant-acme", "viewer"}
    refused = call("POST", "/projects", {"name": "x"}, role="developer", subject=subject)
    assert refused.status == 403
    assert office.claims(subject, "acme.ada")["roles"] == "viewer"


@pytest.mark.parametrize("roles", [["platform-admin"], ["service"], []])
def test_a_tenant_cannot_give_what_is_not_its_own(office: Office, roles: list[str]) -> None:
    body = {"name": "ada", "email": "ada@acme.example", "roles": roles}
    assert office.ask("POST", "/people", body).status == 422


def test_nobody_gives_themselves_a_role(office: Office, call: Api) -> None:
    subject = office.invite("ada", "tenant-admin")["subject"]
    options = {"tenant": "acme", "role": "tenant-admin", "subject": subject, "issued_at": 2**33}
    office.invite("bob", "tenant-admin")
    fewer = call("PATCH", "/people/ada", {"roles": ["tenant-admin", "viewer"]}, **options)

    assert (fewer.status, fewer.code) == (403, "forbidden")
    assert call("PATCH", "/people/ada", {"roles": ["tenant-admin"]}, **options).status == 200


def test_a_disabled_person_is_locked_out_until_they_are_enabled(
    office: Office, call: Api, cloud: Cloud
) -> None:
    ada = office.invite("ada")
    token = {"tenant": "acme", "role": "developer", "subject": ada["subject"]}
    assert call("GET", "/projects", **token, issued_at=2**33).status == 200
    assert office.ask("POST", "/people/ada/disable").json["status"] == "Disabled"
    office.deliver()

    assert office.user("acme.ada")["Enabled"] is False
    assert office.claims(ada["subject"], "acme.ada") == {}
    assert office.ask("POST", "/people/ada/disable").status == 200
    assert office.ask("POST", "/people/ada/reset-credentials").status == 409
    forget_wiring()
    assert call("GET", "/projects", **token, issued_at=2**33).status == 401
    assert office.ask("POST", "/people/ada/enable").json["status"] == "Invited"
    office.deliver()
    forget_wiring()
    assert office.user("acme.ada")["Enabled"] is True
    assert call("GET", "/projects", **token).status == 401
    assert call("GET", "/projects", **token, issued_at=2**33).status == 200


def test_revoked_tokens_end_and_new_ones_do_not(office: Office, call: Api) -> None:
    subject = office.invite("ada")["subject"]
    assert office.ask("POST", "/people/ada/revoke-tokens").status == 200
    office.deliver()
    token = {"tenant": "acme", "role": "developer", "subject": subject}

    assert call("GET", "/projects", **token).status == 401
    assert call("GET", "/projects", **token, issued_at=2**33).status == 200


def test_a_reset_ends_sessions_and_is_done_once(office: Office, cloud: Cloud) -> None:
    subject = office.invite("ada")["subject"]
    identity = cloud.clients.identity
    identity.admin_set_user_password(
        UserPoolId=cloud.user_pool, Username="acme.ada", Password="Long-enough-1", Permanent=True
    )
    assert office.ask("POST", "/people/ada/reset-credentials").status == 200
    office.deliver()

    assert office.user("acme.ada")["UserStatus"] == "RESET_REQUIRED"
    assert office.principal(subject)["revoked_before"] > 0
    assert "reset" not in cloud.item("TENANT#acme", "PERSON#ada")


def test_a_removed_person_leaves_no_user_and_frees_the_name(office: Office, cloud: Cloud) -> None:
    subject = office.invite("ada")["subject"]
    removed = office.ask("DELETE", "/people/ada")
    assert (removed.status, removed.json["status"]) == (202, "Removing")
    assert office.ask("POST", "/people", _wanted("ada")).status == 409
    assert office.ask("POST", "/people/ada/enable").status == 409
    office.deliver()

    assert office.usernames() == set()
    assert office.ask("GET", "/people/ada").status == 404
    assert office.claims(subject, "acme.ada") == {}
    assert office.principal(subject)["status"] == "Disabled"
    again = office.invite("ada")
    assert again["subject"] != subject
    assert again["status"] == "Invited"


def test_the_last_administrator_stays(office: Office, cloud: Cloud) -> None:
    office.invite("ada", "tenant-admin")
    for method, path, body in (
        ("DELETE", "/people/ada", None),
        ("POST", "/people/ada/disable", None),
        ("PATCH", "/people/ada", {"roles": ["viewer"]}),
    ):
        refused = office.ask(method, path, body)
        assert (refused.status, refused.code) == (409, "last_administrator"), path
        assert "tenant-admin" in refused.json["remedy"]
    office.invite("bob", "tenant-admin")
    assert office.ask("POST", "/people/ada/disable").status == 200
    assert cloud.item("TENANT#acme", "ADMINISTRATORS")["names"] == {"bob"}
    assert office.ask("DELETE", "/people/bob").status == 409


def test_people_of_other_tenants_are_not_there(office: Office, call: Api) -> None:
    office.invite("ada")
    for method, path in (("GET", "/people/ada"), ("DELETE", "/people/ada")):
        foreign = call(method, path, tenant="globex", role="tenant-admin")
        missing = call(method, path.replace("ada", "eve"), tenant="globex", role="tenant-admin")
        assert foreign.status == missing.status == 404
        assert foreign.body == missing.body.replace("eve", "ada")


def test_a_change_keeps_to_the_version_that_was_seen(office: Office) -> None:
    office.invite("ada")
    seen = office.ask("GET", "/people/ada").etag
    office.ask("POST", "/people/ada/revoke-tokens")

    stale = office.ask("PATCH", "/people/ada", {"roles": ["viewer"]}, headers={"If-Match": seen})
    assert stale.status == 412


def test_mfa_by_policy_tells_who_lacks_it(office: Office, cloud: Cloud) -> None:
    ada = office.invite("ada")
    cloud.add_tenant("acme", require_mfa=True)
    assert office.claims(ada["subject"], "acme.ada") == {"refusal": "mfa_required"}
    office.set_up_second_factor("acme.ada")

    assert office.claims(ada["subject"], "acme.ada")["mfa"] == "true"


@pytest.mark.parametrize("status", ["Onboarding", "OnboardingFailed", "Offboarding", "Offboarded"])
def test_a_tenant_in_the_making_or_gone_gives_no_claims(
    office: Office, cloud: Cloud, status: str
) -> None:
    ada = office.invite("ada")
    cloud.add_tenant("acme", status=status)
    assert office.claims(ada["subject"], "acme.ada") == {}


def test_no_member_of_a_tenant_becomes_the_platforms(office: Office, cloud: Cloud) -> None:
    ada = office.invite("ada")
    cloud.put(
        "TENANT#acme", f"PRINCIPAL#{ada['subject']}", roles=["platform-admin", "viewer"], name="ada"
    )
    assert office.claims(ada["subject"], "acme.ada")["roles"] == "viewer"


def test_everybody_goes_with_a_tenant(office: Office, cloud: Cloud) -> None:
    use_platform()
    tenant_people().ensure_administrator("acme", "root", "root@acme.example")
    tenant_people().ensure_administrator("acme", "root", "root@acme.example")
    assert office.person("root")["status"] == "Invited"
    office.invite("ada")
    Office(office.call, cloud, "globex").invite("eve")
    key = office.machine_key()
    assert office.exchange(key["api_key"]).status == 200
    assert len(office.usernames()) == 4
    use_platform()
    calls = 1
    while not tenant_people().remove_everyone("acme"):
        calls += 1
    assert calls < 6
    assert tenant_people().remove_everyone("acme")

    assert office.usernames() == {"globex.eve"}
    members = [i for i in cloud.items() if i["sk"] == "MEMBERSHIP" and "deleted_at" not in i]
    assert [member["tenant_id"] for member in members] == ["globex"]


def test_the_trigger_knows_seeded_memberships(cloud: Cloud, office: Office) -> None:
    cloud.put("PLATFORM#USER#s", "MEMBERSHIP", tenant_id="acme", roles=["viewer"])
    assert office.claims("s", "acme-viewer") == {"tenant_id": "acme", "roles": "viewer"}
    assert office.claims("nobody", "nobody") == {}


def _wanted(name: str) -> dict[str, object]:
    return {"name": name, "email": f"{name}@acme.example", "roles": ["viewer"]}
