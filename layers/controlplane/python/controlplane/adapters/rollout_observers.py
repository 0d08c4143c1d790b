"""Who reads the cluster's objects, for each way of splitting traffic."""

from collections.abc import Mapping

from controlplane.adapters.kserve_routes import Gateway
from controlplane.adapters.kubernetes_rollouts import Observer
from controlplane.adapters.rollout_group_observer import GroupObserver
from controlplane.adapters.rollout_knative_observer import KnativeObserver
from controlplane.adapters.rollout_route_observer import RouteObserver
from controlplane.adapters.rollout_spec_canary_observer import SpecCanaryObserver
from controlplane.serving.cluster_ports import Mechanism


def observers(gateway: Gateway) -> Mapping[Mechanism, Observer]:
    return {
        Mechanism.ROUTE: RouteObserver(gateway),
        Mechanism.KNATIVE: KnativeObserver(),
        Mechanism.SPEC_CANARY: SpecCanaryObserver(),
        Mechanism.GROUP: GroupObserver(),
    }
