"""Where revisions are kept, for each way of splitting traffic."""

from collections.abc import Callable

from controlplane.adapters.group_revisions import GroupRevisions
from controlplane.adapters.kserve_routes import Gateway
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.kubernetes_revisions import KubernetesRevisions
from controlplane.adapters.shared_revisions import KnativeRevisions, SpecCanaryRevisions
from controlplane.serving.cluster_ports import Mechanism, RevisionStore

_STORES: dict[Mechanism, Callable[[KubernetesApi], RevisionStore]] = {
    Mechanism.KNATIVE: KnativeRevisions,
    Mechanism.SPEC_CANARY: SpecCanaryRevisions,
    Mechanism.GROUP: GroupRevisions,
}


def store_of(mechanism: Mechanism, api: KubernetesApi, gateway: Gateway) -> RevisionStore:
    if mechanism is Mechanism.ROUTE:
        return KubernetesRevisions(api, gateway)
    return _STORES[mechanism](api)
