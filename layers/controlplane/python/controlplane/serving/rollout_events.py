"""What happens to a rollout between its start and its end."""

from controlplane.identifiers import RolloutId
from controlplane.serving.deployment_events import ServingEvent
from controlplane.serving.states import Command


class RunningRolloutEvent(ServingEvent):
    """Something that happened to a rollout on its way."""

    rollout_id: RolloutId
    model_version: int


class RolloutCommanded(RunningRolloutEvent):
    """Somebody told it something; the state machine is woken to see it."""

    command: Command
    number: int


class RolloutStepStarted(RunningRolloutEvent):
    """The canary was given another share of the requests; 100 is all of them."""

    step: int
    percent: int


class RolloutAwaitsApproval(RunningRolloutEvent):
    """It goes on when somebody approves; `reason` is the step's own, or that the verdict is Inconclusive."""

    step: int
    reason: str


class RolloutPaused(RunningRolloutEvent):
    """It is judged on, but goes no further until it is resumed."""


class RolloutResumed(RunningRolloutEvent):
    pass


class RolloutRollingBack(RunningRolloutEvent):
    """All traffic was sent back to the stable revision, and the gateway has not said yet that it does so."""

    reason: str


class RolloutHandedOver(RunningRolloutEvent):
    """Its execution has had as many ticks as its history holds; the next one carries it on."""

    needs_execution: bool = True
    after_failure: bool = False


class RolloutContinued(RunningRolloutEvent):
    """A further execution carries it on."""
