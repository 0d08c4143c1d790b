"""Which way of splitting traffic a rollout goes by, and what that way does not have."""

from collections.abc import Sequence

from controlplane.errors import RolloutFailedError
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import MIRROR, MIRROR_PART, ClusterSurvey, Mechanism
from controlplane.serving.runtimes import ServiceKind
from controlplane.serving.strategy import RolloutPolicy


def choose_mechanism(
    survey: ClusterSurvey, kind: ServiceKind, stable: Mechanism | None, policy: RolloutPolicy
) -> Mechanism:
    """That of the stable revision: another one would leave the traffic that there is where it is.

    Without one the first that the cluster has for this kind of object. Raises RolloutFailedError with the remedy.
    """
    if stable is not None:
        refuse(kind_obstacles(stable, kind))
        if stable not in survey.mechanisms:
            refuse([survey.refusals.get(stable, _NO_MECHANISM)])
        if stable is Mechanism.ROUTE:
            refuse(_gateway_obstacles(policy, survey))
        return stable
    fitting = [mechanism for mechanism in survey.mechanisms if _fits(mechanism, kind)]
    if fitting:
        return fitting[0]
    usual = usual_mechanism(kind)
    if policy.steps:
        refuse([survey.refusals.get(usual, _NO_MECHANISM)])
    return usual


def usual_mechanism(kind: ServiceKind) -> Mechanism:
    """Of a first rollout, where the cluster allows it."""
    return Mechanism.GROUP if kind is ServiceKind.LLM_INFERENCE_SERVICE else Mechanism.ROUTE


def kind_obstacles(stable: Mechanism, kind: ServiceKind) -> list[Reason]:
    """Callers meet one kind of object: nothing splits traffic between two."""
    if _fits(stable, kind):
        return []
    return [
        Reason(
            code="MechanismDiffers",
            message=f"the version is served by an object of the kind {kind}, with which the revision that serves "
            f"cannot share traffic by the mechanism {stable}",
            remedy="Give the new runtime a deployment of its own.",
        )
    ]


def mechanism_obstacles(policy: RolloutPolicy, mechanism: Mechanism) -> list[Reason]:
    """What of the strategy only a route of ours has: said before the canary's pods are brought up for nothing."""
    if mechanism is Mechanism.ROUTE:
        return []
    wanted = {
        "CopiesUnsupported": ("copies of requests", any(s.mirror_percent for s in policy.steps)),
        "ProbesUnsupported": ("probes", any(step.probes for step in policy.steps)),
    }
    return [
        Reason(
            code=code,
            message=f"the strategy needs {what}, which a deployment of the mechanism {mechanism} does not have",
            remedy="Use the strategy Canary, Linear or AllAtOnce, or a cluster with routes of our own.",
        )
        for code, (what, asked) in wanted.items()
        if asked
    ]


def _gateway_obstacles(policy: RolloutPolicy, survey: ClusterSurvey) -> list[Reason]:
    """A filter that the gateway does not know keeps the route from being taken over at all."""
    shares = {step.mirror_percent for step in policy.steps} - {0}
    needed = {MIRROR} if shares else set()
    needed |= {MIRROR_PART} if shares - {100} else set()
    missing = sorted(needed & survey.lacks)
    if not missing:
        return []
    return [
        Reason(
            code="CopiesUnsupported",
            message="the strategy needs copies of requests, and the gateway's class does not have "
            + " and ".join(missing),
            remedy="Use BlueGreen judged on Probes, Canary or Linear, or a gateway with these features.",
        )
    ]


def refuse(obstacles: Sequence[Reason]) -> None:
    """Raises RolloutFailedError of the first, which names the others."""
    if obstacles:
        first, others = obstacles[0], len(obstacles) - 1
        more = f" ({others} more: {', '.join(o.code for o in obstacles[1:])})" if others else ""
        raise RolloutFailedError(
            first.code, first.message + more, remedy=first.remedy or "Ask for a rollout again."
        )


def _fits(mechanism: Mechanism, kind: ServiceKind) -> bool:
    return (mechanism is Mechanism.GROUP) is (kind is ServiceKind.LLM_INFERENCE_SERVICE)


_NO_MECHANISM = Reason(
    code="NoMechanism",
    message="the cluster has nothing that could split traffic",
    remedy="Install a gateway of the Gateway API, or set the strategy AllAtOnce.",
)
