"""Items as the table holds them: one of each kind, of which there may be any number under other names."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from pydantic import BaseModel

from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_models import MARKS
from controlplane.adapters.dynamodb_table import Key
from controlplane.people.model import PersonStatus
from controlplane.registry.lineage import LineageLink
from controlplane.registry.model import ModelVersion
from controlplane.serving.model import ServingState
from local.bench import entities
from local.bench.names import COMMANDS

Item = dict[str, Any]
NOWHERE = Key("", "")
USE = dict.fromkeys(("projects", "models", "stored_bytes", "deployments"), 1_000) | {"version": 1}
ADMINISTRATOR = {"kind": "person", "name": "root", "status": "Active", "roles": ["tenant-admin"]}
PRINCIPAL = {"kind": "person", "name": "s", "status": "Active", "roles": ["developer"]}


@cache
def patterns() -> dict[str, Item]:
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
        "quotas": USE,
        "subscriber": {"tier": entities.TIER},
        "mapping": {"version": 1},
        "principal": PRINCIPAL,
    }
    return {kind: item_of(NOWHERE, entity) for kind, entity in examples.items()} | {
        kind: plain_item(NOWHERE, attributes) for kind, attributes in plain.items()
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


def item_of(key: Key, entity: BaseModel) -> Item:
    item = as_item(key, entity)
    if isinstance(entity, ModelVersion):
        for name in MARKS:
            del item[name]  # sets, which are not there while they are empty
    return _serialised(item)


def plain_item(key: Key, attributes: Mapping[str, Any]) -> Item:
    return _serialised(key.as_item() | dict(attributes))


def _serialised(item: Mapping[str, Any]) -> Item:
    plain = json.loads(json.dumps(item))
    return {name: TypeSerializer().serialize(value) for name, value in plain.items()}
