"""From a path to what it means: ``/apis/<group>/<version>/namespaces/<ns>/<plural>/<name>/<subresource>``."""

import functools
import re
from dataclasses import dataclass

from aiohttp import web

from local.kubernetes_api.authorization import Attributes
from local.kubernetes_api.errors import page_not_found
from local.kubernetes_api.requests import is_true
from local.kubernetes_api.resource_table import ResourceTable
from local.kubernetes_api.targets import Target

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch"}
_VERBS["DELETE"] = "delete"
_OF_NAMESPACES = ("status", "finalize")
_ONE_NAME = re.compile(r"(?:^|,)\s*metadata\.name\s*==?\s*([^,\s]+)")


@dataclass(frozen=True)
class Address:
    """A path of a resource, whether or not such a resource is served."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str
    subresource: str
    is_within: bool  # whether the path goes through the namespace to something in it
    is_too_long: bool


@functools.lru_cache(maxsize=1024)
def address_of(path: str) -> Address | None:
    """None for the path of no resource, as ``/version`` and ``/apis/apps/v1``."""
    segments = path.strip("/").split("/")
    if segments[0] == "api" and len(segments) > 2:
        group, version, rest = "", segments[1], segments[2:]
    elif segments[0] == "apis" and len(segments) > 3:
        group, version, rest = segments[1], segments[2], segments[3:]
    else:
        return None
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 1 else ""
    is_within = rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_NAMESPACES
    plural, name, subresource = [*(rest[2:] if is_within else rest), "", ""][:3]
    too_long = len(rest) > (5 if is_within else 3)
    return Address(group, version, namespace, plural, name, subresource, is_within, too_long)


def attributes_of(request: web.Request) -> Attributes:
    """What a request asks for, as authorization sees it."""
    address = address_of(request.path)
    if address is None:
        return Attributes(request.method.lower(), path=request.path)
    verb, name = _VERBS.get(request.method, ""), address.name
    if verb == "get" and is_true(request, "watch"):
        verb = "watch"
    elif verb == "get" and not name:
        verb = "list"
    elif verb == "delete" and not name:
        verb = "deletecollection"
    if not name and verb in ("list", "watch", "deletecollection"):
        found = _ONE_NAME.search(request.query.get("fieldSelector", ""))
        name = found[1] if found else ""
    return Attributes(
        verb, address.group, address.plural, address.subresource, address.namespace, name
    )


def target_of(table: ResourceTable, path: str) -> Target:
    """The resource that a path names; raises 404 where none is served."""
    address = address_of(path)
    if address is None or address.is_too_long:
        raise page_not_found()
    resource = table.find(address.group, address.version, address.plural)
    if resource is None or (address.is_within and not resource.namespaced):
        raise page_not_found()
    if address.subresource and address.subresource not in resource.subresources:
        raise page_not_found()
    namespace = address.namespace if address.is_within else ""
    if resource.namespaced and address.name and not namespace:
        raise page_not_found()
    return Target(resource, namespace, address.name, address.subresource)
