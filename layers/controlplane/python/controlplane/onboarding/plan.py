"""The steps that make a tenant, take it back and end it, and which one comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from controlplane.limits import Isolation
from controlplane.onboarding.model import ClusterStep, Goal, StepState, TenantRecord, Work


class Place(StrEnum):
    """Which rights a step needs, and so which function carries it out."""

    CLUSTER = "Cluster"
    CLOUD = "Cloud"
    DATA = "Data"


SUBSCRIPTION = "subscription"
STORAGE_ACCESS = "storage-access"
SCHEDULES = "schedules"
PEOPLE = "people"
DEPLOYMENTS = "deployments"
EXPORT = "export"
OBJECTS = "objects"
RECORDS = "records"

_CLUSTER = tuple((str(step), Place.CLUSTER) for step in ClusterStep)
# The subscription comes first, so that a change of the tier finds the tenant from then on; the administrator last,
# so that nobody is invited to a tenant that cannot be worked with.
MAKING = (
    (SUBSCRIPTION, Place.CLOUD),
    *_CLUSTER,
    (STORAGE_ACCESS, Place.CLOUD),
    (SCHEDULES, Place.CLOUD),
    (PEOPLE, Place.CLOUD),
)
# What a step left in the table goes at last: the records say what there is to remove.
WITHDRAWING = (*reversed(MAKING), (RECORDS, Place.DATA))
ENDING = (
    (DEPLOYMENTS, Place.DATA),
    *reversed(_CLUSTER),
    (SCHEDULES, Place.CLOUD),
    (STORAGE_ACCESS, Place.CLOUD),
    (EXPORT, Place.DATA),
    (PEOPLE, Place.CLOUD),
    (OBJECTS, Place.DATA),
    (SUBSCRIPTION, Place.CLOUD),
    (RECORDS, Place.DATA),
)


class Direction(StrEnum):
    APPLY = "Apply"
    REMOVE = "Remove"


@dataclass(frozen=True)
class NextStep:
    """What an execution goes on with: `ApplyCluster` to `RemoveData` with the step's name, or how it ends."""

    kind: str
    name: str = ""
    wait_seconds: int = 0


FINISH = NextStep("Finish")
NOTHING = NextStep("Nothing")


def wait(seconds: int) -> NextStep:
    return NextStep("Wait", wait_seconds=seconds)


def next_step(tenant: TenantRecord, work: Work) -> NextStep:
    """The first step that is not over."""
    direction = Direction.APPLY if work.goal is Goal.PROVISION else Direction.REMOVE
    for name, place in _left(tenant, work):
        return NextStep(f"{direction}{place}", name)
    return FINISH


def is_over(work: Work, name: str) -> bool:
    """Whether nothing is left to do of a step, for the goal that the work has now."""
    record = work.step(name)
    state = record.state if record else None
    if work.goal is Goal.PROVISION:
        return state in (StepState.DONE, StepState.SKIPPED)
    if work.goal is Goal.WITHDRAW and name != RECORDS:
        return state in (None, StepState.SKIPPED, StepState.REMOVED)
    return state is StepState.REMOVED


def _left(tenant: TenantRecord, work: Work) -> Iterator[tuple[str, Place]]:
    plans = {Goal.PROVISION: MAKING, Goal.WITHDRAW: WITHDRAWING, Goal.OFFBOARD: ENDING}
    shared = tenant.isolation is not Isolation.DEDICATED
    for name, place in plans[work.goal]:
        # Nodes of its own are made for a dedicated tenant alone, and removed in any case.
        if work.goal is Goal.PROVISION and name == ClusterStep.NODES and shared:
            continue
        if not is_over(work, name):
            yield name, place
