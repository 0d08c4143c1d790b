"""What is served: API groups, their resources, and as much OpenAPI as kubectl asks for."""

import hashlib
import re

from local.kubernetes_api.built_in_kinds import REVIEWS
from local.kubernetes_api.errors import Json
from local.kubernetes_api.resource_table import ResourceTable
from local.kubernetes_api.resources import VERBS, Resource

VERSION: Json = {
    "major": "1",
    "minor": "35",
    "gitVersion": "v1.35.0+headrace",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "embedded",
}
_VERSION_ORDER = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def _rank(version: str) -> tuple[int, int, int]:
    """Stable before beta before alpha, higher numbers first, as Kubernetes prefers versions."""
    found = _VERSION_ORDER.fullmatch(version)
    if not found:
        return (3, 0, 0)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0))


def _versions(table: ResourceTable) -> dict[str, list[str]]:
    groups: dict[str, set[str]] = {}
    for resource in table:
        groups.setdefault(resource.group, set()).add(resource.version)
    return {group: sorted(groups[group], key=_rank) for group in sorted(groups)}


def core_versions() -> Json:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(table: ResourceTable) -> Json:
    groups = [_group(name, versions) for name, versions in _versions(table).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def one_group(table: ResourceTable, name: str) -> Json | None:
    versions = _versions(table).get(name) if name else None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resource_list(table: ResourceTable, group: str, version: str) -> Json | None:
    found = [
        entry for r in table if (r.group, r.version) == (group, version) for entry in _entries(r)
    ]
    name = f"{group}/{version}" if group else version
    body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}
    return body if found else None


def _entries(resource: Resource) -> list[Json]:
    base = {"namespaced": resource.namespaced, "singularName": "", "kind": resource.kind}
    whole: Json = {
        **base,
        "name": resource.plural,
        "singularName": resource.singular,
        "verbs": ["create"] if resource in REVIEWS else list(VERBS),
    }
    if resource.short_names:
        whole["shortNames"] = list(resource.short_names)
    if resource.categories:
        whole["categories"] = list(resource.categories)
    return [whole, *(_subresource(resource, base, name) for name in resource.subresources)]


def _subresource(resource: Resource, base: Json, name: str) -> Json:
    entry = {**base, "name": f"{resource.plural}/{name}", "verbs": ["get", "patch", "update"]}
    if name == "token":
        return {
            **entry,
            "group": "authentication.k8s.io",
            "version": "v1",
            "kind": "TokenRequest",
            "verbs": ["create"],
        }
    if name == "scale":
        return {**entry, "group": "autoscaling", "version": "v1", "kind": "Scale"}
    return entry


def open_api_index(table: ResourceTable) -> Json:
    paths = {}
    for group, versions in _versions(table).items():
        for version in versions:
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            kinds = sorted(r.plural for r in table if (r.group, r.version) == (group, version))
            digest = hashlib.sha256(" ".join(kinds).encode()).hexdigest()[:16]
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return {"paths": paths}


def open_api_document(table: ResourceTable, group: str, version: str) -> Json | None:
    """Paths with what kubectl looks for: that a kind's PATCH knows server-side field validation."""
    found = [r for r in table if (r.group, r.version) == (group, version)]
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    document: Json = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {_path(root, r): {"patch": _patch(r)} for r in found},
        "components": {"schemas": {}},
    }
    return document if found else None


def _path(root: str, resource: Resource) -> str:
    middle = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{root}{middle}/{resource.plural}/{{name}}"


def _patch(resource: Resource) -> Json:
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in names
        ],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }


def swagger() -> Json:
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"swagger": "2.0", "info": info, "paths": {}, "definitions": {}}
