"""Which compiler writes a rollout down. Nothing here needs a cluster or its client: plans are made of it too."""

from collections.abc import Callable, Sequence

from controlplane.adapters.rollout_changes import Surroundings
from controlplane.adapters.rollout_group import GroupCompiler
from controlplane.adapters.rollout_knative import KnativeCompiler
from controlplane.adapters.rollout_route import RouteCompiler
from controlplane.adapters.rollout_spec_canary import SpecCanaryCompiler
from controlplane.serving.cluster_ports import (
    ClusterChange,
    Mechanism,
    RolloutCompiler,
    Traffic,
    Transition,
)

_COMPILERS: dict[Mechanism, Callable[[Surroundings], RolloutCompiler]] = {
    Mechanism.ROUTE: RouteCompiler,
    Mechanism.KNATIVE: KnativeCompiler,
    Mechanism.SPEC_CANARY: SpecCanaryCompiler,
    Mechanism.GROUP: GroupCompiler,
}


def compiler_of(mechanism: Mechanism, around: Surroundings) -> RolloutCompiler:
    return _COMPILERS[mechanism](around)


class PlannedRollouts:
    """A RolloutCompiler for every mechanism, on a cluster of which nothing is known but the Gateway's name.

    What is read from the cluster at the time is left out: nodes of a tenant's own, and sizes that are held up.
    """

    def __init__(self, gateway: tuple[str, str]) -> None:
        self._around = Surroundings(gateway)

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        return self._compiler(transition).prepare(transition)

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        return self._compiler(transition).shift(transition, traffic)

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        return self._compiler(transition).promote(transition)

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        return self._compiler(transition).roll_back(transition)

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        return self._compiler(transition).resize_stable(transition, replicas)

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        return self._compiler(transition).finish(transition, promoted=promoted)

    def _compiler(self, transition: Transition) -> RolloutCompiler:
        return compiler_of(transition.mechanism, self._around)
