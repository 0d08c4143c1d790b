"""Everything of a tenant in the cluster, made and removed step by step."""

from typing import Any

from controlplane.adapters.kserve_manifests import STOP, SUSPENDED, SUSPENSION
from controlplane.adapters.kserve_predictors import placing
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.tenant_access import access
from controlplane.adapters.tenant_namespaces import SERVING_STOPPED, namespaces
from controlplane.adapters.tenant_network import DEFAULT_DENY, Openings, network
from controlplane.adapters.tenant_nodes import node_pool
from controlplane.adapters.tenant_objects import (
    KINDS,
    TENANT,
    Manifest,
    collection_path,
    object_path,
    tenant_labels,
)
from controlplane.adapters.tenant_queues import queues
from controlplane.adapters.tenant_quotas import quotas
from controlplane.identifiers import runs_namespace, serving_namespace
from controlplane.limits import Isolation, TenantPlan
from controlplane.onboarding.model import ClusterStep

# The kinds that a step makes, in the order in which they go.
KINDS_OF = {
    ClusterStep.NAMESPACES: ("Namespace",),
    ClusterStep.ACCESS: ("RoleBinding", "ServiceAccount"),
    ClusterStep.NETWORK: ("NetworkPolicy",),
    ClusterStep.QUOTAS: ("LimitRange", "ResourceQuota"),
    ClusterStep.QUEUES: ("LocalQueue", "ClusterQueue", "ResourceFlavor"),
    ClusterStep.NODES: ("NodePool",),
}


class KubernetesTenants:
    """The tenants' places in the cluster. Needs the rights of the account `headrace-onboarding`.

    Everything may be repeated. Raises ClusterUnavailableError, ClusterRefusedError.
    """

    def __init__(self, api: KubernetesApi, openings: Openings) -> None:
        self._api = api
        self._openings = openings

    def apply(self, step: ClusterStep, plan: TenantPlan) -> None:
        """Make the cluster hold what the step makes of this plan, and nothing that it made of an earlier one."""
        wanted = self._wanted(step, plan)
        for manifest in wanted:
            self._api.apply(object_path(manifest), manifest)
        if step is ClusterStep.NAMESPACES:
            return  # there are always the same two, and with one would go all that is in it
        kept = {object_path(manifest) for manifest in wanted}
        for manifest in self._present(step, plan.tenant_id):
            if object_path(manifest) not in kept:
                self._api.delete(object_path(manifest))

    def remove(self, step: ClusterStep, plan: TenantPlan) -> bool:
        """Remove what the step made, whatever the plan was then. False while something still goes: call again."""
        for manifest in self._present(step, plan.tenant_id):
            self._api.delete(object_path(manifest))
        return not self._present(step, plan.tenant_id)

    def apply_limits(self, plan: TenantPlan) -> None:
        """Bring a tenant to other limits, or from shared nodes to its own and back.

        Its nodes come before the models that move to them and go after those that leave. A tenant that has no
        namespace, or whose namespace goes, stays as it is.
        """
        if not self._has_namespace(plan.tenant_id):
            return
        steps = [ClusterStep.NAMESPACES, ClusterStep.QUOTAS, ClusterStep.QUEUES]
        if plan.isolation is Isolation.DEDICATED:
            steps.insert(0, ClusterStep.NODES)
        for step in steps:
            self.apply(step, plan)
        self._move_models(plan)
        if plan.isolation is Isolation.SHARED:
            self.apply(ClusterStep.NODES, plan)

    def stop_serving(self, tenant_id: str) -> None:
        """Stop every model of a tenant, and those that are yet to come, keeping what they are."""
        if not self._has_namespace(tenant_id):
            return
        self._annotate_namespace(tenant_id, {SERVING_STOPPED: "true"})
        for service in self._models(tenant_id):
            if _annotations(service).get(STOP) != "true":
                self._change_model(service, {"metadata": {"annotations": SUSPENSION}})

    def resume_serving(self, tenant_id: str) -> None:
        """Start what `stop_serving` has stopped; what somebody stopped otherwise stays so."""
        if not self._has_namespace(tenant_id):
            return
        self._annotate_namespace(tenant_id, {SERVING_STOPPED: None})
        for service in self._models(tenant_id):
            if SUSPENDED in _annotations(service):
                change = {STOP: None, SUSPENDED: None}
                self._change_model(service, {"metadata": {"annotations": change}})

    def enumerate(self, tenant_id: str) -> list[str]:
        """Every object of a tenant that Headrace has written, as `kind/namespace/name`, sorted.

        The namespace is empty for what lies in none. Asked by name and by namespace, never across the cluster, so
        that it costs the same however many tenants there are.
        """
        found = [each for kind in KINDS for each in self._present_of(kind, tenant_id)]
        return sorted(
            f"{each['kind']}/{each['metadata'].get('namespace', '')}/{each['metadata']['name']}"
            for each in found
        )

    def _wanted(self, step: ClusterStep, plan: TenantPlan) -> list[Manifest]:
        match step:
            case ClusterStep.NAMESPACES:
                return namespaces(plan)
            case ClusterStep.ACCESS:
                return access(plan.tenant_id)
            case ClusterStep.NETWORK:
                return network(plan.tenant_id, self._openings)
            case ClusterStep.QUOTAS:
                return quotas(plan)
            case ClusterStep.QUEUES:
                return queues(plan)
            case ClusterStep.NODES:
                return [node_pool(plan)] if plan.isolation is Isolation.DEDICATED else []

    def _present(self, step: ClusterStep, tenant_id: str) -> list[Manifest]:
        found = [each for kind in KINDS_OF[step] for each in self._present_of(kind, tenant_id)]
        # Openings close before the policy goes that denies everything else.
        return sorted(found, key=lambda each: each["metadata"]["name"] == DEFAULT_DENY)

    def _present_of(self, kind: str, tenant_id: str) -> list[Manifest]:
        serving, runs = serving_namespace(tenant_id), runs_namespace(tenant_id)
        if KINDS[kind].namespaced:
            labels = tenant_labels(tenant_id)
            found = [
                each
                for namespace in (serving, runs)
                for each in self._api.list(collection_path(kind, namespace), labels)
            ]
        else:
            names = (serving, runs) if kind == "Namespace" else (serving,)
            looked_up = [self._api.find(f"{collection_path(kind)}/{name}") for name in names]
            found = [each for each in looked_up if each and _belongs_to(each, tenant_id)]
        return [each | {"kind": kind} for each in found]

    def _has_namespace(self, tenant_id: str) -> bool:
        found = self._api.find(_namespace_path(tenant_id))
        return found is not None and "deletionTimestamp" not in found["metadata"]

    def _annotate_namespace(self, tenant_id: str, annotations: dict[str, str | None]) -> None:
        self._api.merge(_namespace_path(tenant_id), {"metadata": {"annotations": annotations}})

    def _move_models(self, plan: TenantPlan) -> None:
        """Only where they run by their tenant's tier: what a GPU asks of a node stays."""
        dedicated = plan.isolation is Isolation.DEDICATED
        for service in self._models(plan.tenant_id):
            field = "predictor" if service["kind"] == "InferenceService" else "template"
            pods = service["spec"].get(field) or {}
            change = placing(pods, plan.tenant_id, dedicated=dedicated)
            if change:
                self._change_model(service, {"spec": {field: change}})

    def _models(self, tenant_id: str) -> list[Manifest]:
        api, namespace = self._api.as_deployer(tenant_id), serving_namespace(tenant_id)
        return [
            each | {"kind": kind}
            for kind in ("InferenceService", "LLMInferenceService")
            for each in api.list(collection_path(kind, namespace), tenant_labels(tenant_id))
        ]

    def _change_model(self, service: Manifest, change: Manifest) -> None:
        tenant_id = service["metadata"]["labels"][TENANT]
        self._api.as_deployer(tenant_id).merge(object_path(service), change)


def _namespace_path(tenant_id: str) -> str:
    return f"{collection_path('Namespace')}/{serving_namespace(tenant_id)}"


def _annotations(manifest: Manifest) -> dict[str, Any]:
    annotations: dict[str, Any] = manifest["metadata"].get("annotations") or {}
    return annotations


def _belongs_to(manifest: Manifest, tenant_id: str) -> bool:
    """Whether Headrace wrote it for this tenant: a name alone may be somebody else's."""
    labels = manifest["metadata"].get("labels") or {}
    return tenant_labels(tenant_id).items() <= labels.items()
