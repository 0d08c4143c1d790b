"""A principal that is revoked is refused soon, by the running API and with the tokens that Cognito issued."""

import secrets
from collections.abc import Iterator
from http import HTTPStatus
from uuid import uuid4

import pytest

from tests.stack.caller import Caller
from tests.stack.running import RunningStack
from tests.waiting import eventually

# What is promised, and as much again for a machine that is busy.
REFUSED_WITHIN = 10.0
PATIENCE = 60.0
PASSWORD = f"{secrets.token_urlsafe(18)}aA1!"


@pytest.fixture
def administrator(stack: RunningStack) -> Caller:
    return stack.caller("acme", "tenant-admin")


@pytest.fixture
def person(stack: RunningStack, administrator: Caller) -> str:
    """Invited by the API, with a user made by the event, and a password as if they had chosen it."""
    name = f"p{uuid4().hex[:12]}"
    wanted = {"name": name, "email": f"{name}@acme.example", "roles": ["developer"]}
    administrator.post("/people", wanted)
    eventually(
        lambda: administrator.get(f"/people/{name}")["status"] == "Invited",
        "the person has a user",
        PATIENCE,
    )
    stack.aws("cognito-idp").admin_set_user_password(
        UserPoolId=stack.described["user_pool_id"],
        Username=f"acme.{name}",
        Password=PASSWORD,
        Permanent=True,
    )
    return name


@pytest.fixture
def machine(administrator: Caller) -> Iterator[str]:
    name = f"m{uuid4().hex[:12]}"
    administrator.post("/machines", {"name": name})
    yield name
    administrator.post("/keys/revoke", {"machine": name})


def signed_in(stack: RunningStack, username: str) -> Caller:
    answer = stack.aws("cognito-idp").initiate_auth(
        ClientId=stack.described["client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": PASSWORD},
    )
    return stack.stranger(answer["AuthenticationResult"]["AccessToken"])


def is_refused(caller: Caller) -> bool:
    status = caller.call("GET", "/projects").status
    assert status in (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED), status
    return status == HTTPStatus.UNAUTHORIZED


def test_a_person_works_until_they_are_disabled(
    stack: RunningStack, administrator: Caller, person: str
) -> None:
    caller = signed_in(stack, f"acme.{person}")
    assert caller.get("/me")["roles"] == ["developer"]
    assert administrator.get(f"/people/{person}")["status"] == "Active"
    assert administrator.post(f"/people/{person}/disable")["status"] == "Disabled"

    eventually(lambda: is_refused(caller), "the person is refused", REFUSED_WITHIN)
    pool = stack.aws("cognito-idp")
    user = {"UserPoolId": stack.described["user_pool_id"], "Username": f"acme.{person}"}
    eventually(lambda: not pool.admin_get_user(**user)["Enabled"], "the user is locked", PATIENCE)
    with pytest.raises(pool.exceptions.NotAuthorizedException):
        signed_in(stack, f"acme.{person}")


def test_a_removed_person_leaves_no_user(
    stack: RunningStack, administrator: Caller, person: str
) -> None:
    removed = administrator.call("DELETE", f"/people/{person}")
    assert removed.status == HTTPStatus.ACCEPTED
    eventually(
        lambda: administrator.find(f"/people/{person}") is None, "the person is gone", PATIENCE
    )

    pool = stack.aws("cognito-idp")
    with pytest.raises(pool.exceptions.UserNotFoundException):
        pool.admin_get_user(UserPoolId=stack.described["user_pool_id"], Username=f"acme.{person}")


def test_a_key_works_within_its_scopes_until_it_is_revoked(
    stack: RunningStack, administrator: Caller, machine: str
) -> None:
    keys = [administrator.post("/keys", {"machine": machine, "scopes": ["read"]}) for _ in range(2)]
    callers = []
    for key in keys:
        issued = stack.stranger().call("POST", "/token", {"api_key": key["api_key"]})
        assert issued.status == HTTPStatus.OK, issued
        assert issued.body["expires_in"] <= 900
        callers.append(stack.stranger(issued.body["access_token"]))
    revoked, other = callers
    assert not is_refused(revoked)
    assert revoked.call("POST", "/projects", {"name": "p"}).status == HTTPStatus.FORBIDDEN
    gone = administrator.call("DELETE", f"/keys/{keys[0]['key_id']}")
    assert gone.body["status"] == "Revoked"

    eventually(lambda: is_refused(revoked), "the key's token is refused", REFUSED_WITHIN)
    again = stack.stranger().call("POST", "/token", {"api_key": keys[0]["api_key"]})
    nothing = stack.stranger().call("POST", "/token", {"api_key": "hr_acme_nothing"})
    assert again.status == nothing.status == HTTPStatus.UNAUTHORIZED
    assert again.body == nothing.body
    assert not is_refused(other)


def test_a_tenants_tokens_end_together(stack: RunningStack) -> None:
    tenant = f"t{uuid4().hex[:12]}"
    callers = [_member(stack, tenant) for _ in range(2)]
    assert not any(is_refused(caller) for caller in callers)
    platform = stack.user(None, "platform-admin")["username"]
    token = stack_token(stack, platform)
    answer = stack.stranger(token).call("POST", f"/tenants/{tenant}/revoke-tokens")
    assert answer.status < HTTPStatus.BAD_REQUEST, answer

    eventually(
        lambda: all(is_refused(caller) for caller in callers),
        "the tenant's tokens are refused",
        REFUSED_WITHIN,
    )
    assert not is_refused(stack.caller("acme"))


def stack_token(stack: RunningStack, username: str) -> str:
    password = next(u["password"] for u in stack.described["users"] if u["username"] == username)
    answer = stack.aws("cognito-idp").initiate_auth(
        ClientId=stack.described["client_id"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["AccessToken"])


def _member(stack: RunningStack, tenant: str) -> Caller:
    """A user of a tenant that is a row of the table and nothing more."""
    username = f"{tenant}.{uuid4().hex[:8]}"
    pool, pool_id = stack.aws("cognito-idp"), stack.described["user_pool_id"]
    made = pool.admin_create_user(UserPoolId=pool_id, Username=username, MessageAction="SUPPRESS")
    pool.admin_set_user_password(
        UserPoolId=pool_id, Username=username, Password=PASSWORD, Permanent=True
    )
    [sub] = [a["Value"] for a in made["User"]["Attributes"] if a["Name"] == "sub"]
    text = {
        "tenant_id": {"S": tenant},
        "display_name": {"S": tenant},
        "status": {"S": "Active"},
        "tier": {"S": "standard"},
        "version": {"N": "1"},
    }
    items = [
        {"pk": {"S": f"TENANT#{tenant}"}, "sk": {"S": "TENANT"}, **text},
        {
            "pk": {"S": f"PLATFORM#USER#{sub}"},
            "sk": {"S": "MEMBERSHIP"},
            "tenant_id": {"S": tenant},
            "roles": {"L": [{"S": "viewer"}]},
        },
    ]
    for item in items:
        stack.aws("dynamodb").put_item(TableName=stack.described["table_name"], Item=item)
    return signed_in(stack, username)
