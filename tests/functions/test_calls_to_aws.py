"""What the API's functions say to AWS: keys of the caller's tenant alone, and never more calls than budgeted."""

from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.runtime import access_cache
from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api, invoke, operations
from tests.functions.cloud import Cloud
from tests.functions.deployments import DEPLOYMENT, ROLLOUT, TOLD, put_deployments
from tests.functions.examples import PUBLIC_KEYS, RESTRICTION
from tests.functions.scenario import FILES, Scenario, manifest_of

READS = frozenset({"GetItem", "BatchGetItem"})
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
GET, BATCH, QUERY = "GetItem", "BatchGetItem", "Query"
PUT, TRANSACT, ASSUME = "PutItem", "TransactWriteItems", "sts:AssumeRole"

MODELS = "/projects/{project}/models"
MODEL = f"{MODELS}/{{model}}"
VERSION = f"{MODEL}/versions/{{version}}"
DEPLOYMENTS = "/projects/{project}/deployments"
WEBHOOK = "/webhooks/{webhook}"
SIGNING_KEYS = "/projects/{project}/signing-keys"
# The calls of every operation in a warm container, in their order: read 1, change 1 write and at most 1 read,
# list 1 query a page. Credentials are what the call to STS makes.
BUDGET: dict[str, list[str]] = {
    "GET /docs": [],
    "GET /docs/swagger-ui.css": [],
    "GET /docs/swagger-ui.js": [],
    "GET /healthz": [],
    "GET /me": [],
    "GET /openapi.json": [],
    "GET /projects": [QUERY],
    "POST /projects": [TRANSACT],
    "GET /projects/{project}": [GET],
    "DELETE /projects/{project}": [GET, TRANSACT],
    f"GET {DEPLOYMENTS}": [QUERY],
    f"GET {DEPLOYMENT}": [GET],
    f"POST {DEPLOYMENTS}": [GET, TRANSACT],
    f"DELETE {DEPLOYMENT}": [GET, TRANSACT],
    "GET /projects/{project}/serving-policy": [BATCH],
    "PUT /projects/{project}/serving-policy": [BATCH, TRANSACT],
    f"GET {DEPLOYMENT}/settings": [GET],
    f"PUT {DEPLOYMENT}/settings": [GET, TRANSACT],
    f"POST {DEPLOYMENT}/stop": [GET, TRANSACT],
    f"POST {DEPLOYMENT}/resume": [GET, TRANSACT],
    f"POST {DEPLOYMENT}/rollouts": [BATCH, TRANSACT],
    f"GET {DEPLOYMENT}/rollouts": [QUERY],
    f"POST {DEPLOYMENT}/plan": [GET, BATCH, GET],
    f"POST {DEPLOYMENT}/rollback": [BATCH, TRANSACT],
    f"GET {ROLLOUT}/ticks": [QUERY],
    f"GET {ROLLOUT}/evidence": [GET],
    f"POST {ROLLOUT}/pause": [BATCH, TRANSACT],
    f"POST {ROLLOUT}/resume": [BATCH, TRANSACT],
    f"POST {ROLLOUT}/promote": [BATCH, TRANSACT],
    f"POST {ROLLOUT}/abort": [BATCH, TRANSACT],
    f"POST {ROLLOUT}/approve": [BATCH, TRANSACT],
    f"GET {DEPLOYMENT}/rollouts/{{rollout}}": [GET],
    "GET /projects/{project}/registry-policy": [BATCH],
    "PUT /projects/{project}/registry-policy": [BATCH, TRANSACT],
    "GET /projects/{project}/lineage": [QUERY],
    f"GET {MODELS}": [QUERY],
    f"GET {MODEL}": [GET],
    f"PATCH {MODEL}": [GET, PUT],
    f"GET {MODEL}/aliases": [BATCH],
    f"POST {MODEL}/aliases": [BATCH, TRANSACT],
    f"GET {MODEL}/aliases/{{alias}}": [GET],
    f"PUT {MODEL}/aliases/{{alias}}": [BATCH, TRANSACT],
    f"DELETE {MODEL}/aliases/{{alias}}": [BATCH, TRANSACT],
    f"GET {MODEL}/aliases/{{alias}}/history": [QUERY],
    f"POST {MODEL}/credentials": [BATCH, ASSUME],
    f"GET {MODEL}/uploads": [QUERY],
    f"POST {MODEL}/uploads": [BATCH, PUT],
    f"GET {MODEL}/uploads/{{upload}}": [GET],
    f"DELETE {MODEL}/uploads/{{upload}}": [GET, PUT],
    f"GET {MODEL}/versions": [QUERY],
    f"GET {MODEL}/versions/{{version}}": [GET],
    f"PATCH {VERSION}": [GET, TRANSACT],
    f"DELETE {VERSION}": [BATCH, TRANSACT],
    f"GET {VERSION}/card": [GET],
    f"PUT {VERSION}/card": [GET, PUT],
    f"POST {VERSION}/approve": [BATCH, PUT],
    f"POST {VERSION}/reject": [GET, PUT],
    f"GET {VERSION}/clearance": [BATCH],
    f"GET {VERSION}/lineage": [GET],
    f"GET {SIGNING_KEYS}": [QUERY],
    f"POST {SIGNING_KEYS}": [TRANSACT],
    f"GET {SIGNING_KEYS}/{{signing_key}}": [GET],
    f"DELETE {SIGNING_KEYS}/{{signing_key}}": [GET, TRANSACT],
    "GET /overview": [QUERY, GET],
    "GET /rejected-uploads": [QUERY],
    "GET /people": [QUERY],
    "POST /people": [PUT],
    "GET /people/{person}": [GET],
    "PATCH /people/{person}": [GET, TRANSACT],
    "DELETE /people/{person}": [GET, TRANSACT],
    "POST /people/{person}/disable": [GET, TRANSACT],
    "POST /people/{person}/enable": [GET, TRANSACT],
    "POST /people/{person}/reset-credentials": [GET, TRANSACT],
    "POST /people/{person}/revoke-tokens": [GET, TRANSACT],
    "GET /machines": [QUERY],
    "POST /machines": [PUT],
    "GET /machines/{machine}": [GET],
    "DELETE /machines/{machine}": [GET, PUT],
    "GET /keys": [QUERY],
    "POST /keys": [GET, TRANSACT],
    "GET /keys/{key}": [GET],
    "DELETE /keys/{key}": [GET, TRANSACT],
    "GET /webhooks": [QUERY],
    "POST /webhooks": [GET, TRANSACT],
    f"GET {WEBHOOK}": [GET],
    f"PATCH {WEBHOOK}": [GET, TRANSACT],
    f"DELETE {WEBHOOK}": [GET, TRANSACT],
    f"POST {WEBHOOK}/rotate-secret": [GET, TRANSACT],
    f"POST {WEBHOOK}/test": [GET, PUT],
    f"GET {WEBHOOK}/deliveries": [QUERY],
    f"GET {WEBHOOK}/deliveries/{{delivery}}": [GET],
    f"POST {WEBHOOK}/deliveries/{{delivery}}/redeliver": [BATCH, PUT],
    "GET /audit": [QUERY],
    "GET /policies": [QUERY],
    "POST /policies": [GET, TRANSACT],
    "POST /policies/validate": [],
    "GET /policies/{policy}": [GET],
    "PATCH /policies/{policy}": [BATCH, TRANSACT],
    "DELETE /policies/{policy}": [BATCH, TRANSACT],
}
# Their calls follow from what they are given: `test_machines` and `test_audit` count them.
ELSEWHERE = frozenset({"POST /keys/revoke", "POST /token", "GET /audit/verification"})
# Counted in tests of their own, as most are asked by platform administrators: `test_tiers_calls_to_aws` and
# `test_tenants_calls_to_aws`.
BY_THE_PLATFORM = frozenset({"onboarding/api", "tiers/api"})
# What is removed is not what the others work on.
REMOVED = {
    f"DELETE {VERSION}": {"version": "4"},
    f"DELETE {MODEL}/aliases/{{alias}}": {"alias": "idle"},
    "DELETE /people/{person}": {"person": "leaver"},
    "DELETE /machines/{machine}": {"machine": "idle"},
    f"DELETE {WEBHOOK}": {"webhook": "quiet"},
    f"DELETE {SIGNING_KEYS}/{{signing_key}}": {"signing_key": "old"},
    "DELETE /keys/{key}": {"key": "k00000000000b"},
}
# What is used, and what happened of late: one item, and one page of the audit trail.
READS_TWICE = frozenset({"GET /overview"})
# No POST, by what it does.
READS_ONLY = frozenset({"POST /policies/validate", f"POST {DEPLOYMENT}/plan"})
# The deployment, the new version with what the project's policy says of it, and the version that serves.
READS_OF_A_PLAN = 3
BODIES: dict[str, Any] = {
    "POST /projects": {"name": "another"},
    "PUT /projects/{project}/registry-policy": {"gates": [{"gate": "scan_clean"}]},
    f"PATCH {MODEL}": {"tags": {"team": "vision"}},
    f"PATCH {VERSION}": {"tags": {"team": "vision"}, "run": "run-17"},
    f"PUT {VERSION}/card": {"text": "Recognises digits."},
    f"POST {VERSION}/approve": {"reason": "looks well"},
    f"POST {VERSION}/reject": {"reason": "of the wrong data"},
    f"POST {MODEL}/aliases": {"aliases": {"champion": 3, "previous": 2}},
    f"PUT {MODEL}/aliases/{{alias}}": {"version": 1},
    f"POST {MODEL}/uploads": manifest_of(FILES),
    f"POST {DEPLOYMENT}/rollouts": {"version": 2},
    f"POST {DEPLOYMENT}/plan": {"version": 2},
    "PUT /projects/{project}/serving-policy": {"auto_deploy": False},
    f"POST {DEPLOYMENTS}": {"name": "another", "model": "digits"},
    f"PUT {DEPLOYMENT}/settings": {"autoscaling": {"min_replicas": 1, "max_replicas": 3}},
    "POST /people": {"name": "eve", "email": "eve@acme.example", "roles": ["viewer"]},
    "PATCH /people/{person}": {"roles": ["viewer"]},
    "POST /machines": {"name": "another"},
    "POST /keys": {"machine": "ci", "scopes": ["read"]},
    f"POST {SIGNING_KEYS}": {"name": "another", "public_key": PUBLIC_KEYS[2]},
    "POST /webhooks": {"name": "another", "url": "https://hooks.example.com"},
    f"PATCH {WEBHOOK}": {"description": "changed"},
    "POST /policies": {"name": "another", "text": RESTRICTION},
    "POST /policies/validate": {"text": RESTRICTION},
    "PATCH /policies/{policy}": {"enabled": False},
}
# A creation that may be repeated stores what it remembers in the same one write.
IDEMPOTENT = {
    "POST /projects": [TRANSACT],
    f"POST {DEPLOYMENTS}": [GET, TRANSACT],
    f"POST {MODEL}/uploads": [BATCH, TRANSACT],
    "POST /people": [TRANSACT],
    "POST /machines": [TRANSACT],
    "POST /keys": [GET, TRANSACT],
    f"POST {SIGNING_KEYS}": [TRANSACT],
    "POST /webhooks": [GET, TRANSACT],
    f"POST {WEBHOOK}/test": [GET, TRANSACT],
    f"POST {WEBHOOK}/deliveries/{{delivery}}/redeliver": [BATCH, TRANSACT],
}
HUNDREDS = 150
DELIVERY = "d-0123456789abcdef0123"


def keys_of(made: Call) -> Iterator[tuple[str, str]]:
    """Every partition and sort key in a request. A query's sort key is its prefix."""
    body = made.body
    match made.action:
        case "GetItem":
            yield _pair(body["Key"])
        case "PutItem":
            yield _pair(body["Item"])
        case "BatchGetItem":
            for table in body["RequestItems"].values():
                yield from map(_pair, table["Keys"])
        case "TransactWriteItems":
            for entry in body["TransactItems"]:
                [part] = entry.values()
                yield _pair(part.get("Key") or part["Item"])
        case "Query":
            assert body["KeyConditionExpression"] == "pk = :pk AND begins_with(sk, :prefix)"
            values = body["ExpressionAttributeValues"]
            yield values[":pk"]["S"], values[":prefix"]["S"]
            if start := body.get("ExclusiveStartKey"):
                yield _pair(start)
        case other:
            pytest.fail(f"{other} is no call that the API's functions make")


def _pair(key: dict[str, Any]) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def is_allowed(pk: str, sk: str, tenant: str, subject: str) -> bool:
    """The caller's tenant, or the one key of the platform that authentication reads."""
    own = f"TENANT#{tenant}"
    return pk == own or pk.startswith(f"{own}#") or (pk, sk) == ("PLATFORM", f"PRINCIPAL#{subject}")


class Populated:
    """acme with one of everything, seen through the wire; `fill` adds as many more of each as wanted."""

    def __init__(self, call: Api, cloud: Cloud, acme: Scenario) -> None:
        self.call, self.cloud, self.acme = call, cloud, acme
        self.names = {"project": "vision", "model": "digits", "deployment": "digits"}
        for number in (1, 2, 3, 4):
            acme.upload_with({"dataset_digest": "d1"}, content=f"{number}".encode())
        aliases = {"aliases": {"champion": 2, "staging": 2, "idle": 3}}
        assert call("POST", "/projects/vision/models/digits/aliases", aliases).status == 200
        self.names["alias"] = "staging"
        served = acme.serve(1)
        invoke("serving/write_evidence", served)
        self.names["rollout"] = served["rollout_id"]
        self.names["upload"] = acme.open_upload()["upload"]["upload"]
        self.names["version"] = "3"
        put_people(cloud)
        self.names |= {"person": "ada", "machine": "ci", "key": "k00000000000a"}
        for name, public_key in (("release", PUBLIC_KEYS[0]), ("old", PUBLIC_KEYS[1])):
            key = {"name": name, "public_key": public_key}
            path = "/projects/vision/signing-keys"
            assert call("POST", path, key, role="tenant-admin").status == 201
        self.names["signing_key"] = "release"
        put_deployments(cloud)
        put_webhooks(cloud)
        self.names |= {"webhook": "pager", "delivery": DELIVERY}
        self.names["policy"] = "freeze"
        policy = {"name": "freeze", "text": RESTRICTION}
        assert call("POST", "/policies", policy, role="tenant-admin").status == 201
        acme.register(acme.arrival("models/acme/nowhere/digits/model.joblib"))

    def fill(self, count: int) -> None:
        """Copies of a present item of every kind, under other names of the same partition."""
        kinds: dict[str, dict[str, Any]] = {}
        for item in self.cloud.items():
            kind, _, name = item["sk"].partition("#")
            if item["pk"].startswith("TENANT#acme") and name and kind != "IDEMPOTENCY":
                kinds[kind] = {k: v for k, v in item.items() if k != "event"}
        assert len(kinds) == 20
        copies = [i | {"sk": f"{i['sk']}{n:04}"} for i in kinds.values() for n in range(count)]
        self.cloud.put_many(copies)

    def request(self, name: str, **options: Any) -> int:
        """As an administrator of the tenant, who may do all of it."""
        method, _, path = name.partition(" ")
        options = {"role": "tenant-admin"} | options
        full = path.format(**self.names | REMOVED.get(name, {}) | TOLD.get(name, {}))
        return self.call(method, full, BODIES.get(name), **options).status


def put_people(cloud: Cloud) -> None:
    """Somebody, a machine and a key, and each once more to be removed."""
    made = {"created_at": "2026-03-02T09:15:00+00:00", "created_by": "root", "version": 1}
    for name in ("ada", "leaver"):
        person = {"name": name, "email": f"{name}@acme.example", "roles": ["developer"]}
        subject = {"status": "Active", "subject": f"sub-{name}"}
        cloud.put("TENANT#acme", f"PERSON#{name}", **made, **person, **subject)
        cloud.put("TENANT#acme", f"PRINCIPAL#sub-{name}", kind="person", name=name)
    for name, keys in (("ci", 2), ("idle", 0)):
        machine = {"name": name, "roles": ["service"], "active_keys": keys}
        cloud.put("TENANT#acme", f"MACHINE#{name}", **made, **machine)
    for key_id in ("k00000000000a", "k00000000000b"):
        key = {"key_id": key_id, "machine": "ci", "roles": ["service"], "scopes": ["read"]}
        until = {"valid_until": "2099-01-01T00:00:00+00:00", "digest": "0" * 64}
        cloud.put("TENANT#acme", f"KEY#{key_id}", **made, **key, **until)


def put_webhooks(cloud: Cloud) -> None:
    """Two of them, one to be removed, and what was sent to the other."""
    moment = "2026-03-02T09:15:00+00:00"
    for name in ("pager", "quiet"):
        hook = {"name": name, "webhook_id": f"wh-{name}", "url": "https://hooks.example.com/x"}
        secrets = [{"generation": 1, "key": 1}]
        made = {"created_at": moment, "created_by": "root", "version": 1}
        cloud.put("TENANT#acme", f"WEBHOOK#{name}", **hook, **made, events=["*"], secrets=secrets)
    cloud.put("TENANT#acme", "WEBHOOKS", routes={})
    sent = {"delivery_id": DELIVERY, "webhook": "pager", "webhook_id": "wh-pager"}
    event = {"event_id": "e", "event_type": "RolloutEnded", "payload": "{}", "state": "Delivered"}
    cloud.put(
        "TENANT#acme", f"DELIVERY#pager#{DELIVERY}", **sent, **event, created_at=moment, version=1
    )


@pytest.fixture
def populated(
    call: Api, cloud: Cloud, acme: Scenario, monkeypatch: pytest.MonkeyPatch
) -> Populated:
    """The budgets are a warm container's: who may call is remembered for as long as the test takes."""
    monkeypatch.setattr(access_cache, "LIFETIME_SECONDS", 600.0)
    return Populated(call, cloud, acme)


def in_order(names: list[str]) -> list[str]:
    """Reading first; what deletes comes last, so that everything is there for the others."""
    order = {"GET": 0, "PUT": 1, "PATCH": 1, "DELETE": 2, "POST": 3}
    return sorted(names, key=lambda name: order[name.partition(" ")[0]])


def test_budgets_are_the_designs_and_name_every_operation() -> None:
    tenants = {o.name for o in operations() if o.function not in BY_THE_PLATFORM}
    assert set(BUDGET) | ELSEWHERE == tenants
    for name, calls in [*BUDGET.items(), *IDEMPOTENT.items()]:
        reads = [made for made in calls if made in READS]
        writes = [made for made in calls if made in WRITES or made == ASSUME]
        assert len(reads) + len(writes) + calls.count(QUERY) == len(calls), name
        if name.startswith("GET") or name in READS_ONLY:
            most = READS_OF_A_PLAN if name.endswith("/plan") else 2 if name in READS_TWICE else 1
            assert len(calls) <= most, name
        else:
            assert len(writes) == 1, name
            assert len(reads) <= 1, name


@pytest.mark.parametrize("more", [10, HUNDREDS])
def test_every_operation_keeps_its_budget_however_much_there_is(
    populated: Populated, wire: Wire, more: int
) -> None:
    populated.fill(more)
    populated.call("GET", "/me", role="tenant-admin")  # from here on the container is warm
    assert "items" in populated.call("GET", "/projects?limit=1").body  # and has read its secrets
    for name in in_order(list(BUDGET)):
        with wire.recording() as made:
            status = populated.request(name)
        assert status < 300 or (status, name) == (409, "DELETE /projects/{project}"), name
        expected = BUDGET[name][:1] if status == 409 else BUDGET[name]
        assert [c.name for c in made if c.service != "secretsmanager"] == expected, name


def test_deleting_an_empty_project_reads_and_writes_once(
    call: Api, acme: Scenario, wire: Wire
) -> None:
    call("GET", "/me")
    with wire.recording() as made:
        assert call("DELETE", "/projects/vision").status == 204
    assert [c.name for c in made] == BUDGET["DELETE /projects/{project}"]


@pytest.mark.parametrize("name", IDEMPOTENT)
def test_creation_that_may_be_repeated_is_one_write(
    populated: Populated, wire: Wire, name: str
) -> None:
    populated.call("GET", "/me", role="tenant-admin")
    with wire.recording() as made:
        assert populated.request(name, headers={"Idempotency-Key": "k"}) == 201
    # A secret is read once a container.
    assert [c.name for c in made if c.service != "secretsmanager"] == IDEMPOTENT[name]


def test_each_page_of_a_long_list_is_one_query(populated: Populated, wire: Wire) -> None:
    populated.fill(HUNDREDS)
    populated.call("GET", "/projects?limit=1")
    cursor, pages = "", 0
    while pages == 0 or cursor:
        with wire.recording() as made:
            page = populated.call("GET", f"/projects?limit=100{cursor}").json
        assert [c.name for c in made] == [QUERY]
        cursor, pages = f"&cursor={page['next']}" if page["next"] else "", pages + 1
    assert pages == 2


def test_cold_container_asks_once_who_may_call(call: Api, acme: Scenario, wire: Wire) -> None:
    with wire.recording() as made:
        for _ in range(3):
            call("GET", "/projects/vision")
    assert [c.name for c in made] == [ASSUME, BATCH, GET, GET, GET]


def test_every_key_is_of_the_callers_tenant(populated: Populated, wire: Wire) -> None:
    """As acme on its own objects, and as globex on acme's: what is asked for is under the caller's tenant."""
    keys = 0
    for tenant in ("acme", "globex"):
        for name in in_order(list(BUDGET)):
            with wire.recording() as made:
                populated.call(
                    *_target(populated, name), BODIES.get(name), tenant=tenant, subject="u"
                )
                populated.call(
                    *_target(populated, name),
                    BODIES.get(name),
                    tenant=tenant,
                    subject="u",
                    headers={"X-Tenant-Id": "acme", "Idempotency-Key": "k"},
                )
            for said in made:
                if said.service == "dynamodb":
                    for pk, sk in keys_of(said):
                        assert is_allowed(pk, sk, tenant, "u"), (name, pk, sk)
                        keys += 1
    assert keys > 100


def test_guard_knows_a_foreign_key() -> None:
    assert is_allowed("TENANT#acme", "PROJECT#x", "acme", "u")
    assert is_allowed("TENANT#acme#PROJECT#x", "MODEL#m", "acme", "u")
    assert not is_allowed("TENANT#acme2", "PROJECT#x", "acme", "u")
    assert not is_allowed("PLATFORM", "PRINCIPAL#other", "acme", "u")
    assert not is_allowed("PLATFORM#USER#u", "MEMBERSHIP", "acme", "u")


def _target(populated: Populated, name: str) -> tuple[str, str]:
    method, _, path = name.partition(" ")
    return method, path.format(**populated.names)
