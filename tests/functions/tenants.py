"""Several tenants with one of everything, and secrets of each that no other may ever see.

What is generated against them comes from the OpenAPI document: a new operation is attacked without anybody's doing,
a new kind of thing needs an example in `populate`.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.bench import entities
from local.bench.names import COMMANDS
from tests.functions import examples
from tests.functions.api_calls import Answer, Api, Operation, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.deployments import put_deployments
from tests.functions.samples import Json
from tests.functions.scenario import Scenario

TENANTS = ("acme", "acme2", "globex")
ROLES = ("tenant-admin", "developer", "viewer", "service")
# What an answer never shows, whoever asks: keys of the table, the inside of the code, names of AWS.
INSIDE = re.compile(
    r"TENANT#|PLATFORM#|Traceback|File \"|site-packages|controlplane\.|botocore|pydynox|arn:aws|"
    r"dynamodb|Exception|AccessDenied"
)


@dataclass
class Holdings:
    """What one tenant has: names by the path's parameter, and what only its own may see."""

    tenant: str
    names: dict[str, list[str]]
    secrets: tuple[str, ...]
    cursors: dict[str, str] = field(default_factory=dict)
    etags: list[str] = field(default_factory=list)
    idempotency_keys: dict[str, str] = field(default_factory=dict)

    def name(self, parameter: str) -> str:
        """The tenant's own thing of that kind; an example's name for a kind that it has none of."""
        return (self.names.get(parameter) or [examples.NAMES[parameter]])[0]

    def path(self, operation: Operation) -> str:
        return operation.path.format(**{name: self.name(name) for name in operation.parameters})


def secret_of(tenant: str, kind: str) -> str:
    """A word that stands nowhere but in what the tenant has."""
    return "secret" + hashlib.sha256(f"{tenant} {kind}".encode()).hexdigest()[:12]


def populate(api: Api, cloud: Cloud, tenant: str) -> Holdings:
    """Make one of everything, as the tenant's administrator."""
    kinds = ("project", "file", "person", "machine", "policy", "subject", "key", "webhook",
             "signing key", "card", "rollout", "settings")  # fmt: skip
    words = {kind: secret_of(tenant, kind) for kind in kinds}
    admin = Person(tenant, "tenant-admin", words["subject"])
    held = Holdings(tenant, {}, tuple(words.values()))

    def create(path: str, body: Any) -> Answer:
        key = f"key-of-{tenant}-{len(held.idempotency_keys)}"
        made = api.call_as(admin, "POST", path, body, {"Idempotency-Key": key})
        assert made.status < 300, (path, made.body)
        held.idempotency_keys[key] = path
        if "etag" in made.headers:
            held.etags.append(made.etag)
        return made

    own = f"{tenant}-only"
    for name in ("vision", own):
        create("/projects", {"name": name, "description": words["project"]})
    scenario = Scenario(api, cloud, tenant=tenant, project=own)
    scenario.upload_version(content=words["file"].encode())
    scenario.upload_version(content=words["file"].encode() * 2)
    rollout = scenario.serve(1)["rollout_id"]
    put_deployments(cloud, tenant, own, words["rollout"])

    def put(path: str, body: Any) -> None:
        changed = api.call_as(admin, "PUT", f"/projects/{own}{path}", body)
        assert changed.status in (200, 201), (path, changed.body)
        held.etags.append(changed.etag)

    put("/models/digits/versions/2/card", {"text": words["card"]})
    put("/models/digits/aliases/staging", {"version": 1})
    header = {"header": "X-Team", "value": words["settings"]}
    put("/deployments/digits/settings", {"headers": [header]})
    signer = {"name": f"{tenant}-release", "description": words["signing key"]}
    create(f"/projects/{own}/signing-keys", signer | {"public_key": examples.PUBLIC_KEY})
    files = {f"{words['file']}.joblib": words["file"].encode()}
    opened = [
        scenario.open_upload(files, role="tenant-admin", subject=words["subject"]) for _ in "ab"
    ]
    scenario.register(scenario.arrival(f"models/{tenant}/{own}/Bad/{words['file']}.joblib"))
    create("/people", {
        "name": f"{tenant}-ada", "email": f"{words['person']}@{tenant}.example", "roles": ["viewer"],
    })  # fmt: skip
    create("/machines", {"name": f"{tenant}-ci", "description": words["machine"]})
    key = create("/keys", {"machine": f"{tenant}-ci", "scopes": ["read"]}).json
    text = f"// {words['policy']}\n{examples.RESTRICTION}"
    create("/policies", {"name": f"{tenant}-policy", "text": text})
    made_hook = create("/webhooks", {
        "name": f"{tenant}-pager",
        "url": f"https://{words['webhook']}.example.com",
        "description": words["webhook"],
    })  # fmt: skip
    sent = create(f"/webhooks/{tenant}-pager/test", None).json["delivery"]
    held.names = {
        "webhook": [f"{tenant}-pager"],
        "delivery": [sent],
        "project": [own],
        "model": ["digits"],
        "version": ["2"],
        "upload": [ticket["upload"]["upload"] for ticket in opened],
        "alias": ["staging"],
        "signing_key": [f"{tenant}-release"],
        "deployment": ["digits", *COMMANDS],
        "rollout": [rollout, entities.ROLLOUT],
        "person": [f"{tenant}-ada"],
        "machine": [f"{tenant}-ci"],
        "key": [key["key_id"]],
        "policy": [f"{tenant}-policy"],
        "tenant": [tenant],
        "group": [f"{tenant}-group"],
    }
    held.secrets += tuple(_shown_secrets(key)) + tuple(_shown_secrets(made_hook.json))
    held.cursors = _cursors(api, held, admin)
    return held


def _shown_secrets(made: Json) -> Sequence[str]:
    """What is shown once to whoever makes a key or a webhook."""
    return [str(made[name]) for name in ("api_key", "secret") if name in made]


def _cursors(api: Api, held: Holdings, admin: Person) -> dict[str, str]:
    """A real cursor of each list that has a second page."""
    found = {}
    for operation in operations():
        if operation.is_listing and "tenant" not in operation.parameters:
            path = held.path(operation)
            page = api.call_as(admin, operation.method, f"{path}?limit=1")
            if page.status == 200 and page.json.get("next"):
                found[path] = page.json["next"]
    return found


def digest_of(cloud: Cloud, tenant: str) -> str:
    """Of all that lies in the tenant's partitions: the same as long as nobody changes anything of it."""
    items = [item for item in cloud.items() if _belongs(str(item["pk"]), tenant)]
    assert items, f"{tenant} has nothing that could be changed"
    lines = sorted(json.dumps(item, sort_keys=True, default=_readable) for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def platform_digest(cloud: Cloud) -> str:
    """Of what belongs to no tenant."""
    items = [item for item in cloud.items() if str(item["pk"]).startswith("PLATFORM")]
    lines = sorted(json.dumps(item, sort_keys=True, default=_readable) for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def objects_digest(cloud: Cloud, tenant: str) -> str:
    """Of the tenant's objects in the bucket, every version of them."""
    versions = []
    for folder in ("models/", "registry/tenant-", "evidence/tenant-"):
        prefix = f"{folder}{tenant}/"
        found = cloud.s3.list_object_versions(Bucket=cloud.bucket, Prefix=prefix)
        versions += [(v["Key"], v["VersionId"], v["ETag"]) for v in found.get("Versions", [])]
        versions += [(v["Key"], v["VersionId"], "") for v in found.get("DeleteMarkers", [])]
    return hashlib.sha256(repr(sorted(versions)).encode()).hexdigest()


def _belongs(pk: str, tenant: str) -> bool:
    return pk == f"TENANT#{tenant}" or pk.startswith(f"TENANT#{tenant}#")


def _readable(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else repr(value)


def leaks(answer: Answer, asked: str, others: Sequence[Holdings]) -> list[str]:
    """What an answer shows of others' secrets, or of the inside; what was `asked` may be repeated."""
    shown = answer.body + json.dumps(dict(answer.headers))
    found = [secret for held in others for secret in held.secrets if secret in shown]
    return found + [text for text in INSIDE.findall(shown) if text not in asked]
