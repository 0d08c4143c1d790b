"""Revisions that are LLMInferenceServices of one routing group."""

from collections.abc import Mapping, Sequence

from controlplane.adapters.cluster_paths import llm_path
from controlplane.adapters.kserve_manifests import deployment_labels
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.kubernetes_revisions import delete_marked, find_mark, set_stopped
from controlplane.adapters.rollout_group import STABLE_WEIGHT
from controlplane.adapters.tenant_objects import collection_path
from controlplane.identifiers import serving_namespace
from controlplane.serving.cluster_ports import ClusterChange


class GroupRevisions:
    """A RevisionStore. The group's route is KServe's, and goes with its last member."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        return find_mark(self._api.as_deployer(tenant_id), llm_path(tenant_id, name))

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        delete_marked(self._api.as_deployer(tenant_id), llm_path(tenant_id, name), mark)

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        path = collection_path("LLMInferenceService", serving_namespace(tenant_id))
        labels = deployment_labels(tenant_id, project, deployment)
        members = self._api.as_deployer(tenant_id).list(path, labels)
        return {
            str(member["metadata"]["name"]): int(member["spec"]["router"]["route"]["weight"])
            for member in members
        } or None

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> Sequence[ClusterChange]:
        """Those that get something before those that lose it, so that at no time nobody has any."""
        api = self._api.as_deployer(tenant_id)
        members = self.find_weights(tenant_id, project, deployment) or {}
        wanted = {name: STABLE_WEIGHT * weights.get(name, 0) // 100 for name in members}
        changes = []
        for name in sorted(wanted, key=lambda each: -wanted[each]):
            body = {"spec": {"router": {"route": {"weight": wanted[name]}}}}
            changes.append(ClusterChange("merge-patch", llm_path(tenant_id, name), body))
            api.merge(changes[-1].path, body)
        return changes

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        """There is none of our own."""

    def set_stopped(self, tenant_id: str, names: Sequence[str], *, stopped: bool) -> None:
        api = self._api.as_deployer(tenant_id)
        set_stopped(api, tenant_id, [llm_path(tenant_id, name) for name in names], stopped=stopped)
