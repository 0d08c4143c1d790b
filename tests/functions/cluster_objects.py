"""Tenants' objects in the embedded cluster: made, taken away, and looked at from outside."""

import itertools
from collections.abc import Iterator

from controlplane.adapters.kubernetes_tenants import KubernetesTenants
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.onboarding.model import ClusterStep
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG
from tests.local.kubernetes_api.running_server import RunningServer

_names = itertools.count(1)


def new_plan() -> TenantPlan:
    """Of a tenant that no other test knows."""
    return TenantPlan(f"plan{next(_names)}", Isolation.SHARED, Limits())


def onboard(tenants: KubernetesTenants, plan: TenantPlan) -> None:
    for step in ClusterStep:
        tenants.apply(step, plan)


def offboard(tenants: KubernetesTenants, plan: TenantPlan) -> None:
    for step in reversed(ClusterStep):
        assert tenants.remove(step, plan)


def revision(tenant_id: str, number: int = 1) -> RevisionSpec:
    version = ServedVersion(model="digits", number=number, uri="s3://m", format="sklearn", files={})
    return RevisionSpec(
        tenant_id, "vision", "digits", f"r-{number:08x}", version, CATALOG["sklearn"]
    )


def everything(server: RunningServer) -> set[str]:
    """Every object in the cluster, asked as the admin, whoever wrote it and however it is labelled."""
    found = set()
    for group in _groups(server):
        for resource in server.call("GET", group).body["resources"]:
            if "/" in resource["name"] or "list" not in resource["verbs"]:
                continue
            listed = server.call("GET", f"{group}/{resource['name']}").body
            for each in listed["items"]:
                metadata = each["metadata"]
                place = metadata.get("namespace", "")
                found.add(f"{resource['kind']}/{place}/{metadata['name']}")
    return found


def _groups(server: RunningServer) -> Iterator[str]:
    yield "/api/v1"
    for group in server.call("GET", "/apis").body["groups"]:
        yield f"/apis/{group['preferredVersion']['groupVersion']}"
