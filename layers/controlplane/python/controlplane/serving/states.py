"""The words for where a rollout stands, and for what splits its traffic."""

from enum import StrEnum


class RolloutState(StrEnum):
    """Promoted and what follows are ends. RolledBack is no success, and no fault of the platform either."""

    WAITING = "Waiting"
    RUNNING = "Running"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"


class RolloutKind(StrEnum):
    """ROLLBACK returns to the previous revision: it is not judged and, while that is warm, held up by no gate."""

    ROLLOUT = "Rollout"
    ROLLBACK = "Rollback"


class Phase(StrEnum):
    """PREPARING: no traffic yet. STEPPING: a step is watched. BAKING: at 100 %. ROLLING_BACK: until it is confirmed."""

    PREPARING = "Preparing"
    STEPPING = "Stepping"
    AWAITING_APPROVAL = "AwaitingApproval"
    BAKING = "Baking"
    ROLLING_BACK = "RollingBack"


class Command(StrEnum):
    """What people tell a rollout that runs."""

    PAUSE = "Pause"
    RESUME = "Resume"
    PROMOTE = "Promote"
    ABORT = "Abort"
    APPROVE = "Approve"


class Mechanism(StrEnum):
    """What splits the traffic of a deployment.

    ROUTE: revisions behind our own HTTPRoute. KNATIVE: `canaryTrafficPercent`. SPEC_CANARY: KServe's own
    `spec.canary`. GROUP: LLMInferenceServices of one routing group.
    """

    ROUTE = "Route"
    KNATIVE = "Knative"
    SPEC_CANARY = "SpecCanary"
    GROUP = "Group"


# Mechanisms that keep all revisions of a deployment in one object: promotion replaces the revision before.
ONE_OBJECT = frozenset({Mechanism.KNATIVE, Mechanism.SPEC_CANARY})
