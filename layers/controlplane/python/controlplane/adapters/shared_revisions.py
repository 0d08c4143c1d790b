"""Revisions that live in one InferenceService: those that Knative or `spec.canary` splits.

Nothing of a revision is there to be deleted apart from the others; what is deleted is the deployment's object.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.cluster_paths import service_path
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.kubernetes_revisions import (
    delete_marked,
    find_mark,
    set_stopped,
)
from controlplane.errors import ClusterRefusedError
from controlplane.identifiers import route_name
from controlplane.serving.cluster_ports import ClusterChange

VERSION = "headrace.dev/version"
Object = Mapping[str, Any]


class _SharedRevisions(ABC):
    """A RevisionStore; a revision's name is its object's with `--v<version>` behind it."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        return find_mark(self._api.as_deployer(tenant_id), _path(tenant_id, name))

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        delete_marked(self._api.as_deployer(tenant_id), _path(tenant_id, name), mark)

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        name = route_name(project, deployment)
        service = self._api.as_deployer(tenant_id).find(service_path(tenant_id, name))
        return None if service is None else self._weights(name, service)

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> Sequence[ClusterChange]:
        """All traffic to one revision; another split is a rollout's."""
        name = route_name(project, deployment)
        path = service_path(tenant_id, name)
        api = self._api.as_deployer(tenant_id)
        service = api.find(path)
        (wanted,) = [revision for revision, weight in weights.items() if weight]
        if service is None or self._weights(name, service).get(wanted) == 100:
            return ()
        change = ClusterChange("merge-patch", path, {"spec": self._all_to(wanted, service)})
        api.merge(path, change.body)
        return (change,)

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        path = service_path(tenant_id, route_name(project, deployment))
        self._api.as_deployer(tenant_id).delete(path)

    def set_stopped(self, tenant_id: str, names: Sequence[str], *, stopped: bool) -> None:
        api = self._api.as_deployer(tenant_id)
        paths = sorted({_path(tenant_id, name) for name in names})
        set_stopped(api, tenant_id, paths, stopped=stopped)

    @abstractmethod
    def _weights(self, name: str, service: Object) -> dict[str, int]:
        """What the object asks for, by revision name; those of which it does not know the name are left out."""

    @abstractmethod
    def _all_to(self, revision: str, service: Object) -> dict[str, Any]:
        """The change of `spec` that gives a revision everything."""


class KnativeRevisions(_SharedRevisions):
    def _weights(self, name: str, service: Object) -> dict[str, int]:
        percent = service["spec"]["predictor"].get("canaryTrafficPercent")
        newest = f"{name}--v{(service['metadata'].get('labels') or {}).get(VERSION)}"
        return {newest: 100 if percent is None else int(percent)}

    def _all_to(self, revision: str, service: Object) -> dict[str, Any]:
        """The newest by no percentage, the one before by 0."""
        newest = f"v{(service['metadata'].get('labels') or {}).get(VERSION)}"
        percent = None if revision.endswith(f"--{newest}") else 0
        return {"predictor": {"canaryTrafficPercent": percent}}


class SpecCanaryRevisions(_SharedRevisions):
    def _weights(self, name: str, service: Object) -> dict[str, int]:
        canaries = {
            f"{name}--{entry['predictor']['name']}": int(entry["trafficPercent"])
            for entry in service["spec"].get("canary") or []
        }
        own = f"{name}--{service['spec']['predictor'].get('name')}"
        return {own: 100 - sum(canaries.values())} | canaries

    def _all_to(self, revision: str, service: Object) -> dict[str, Any]:
        """The predictor's own by no canaries. A revision that a promotion has replaced is not there any more."""
        if not revision.endswith(f"--{service['spec']['predictor'].get('name')}"):
            raise ClusterRefusedError(
                f"{revision} was replaced by a promotion and is not in the cluster any more",
                remedy="Roll its version out again.",
            )
        return {"canary": []}


def _path(tenant_id: str, revision: str) -> str:
    return service_path(tenant_id, revision.rpartition("--")[0])
