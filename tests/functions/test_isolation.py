"""On the wire between functions and AWS: every key is the caller's tenant's, and so is every signature.

Over every operation of the OpenAPI document, on own objects and on another tenant's.
"""

import pytest

from local.bench.wire import Call, Wire
from tests import counts
from tests.functions import examples
from tests.functions.api_calls import Answer, Api, Operation, Person, operations
from tests.functions.aws_calls import (
    belongs,
    keys,
    session_policy_resources,
    sessions,
    signed_objects,
)
from tests.functions.cloud import ACCESS, Cloud
from tests.functions.tenants import TENANTS, Holdings, populate

OWN_ROLE = ACCESS["AWS_ACCESS_KEY_ID"]
# What a function reads with its own role on a tenant's route: tiers, which are the same for everyone, and which tier a
# group has. Everything else on a tenant's route is asked with the tenant's session.
WITH_THE_FUNCTIONS_ROLE = {
    "getLimits": ("TIER#", "GROUP#"),
    "putSubscription": (),
    "deleteSubscription": (),
}
# Where the objects lie that an operation's presigned requests are about.
UPLOADS, EVIDENCE = "models/{tenant}/", "evidence/tenant-{tenant}/"
# Open to everybody: whoever calls names the tenant with the key that it shows, and reads with the function's own role.
OPEN = frozenset({"createToken"})
ASKED = [o for o in operations() if o.id not in OPEN]


@pytest.fixture
def holdings(call: Api, cloud: Cloud) -> dict[str, Holdings]:
    for tenant in TENANTS:
        cloud.add_tenant(tenant)
    return {tenant: populate(call, cloud, tenant) for tenant in TENANTS}


def check(made: Call, wire: Wire, tenant: str, operation: Operation) -> None:
    where = (operation.id, tenant, made.name)
    if made.service == "dynamodb":
        if made.access_key == OWN_ROLE:
            allowed = WITH_THE_FUNCTIONS_ROLE.get(operation.id, ())
            assert made.action in ("GetItem", "BatchGetItem", "Query"), where
            for pk, sk in keys(made):
                assert pk == "PLATFORM", (where, pk)
                assert sk.startswith(tuple(allowed)), (where, sk)
        else:
            assert sessions(wire)[made.access_key] == tenant, where
            assert all(belongs(pk, tenant) for pk, _ in keys(made)), (where, made.body)
    elif made.service == "sts":
        assert made.access_key == OWN_ROLE, where
        tags = {made.body.get(f"Tags.member.{n}.Key"): n for n in (1, 2, 3)}
        [number] = [n for name, n in tags.items() if name in ("tenant_id", "tenant")]
        assert made.body[f"Tags.member.{number}.Value"] == tenant, where
        for resource in session_policy_resources(made):
            assert f"/models/{tenant}/" in resource or "/" not in resource, where
    elif made.service == "s3":
        # The anchors of a tenant's audit trail, which the trail's reader compares it with.
        assert operation.id == "verifyAudit", where
        assert f"prefix={tenant}%2F" in made.path or f"/{tenant}/" in made.path, where
    else:
        # The secret that signs cursors and the queue for what was refused; neither holds anything of a tenant's.
        assert made.service in ("secretsmanager", "sqs"), where


def check_answer(answer: Answer, wire: Wire, tenant: str, operation: Operation) -> int:
    found = 0
    if answer.body.startswith("{"):
        for key, access_key in signed_objects(answer.json):
            folder = EVIDENCE if operation.id == "getEvidence" else UPLOADS
            assert key.startswith(folder.format(tenant=tenant)), (operation.id, key)
            assert sessions(wire)[access_key] == tenant, operation.id
            found += 1
    return found


@pytest.mark.parametrize("role", ["tenant-admin", "developer"])
def test_every_key_and_every_signature_is_the_callers_tenants(
    call: Api, wire: Wire, holdings: dict[str, Holdings], role: str
) -> None:
    """Reading first; what deletes comes last, so that there is something for the others."""
    order = {"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}
    asked = sorted(ASKED, key=lambda o: order[o.method])
    calls = presigned = 0
    for tenant, other in (("acme", "acme2"), ("acme2", "acme"), ("globex", "acme")):
        for operation in asked:
            body = examples.body_of(operation)
            for objects_of in (tenant, other):
                path = holdings[objects_of].path(operation)
                headers = {"X-Tenant-Id": other, "Idempotency-Key": f"wire-{operation.id}"}
                with wire.recording() as made:
                    person = Person(tenant, role, f"wire-{role}-{tenant}")
                    answer = call.call_as(person, operation.method, path, body, headers)
                assert answer.status < 500, (operation.id, answer.body)
                for said in made:
                    check(said, wire, tenant, operation)
                presigned += check_answer(answer, wire, tenant, operation)
                calls += len(made)
    counts.count("calls to AWS whose keys and signatures were checked", calls)
    assert calls > 2 * len(asked)
    assert presigned


def test_guard_sees_a_key_of_another_tenant_and_a_signature_that_is_not_the_tenants(
    call: Api, wire: Wire, holdings: dict[str, Holdings]
) -> None:
    [operation] = [o for o in operations() if o.id == "getProject"]
    with wire.recording() as made:
        assert call("GET", "/projects/acme-only").status == 200
    [read] = [said for said in made if said.name == "GetItem"]

    check(read, wire, "acme", operation)
    for key in ("TENANT#acme2", "TENANT#acm", "PLATFORM"):
        read.body["Key"]["pk"]["S"] = key
        with pytest.raises(AssertionError):
            check(read, wire, "acme", operation)
    read.body["Key"]["pk"]["S"] = "TENANT#acme"
    read.access_key = OWN_ROLE
    with pytest.raises(AssertionError):
        check(read, wire, "acme", operation)
