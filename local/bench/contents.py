"""Everything that a table holds: what lookups ask for, and any number of everything beside it."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from pydantic import BaseModel

from controlplane.adapters.dynamodb_aliases import alias_move_key
from controlplane.adapters.dynamodb_audit import audit_partition
from controlplane.adapters.dynamodb_deployment_keys import (
    deployment_key,
    history_key,
    rollout_key,
    tick_key,
)
from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_lineage import link_writes
from controlplane.adapters.dynamodb_machines import api_key_key, machine_key
from controlplane.adapters.dynamodb_models import MARKS, aliases_key, model_key, version_key
from controlplane.adapters.dynamodb_people import person_key
from controlplane.adapters.dynamodb_policies import policy_key
from controlplane.adapters.dynamodb_project_keys import signing_key_key
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_quotas import quotas_key
from controlplane.adapters.dynamodb_subscriptions import subscription_key
from controlplane.adapters.dynamodb_table import Key, tenant_partition
from controlplane.adapters.dynamodb_tenants import (
    directory_key,
    policies_key,
    principal_key,
    tenant_key,
)
from controlplane.adapters.dynamodb_tiers import group_key, subscriber_key, tier_key, use_key
from controlplane.adapters.dynamodb_uploads import upload_key
from controlplane.adapters.dynamodb_webhook_deliveries import delivery_key
from controlplane.adapters.dynamodb_webhooks import routes_key, webhook_key
from controlplane.people.model import PersonStatus
from controlplane.registry.lineage import LineageLink
from controlplane.registry.model import ModelVersion
from controlplane.serving.model import ServingState
from local.bench import entities
from local.bench.entities import DEPLOYMENT, MANAGED, MODEL, PROJECT, TENANT

Item = dict[str, Any]
RARE = 10
# Changes before all numbered ones, so that the overview's are complete.
EARLIER_CHANGES = 21
# A tenant cannot have more policies; requests of the bench make some, too.
MAX_POLICIES = 30
# Of these there are fewer on any platform: one for every tenth number, one for every hundredth.
_RARER = {"upload", "deployment", "rejected", "locked", "suspended", "suspended entry"}
_RARER |= {"subscription", "subscriber", "record", "unused key", "aliases", "named version"}
_RARER |= {"signing key"}
# The embedded cloud takes seconds for a query when a partition is much larger.
_RARER |= {"person", "principal", "machine", "key", "webhook", "delivery"}
_RAREST = {"tier", "mapped tier", "mapping"}
# What requests use up that are no deletions.
_USED_UP = {"person", "principal", "locked", "suspended", "suspended entry", "unused key"}
_USED_UP |= {"aliases", "signing key"}
# Deployments that are told something, which can be told it once, by what it is; each with its rollout.
COMMANDS = ("pause", "resume", "promote", "abort", "approve")
SWITCHES = ("stop", "start")
_COMMANDED = {f"{command} {thing}" for command in COMMANDS for thing in ("deployment", "rollout")}
_COMMANDED |= {f"{switch} deployment" for switch in SWITCHES}
_RARER |= _COMMANDED
_USED_UP |= _COMMANDED
_NOWHERE = Key("", "")


def numbered(kind: str, number: int) -> str:
    """The name of the numbered thing of a kind."""
    return f"{_PREFIXES[kind]}{number:06d}"


_PREFIXES = {
    "tenant": "t",
    "suspended": "u",
    "project": "p",
    "model": "m",
    "signing key": "y",
    "upload": "u-1",
    "deployment": "d",
    "person": "s",
    "locked": "l",
    "machine": "c",
    "webhook": "w",
    "policy": "o",
    "tier": "i",
    "mapped tier": "h",
    "group": "g",
    "pause": "ca",
    "resume": "cb",
    "promote": "cc",
    "abort": "cd",
    "approve": "ce",
    "stop": "cf",
    "start": "cg",
}


def numbered_version(number: int) -> int:
    return entities.VERSION + 1 + number


def numbered_key(number: int) -> str:
    return f"k{number:012x}"


def unused_key(number: int) -> str:
    """A key that nobody has exchanged yet."""
    return f"kf{number:011x}"


def fixed_items(chain: entities.Chain) -> Iterator[Item]:
    """What lookups ask for, and what changes begin with."""
    for number in range(EARLIER_CHANGES):
        yield from _recorded(number, chain)
    for tenant_id in (TENANT, MANAGED):
        tenant = entities.tenant(tenant_id)
        yield _item(tenant_key(tenant_id), tenant)
        yield _item(directory_key(tenant_id), entities.directory_entry(tenant))
        yield _plain(quotas_key(tenant_id), _USE)
    yield from _of_platform()
    yield from _of_tenant()
    # Enough versions that no deletion makes the project or the model look empty.
    yield _item(project_key(TENANT, PROJECT), entities.project(PROJECT, versions=1_000_000))
    yield _item(model_key(TENANT, PROJECT, MODEL), entities.model(MODEL, versions=1_000_000))
    version = entities.VERSION
    yield _item(version_key(TENANT, PROJECT, MODEL, version), entities.version(version))
    other = entities.OTHER_VERSION
    yield _item(version_key(TENANT, PROJECT, MODEL, other), entities.version(other))
    yield _item(aliases_key(TENANT, PROJECT, MODEL), entities.aliases(MODEL))
    signer = entities.SIGNING_KEY
    yield _item(signing_key_key(TENANT, PROJECT, signer), entities.signing_key(signer))
    upload = entities.UPLOAD
    yield _item(upload_key(TENANT, PROJECT, MODEL, upload), entities.upload(upload))
    yield _item(deployment_key(TENANT, PROJECT, DEPLOYMENT), entities.deployment(DEPLOYMENT))
    rollout = rollout_key(TENANT, PROJECT, DEPLOYMENT, entities.ROLLOUT)
    yield _item(rollout, entities.rollout())
    for number in range(10):
        tick = entities.tick(number)
        yield _item(tick_key(TENANT, PROJECT, DEPLOYMENT, tick), tick)


_USE = dict.fromkeys(("projects", "models", "stored_bytes", "deployments"), 1_000) | {"version": 1}


def _of_platform() -> Iterator[Item]:
    yield _item(tier_key(entities.TIER), entities.tier(entities.TIER))
    yield _plain(use_key(entities.TIER), {"tenants": 1_000_000, "group_subscriptions": 1_000_000})


def _of_tenant() -> Iterator[Item]:
    yield _item(subscription_key(TENANT, "tenant"), entities.subscription("tenant"))
    yield _plain(subscriber_key(entities.TIER, TENANT), {"tenant_id": TENANT})
    yield _item(person_key(TENANT, entities.PERSON), entities.person(entities.PERSON))
    yield _plain(principal_key(TENANT, f"sub-{entities.PERSON}"), _PRINCIPAL)
    yield _plain(principal_key(TENANT, entities.ADMINISTRATOR), _ADMINISTRATOR)
    # Room for as many keys as are made.
    machine = entities.machine(entities.MACHINE, active_keys=-1_000_000)
    yield _item(machine_key(TENANT, entities.MACHINE), machine)
    yield _item(api_key_key(TENANT, entities.API_KEY), entities.api_key(entities.API_KEY))
    yield _item(policy_key(TENANT, entities.POLICY), entities.policy(entities.POLICY))
    yield _item(policies_key(TENANT), entities.policy_book())
    yield _item(webhook_key(TENANT, entities.WEBHOOK), entities.webhook(entities.WEBHOOK))
    # Room for the few that are made: those that are there have no routes.
    yield _plain(routes_key(TENANT), {"routes": {}})
    delivery = entities.DELIVERY
    yield _item(delivery_key(TENANT, entities.WEBHOOK, delivery), entities.delivery(delivery))


_ADMINISTRATOR = {"kind": "person", "name": "root", "status": "Active", "roles": ["tenant-admin"]}
_PRINCIPAL = {"kind": "person", "name": "s", "status": "Active", "roles": ["developer"]}


def numbered_items(number: int, chain: entities.Chain, *, used_up: bool = False) -> Iterator[Item]:
    """One item of each kind, from RARE on fewer of some; with `used_up` only those that requests use up."""
    patterns = _patterns()
    for kind, (key, changed) in _named(number).items():
        if kind in _USED_UP if used_up else _is_there(kind, number):
            yield patterns[kind] | {"pk": {"S": key.pk}, "sk": {"S": key.sk}} | changed
    if not used_up and _is_there("record", number):
        nth = number if number < RARE else RARE + number // 10 - 1
        yield from _recorded(EARLIER_CHANGES + nth, chain)
    if not used_up and number < MAX_POLICIES:
        policy = numbered("policy", number)
        yield _item(policy_key(TENANT, policy), entities.policy(policy))


def _is_there(kind: str, number: int) -> bool:
    every = 100 if kind in _RAREST else 10 if kind in _RARER else 1
    return number < RARE or number % every == 0


def _named(number: int) -> dict[str, tuple[Key, Item]]:
    """By kind the key, and the attributes that differ. Serialising each anew would take longer than storing it."""
    return _named_on_platform(number) | _named_in_tenant(number) | _named_in_project(number)


def _named_on_platform(number: int) -> dict[str, tuple[Key, Item]]:
    tenant, suspended = numbered("tenant", number), numbered("suspended", number)
    tier, mapped = numbered("tier", number), numbered("mapped tier", number)
    group = numbered("group", number)
    return {
        "tenant": (tenant_key(tenant), {"tenant_id": {"S": tenant}}),
        "entry": (directory_key(tenant), {"tenant_id": {"S": tenant}}),
        "quotas": (quotas_key(tenant), {}),
        "subscriber": (subscriber_key(entities.TIER, tenant), {"tenant_id": {"S": tenant}}),
        "suspended": (tenant_key(suspended), {"tenant_id": {"S": suspended}}),
        "suspended entry": (directory_key(suspended), {"tenant_id": {"S": suspended}}),
        "tier": (tier_key(tier), {"name": {"S": tier}}),
        "mapped tier": (
            tier_key(mapped),
            {"name": {"S": mapped}, "groups": {"L": [{"S": group}]}},
        ),
        "mapping": (group_key(group), {"group": {"S": group}, "tier": {"S": mapped}}),
    }


def _named_in_tenant(number: int) -> dict[str, tuple[Key, Item]]:
    person, locked = numbered("person", number), numbered("locked", number)
    machine, key_id = numbered("machine", number), numbered_key(number)
    group = numbered("group", number)
    unused = unused_key(number)
    webhook, delivery = numbered("webhook", number), f"d-{number:020x}"
    return {
        "subscription": (subscription_key(TENANT, group), {"subscriber": {"S": group}}),
        "person": (person_key(TENANT, person), _called(person)),
        "principal": (principal_key(TENANT, f"sub-{person}"), {"name": {"S": person}}),
        "locked": (person_key(TENANT, locked), _called(locked)),
        "machine": (machine_key(TENANT, machine), {"name": {"S": machine}}),
        "key": (
            api_key_key(TENANT, key_id),
            {"key_id": {"S": key_id}, "machine": {"S": machine}},
        ),
        "unused key": (
            api_key_key(TENANT, unused),
            {"key_id": {"S": unused}, "digest": {"S": entities.key_text(unused)[1]}},
        ),
        "webhook": (webhook_key(TENANT, webhook), {"name": {"S": webhook}}),
        "delivery": (
            delivery_key(TENANT, entities.WEBHOOK, delivery),
            {"delivery_id": {"S": delivery}},
        ),
        "rejected": (Key(tenant_partition(TENANT), f"REJECTED#2026#{number:016x}"), {}),
    }


def _called(person: str) -> Item:
    return {"name": {"S": person}, "subject": {"S": f"sub-{person}"}}


def _named_in_project(number: int) -> dict[str, tuple[Key, Item]]:
    project, deployment = numbered("project", number), numbered("deployment", number)
    model, upload = numbered("model", number), numbered("upload", number)
    version, signer = numbered_version(number), numbered("signing key", number)
    return {
        "project": (project_key(TENANT, project), {"name": {"S": project}}),
        "model": (model_key(TENANT, PROJECT, model), {"name": {"S": model}}),
        "signing key": (signing_key_key(TENANT, PROJECT, signer), {"name": {"S": signer}}),
        "aliases": (aliases_key(TENANT, PROJECT, model), {"model": {"S": model}}),
        "named version": (version_key(TENANT, PROJECT, model, entities.VERSION), {}),
        "version": (version_key(TENANT, PROJECT, MODEL, version), {"number": {"N": str(version)}}),
        "upload": (upload_key(TENANT, PROJECT, MODEL, upload), {"upload_id": {"S": upload}}),
        "deployment": (deployment_key(TENANT, PROJECT, deployment), {"name": {"S": deployment}}),
        "past rollout": (_history(number), {}),
        "link": (_link(number), {"number": {"N": str(version)}}),
        "alias move": (_alias_move(number), {}),
        **_named_to_be_told(number),
    }


def _link(number: int) -> Key:
    """Many versions of one data set."""
    made = entities.version(numbered_version(number)).model_copy(update={"dataset_digest": "d1"})
    [write] = link_writes(TENANT, PROJECT, made)
    return write.key


def _alias_move(number: int) -> Key:
    """Of later numbers than any request of the bench gets to."""
    return alias_move_key(TENANT, PROJECT, MODEL, entities.alias_move(1_000_000 + number))


def _history(number: int) -> Key:
    """One after the other, by the hour in which each was asked for."""
    asked = entities.MOMENT + timedelta(hours=number)
    past = entities.rollout().model_copy(update={"requested_at": asked})
    return history_key(TENANT, PROJECT, past)


def _named_to_be_told(number: int) -> dict[str, tuple[Key, Item]]:
    found: dict[str, tuple[Key, Item]] = {}
    for word in (*COMMANDS, *SWITCHES):
        name = numbered(word, number)
        key = deployment_key(TENANT, PROJECT, name)
        found[f"{word} deployment"] = (key, {"name": {"S": name}})
        if word in COMMANDS:
            rollout = rollout_key(TENANT, PROJECT, name, entities.ROLLOUT)
            found[f"{word} rollout"] = (rollout, {"deployment": {"S": name}})
    return found


def _recorded(number: int, chain: entities.Chain) -> Iterator[Item]:
    """A link of the audit chain, and the copies by which lists find it."""
    record = chain.record(number)
    partition, place = audit_partition(TENANT), f"{record.sequence:012d}"
    item = _item(_NOWHERE, record)
    for prefix in (
        "RECORD#",
        "ALL#2026#",
        f"ACTOR#{record.actor}#2026#",
        f"RESOURCE#{record.resource}#2026#",
    ):
        yield item | {"pk": {"S": partition}, "sk": {"S": f"{prefix}{place}"}}


@cache
def _patterns() -> dict[str, Item]:
    suspended = entities.suspended_tenant("u")
    examples: dict[str, BaseModel] = {
        "tenant": entities.tenant("t"),
        "entry": entities.directory_entry(entities.tenant("t")),
        "suspended": suspended,
        "suspended entry": entities.directory_entry(suspended),
        "tier": entities.tier("i"),
        "mapped tier": entities.tier("h"),
        "subscription": entities.subscription("g"),
        "person": entities.person("s"),
        "locked": entities.person("l", PersonStatus.DISABLED),
        "machine": entities.machine("c"),
        "key": entities.api_key(entities.API_KEY),
        "unused key": entities.api_key(entities.API_KEY),
        "webhook": entities.webhook("w"),
        "delivery": entities.delivery(entities.DELIVERY),
        "project": entities.project("p"),
        "model": entities.model("m"),
        "signing key": entities.signing_key("y"),
        "aliases": entities.aliases("m"),
        "named version": entities.version(entities.VERSION),
        "version": entities.version(entities.VERSION),
        "upload": entities.upload(entities.UPLOAD),
        "deployment": entities.deployment("d"),
        "past rollout": entities.rollout(),
        "link": LineageLink.of(entities.version(entities.VERSION)),
        "alias move": entities.alias_move(1),
        "rejected": entities.rejected_upload(),
        **_to_be_told(),
    }
    plain: dict[str, Mapping[str, Any]] = {
        "quotas": _USE,
        "subscriber": {"tier": entities.TIER},
        "mapping": {"version": 1},
        "principal": _PRINCIPAL,
    }
    return {kind: _item(_NOWHERE, entity) for kind, entity in examples.items()} | {
        kind: _plain(_NOWHERE, attributes) for kind, attributes in plain.items()
    }


def _to_be_told() -> dict[str, BaseModel]:
    found: dict[str, BaseModel] = {}
    for command in COMMANDS:
        paused = command == "resume"
        found[f"{command} deployment"] = entities.commanded("c", paused=paused)
        found[f"{command} rollout"] = entities.commanded_rollout("c", paused=paused)
    found["stop deployment"] = entities.deployment("c")
    found["start deployment"] = entities.deployment("c", ServingState.STOPPED)
    return found


def _item(key: Key, entity: BaseModel) -> Item:
    item = as_item(key, entity)
    if isinstance(entity, ModelVersion):
        for name in MARKS:
            del item[name]  # sets, which are not there while they are empty
    return _serialised(item)


def _plain(key: Key, attributes: Mapping[str, Any]) -> Item:
    return _serialised(key.as_item() | dict(attributes))


def _serialised(item: Mapping[str, Any]) -> Item:
    plain = json.loads(json.dumps(item))
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}
