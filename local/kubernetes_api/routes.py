"""From a path to a target: ``/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>/<subresource>``."""

from local.kubernetes_api.errors import page_not_found
from local.kubernetes_api.operations import Target
from local.kubernetes_api.resource_table import ResourceTable


def target_of(table: ResourceTable, segments: list[str]) -> Target:
    """The resource that a path names; raises 404 where none is served."""
    if segments[0] == "api":
        group, version, rest = "", segments[1], segments[2:]
    else:
        group, version, rest = segments[1], segments[2], segments[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = table.find(group, version, rest[0])
    if resource is None or (namespace and not resource.namespaced) or len(rest) > 3:
        raise page_not_found()
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        raise page_not_found()
    if resource.namespaced and name and not namespace:
        raise page_not_found()
    return Target(resource, namespace, name, subresource)
