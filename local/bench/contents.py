"""Everything that a table holds: what lookups ask for, and any number of everything beside it."""

from collections.abc import Iterator
from datetime import timedelta

from controlplane.adapters.dynamodb_aliases import alias_move_key
from controlplane.adapters.dynamodb_audit import audit_partition
from controlplane.adapters.dynamodb_deployment_keys import (
    deployment_key,
    history_key,
    rollout_key,
    tick_key,
)
from controlplane.adapters.dynamodb_lineage import link_writes
from controlplane.adapters.dynamodb_machines import api_key_key, machine_key
from controlplane.adapters.dynamodb_models import aliases_key, model_key, version_key
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
from local.bench import entities
from local.bench.entities import DEPLOYMENT, MANAGED, MODEL, PROJECT, TENANT
from local.bench.names import (
    COMMANDS,
    SWITCHES,
    numbered,
    numbered_key,
    numbered_version,
    unused_key,
)
from local.bench.patterns import (
    ADMINISTRATOR,
    NOWHERE,
    PRINCIPAL,
    USE,
    Item,
    item_of,
    patterns,
    plain_item,
)

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
_COMMANDED = {f"{command} {thing}" for command in COMMANDS for thing in ("deployment", "rollout")}
_COMMANDED |= {f"{switch} deployment" for switch in SWITCHES}
_RARER |= _COMMANDED
_USED_UP |= _COMMANDED


def fixed_items(chain: entities.Chain) -> Iterator[Item]:
    """What lookups ask for, and what changes begin with."""
    for number in range(EARLIER_CHANGES):
        yield from _recorded(number, chain)
    for tenant_id in (TENANT, MANAGED):
        tenant = entities.tenant(tenant_id)
        yield item_of(tenant_key(tenant_id), tenant)
        yield item_of(directory_key(tenant_id), entities.directory_entry(tenant))
        yield plain_item(quotas_key(tenant_id), USE)
    yield from _of_platform()
    yield from _of_tenant()
    # Enough versions that no deletion makes the project or the model look empty.
    yield item_of(project_key(TENANT, PROJECT), entities.project(PROJECT, versions=1_000_000))
    yield item_of(model_key(TENANT, PROJECT, MODEL), entities.model(MODEL, versions=1_000_000))
    version = entities.VERSION
    yield item_of(version_key(TENANT, PROJECT, MODEL, version), entities.version(version))
    other = entities.OTHER_VERSION
    yield item_of(version_key(TENANT, PROJECT, MODEL, other), entities.version(other))
    yield item_of(aliases_key(TENANT, PROJECT, MODEL), entities.aliases(MODEL))
    signer = entities.SIGNING_KEY
    yield item_of(signing_key_key(TENANT, PROJECT, signer), entities.signing_key(signer))
    upload = entities.UPLOAD
    yield item_of(upload_key(TENANT, PROJECT, MODEL, upload), entities.upload(upload))
    yield item_of(deployment_key(TENANT, PROJECT, DEPLOYMENT), entities.deployment(DEPLOYMENT))
    rollout = rollout_key(TENANT, PROJECT, DEPLOYMENT, entities.ROLLOUT)
    yield item_of(rollout, entities.rollout())
    for number in range(10):
        tick = entities.tick(number)
        yield item_of(tick_key(TENANT, PROJECT, DEPLOYMENT, tick), tick)


def _of_platform() -> Iterator[Item]:
    yield item_of(tier_key(entities.TIER), entities.tier(entities.TIER))
    yield plain_item(
        use_key(entities.TIER), {"tenants": 1_000_000, "group_subscriptions": 1_000_000}
    )


def _of_tenant() -> Iterator[Item]:
    yield item_of(subscription_key(TENANT, "tenant"), entities.subscription("tenant"))
    yield plain_item(subscriber_key(entities.TIER, TENANT), {"tenant_id": TENANT})
    yield item_of(person_key(TENANT, entities.PERSON), entities.person(entities.PERSON))
    yield plain_item(principal_key(TENANT, f"sub-{entities.PERSON}"), PRINCIPAL)
    yield plain_item(principal_key(TENANT, entities.ADMINISTRATOR), ADMINISTRATOR)
    # Room for as many keys as are made.
    machine = entities.machine(entities.MACHINE, active_keys=-1_000_000)
    yield item_of(machine_key(TENANT, entities.MACHINE), machine)
    yield item_of(api_key_key(TENANT, entities.API_KEY), entities.api_key(entities.API_KEY))
    yield item_of(policy_key(TENANT, entities.POLICY), entities.policy(entities.POLICY))
    yield item_of(policies_key(TENANT), entities.policy_book())
    yield item_of(webhook_key(TENANT, entities.WEBHOOK), entities.webhook(entities.WEBHOOK))
    yield room_for_webhooks()
    delivery = entities.DELIVERY
    yield item_of(delivery_key(TENANT, entities.WEBHOOK, delivery), entities.delivery(delivery))


def room_for_webhooks() -> Item:
    """A tenant may have 20, by its routes: those that are there have none."""
    return plain_item(routes_key(TENANT), {"routes": {}})


def numbered_items(number: int, chain: entities.Chain, *, used_up: bool = False) -> Iterator[Item]:
    """One item of each kind, from RARE on fewer of some; with `used_up` only those that requests use up."""
    known = patterns()
    for kind, (key, changed) in _named(number).items():
        if kind in _USED_UP if used_up else _is_there(kind, number):
            yield known[kind] | {"pk": {"S": key.pk}, "sk": {"S": key.sk}} | changed
    if not used_up and _is_there("record", number):
        nth = number if number < RARE else RARE + number // 10 - 1
        yield from _recorded(EARLIER_CHANGES + nth, chain)
    if not used_up and number < MAX_POLICIES:
        policy = numbered("policy", number)
        yield item_of(policy_key(TENANT, policy), entities.policy(policy))


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
    item = item_of(NOWHERE, record)
    for prefix in (
        "RECORD#",
        "ALL#2026#",
        f"ACTOR#{record.actor}#2026#",
        f"RESOURCE#{record.resource}#2026#",
    ):
        yield item | {"pk": {"S": partition}, "sk": {"S": f"{prefix}{place}"}}
