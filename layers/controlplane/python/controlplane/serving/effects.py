"""What a decision does to the cluster, one effect after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from controlplane.serving.cluster_ports import ClusterChange, RolloutCluster, Traffic, Transition


class EffectKind(StrEnum):
    SHIFT = "Shift"
    PROMOTE = "Promote"
    ROLL_BACK = "RollBack"
    RESIZE = "Resize"


@dataclass(frozen=True)
class Effect:
    """`traffic` of a shift, `replicas` of a resized stable revision."""

    kind: EffectKind
    traffic: Traffic | None = None
    replicas: int = 0


def carry_out(
    effects: Sequence[Effect], transition: Transition, cluster: RolloutCluster
) -> list[ClusterChange]:
    """Do them in their order; what was written. Raises ClusterUnavailableError, ClusterRefusedError."""
    calls: dict[EffectKind, Callable[[Effect], Sequence[ClusterChange]]] = {
        EffectKind.SHIFT: lambda effect: cluster.shift(transition, effect.traffic or Traffic(0)),
        EffectKind.PROMOTE: lambda _: cluster.promote(transition),
        EffectKind.ROLL_BACK: lambda _: cluster.roll_back(transition),
        EffectKind.RESIZE: lambda effect: cluster.resize_stable(transition, effect.replicas),
    }
    return [change for effect in effects for change in calls[effect.kind](effect)]
