"""What people tell a rollout: pause, resume, promote, abort, approve; and the way back after a promotion."""

from collections.abc import Callable, Sequence

from controlplane.errors import ConflictError, NotFoundError
from controlplane.identifiers import now
from controlplane.reasons import Reason
from controlplane.requests import IdempotentRequest, require_version
from controlplane.serving.model import ActiveRollout, Deployment, Rollout, RolloutState
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.progress import GivenCommand, Progress, take_in
from controlplane.serving.queue import withdraw
from controlplane.serving.records import end_without_beginning, withdrawn_rollout
from controlplane.serving.rollout_events import RolloutCommanded
from controlplane.serving.states import Command, Phase, RolloutKind
from controlplane.serving.wishes import RolloutWish, queue_rollout


def command_rollout(
    tenant_id: str,
    project: str,
    name: str,
    rollout_id: str,
    command: Command,
    actor: str,
    if_match: int | None,
    *,
    deployments: DeploymentRepository,
) -> Rollout:
    """Tell a rollout something; its state machine is woken and sees it at once.

    What is so already, or will be when all that was said is taken in, changes nothing. Raises NotFoundError,
    PreconditionFailedError, ConcurrentChangeError, and ConflictError with a remedy where the rollout's state does not
    allow it.
    """
    deployment, rollout = deployments.find(tenant_id, project, name, rollout_id)
    if deployment is None or rollout is None:
        raise NotFoundError(f"there is no rollout {rollout_id} of deployment {name}")
    require_version(if_match, deployment.version, f"deployment {name}")
    active = deployment.active
    if deployment.waiting is not None and deployment.waiting.rollout_id == rollout_id:
        return _tell_waiting(tenant_id, project, deployment, command, actor, deployments)
    if active is None or active.rollout_id != rollout_id:
        raise ConflictError(
            f"rollout {rollout_id} has ended: {rollout.state}",
            remedy="Look the deployment up for the rollout that runs.",
        )
    known = rollout.progress or Progress()
    pending = tuple(given for given in active.commands if given.number > known.commands)
    if not _CHECKS[command](active, take_in(known, pending), pending):
        return rollout
    number = active.given + 1
    given = GivenCommand(number=number, command=command, actor=actor, at=now())
    told = active.model_copy(update={"given": number, "commands": (*pending, given)})
    event = RolloutCommanded(
        tenant_id=tenant_id,
        project=project,
        deployment=name,
        rollout_id=rollout_id,
        model_version=active.model_version,
        command=command,
        number=number,
    )
    after = deployment.with_changes(active=told)
    deployments.save(tenant_id, project, deployment, after, [], event)
    return rollout


def roll_back_deployment(
    tenant_id: str,
    project: str,
    name: str,
    requested_by: str,
    request: IdempotentRequest | None,
    limit: int,
    *,
    deployments: DeploymentRepository,
) -> Rollout:
    """Go back to the previous revision, which is still warm: a rollout that is neither judged nor held up by gates.

    Raises NotFoundError, IdempotencyKeyReusedError, QuotaExceededError, and ConflictError with a remedy while a
    rollout runs, or when the previous revision is not kept any more, or not for longer.
    """

    def choose(deployment: Deployment) -> int:
        if deployment.active is not None:
            raise ConflictError(
                f"rollout {deployment.active.rollout_id} runs",
                remedy="Abort it: the traffic then goes back to the stable revision.",
            )
        previous = deployment.previous
        if previous is None or previous.retire_at <= now():
            raise ConflictError(
                "the previous revision is not kept any more",
                remedy="Ask for a rollout of the version that you want.",
            )
        return previous.model_version

    wish = RolloutWish(requested_by, choose, RolloutKind.ROLLBACK)
    return queue_rollout(tenant_id, project, name, wish, request, limit, deployments=deployments)


def _tell_waiting(
    tenant_id: str,
    project: str,
    deployment: Deployment,
    command: Command,
    actor: str,
    deployments: DeploymentRepository,
) -> Rollout:
    """A rollout that waits for its turn can be aborted, and nothing else."""
    if command is not Command.ABORT:
        raise ConflictError(
            "the rollout has not begun", remedy="Wait until it runs, or abort it now."
        )
    moment = now()
    reason = Reason(code="Aborted", message=f"{actor} aborted it before it began")
    after, ticket = withdraw(deployment, reason, moment)
    record = withdrawn_rollout(deployment.name, ticket, moment, reason)
    event = end_without_beginning(
        tenant_id, project, deployment, ticket, RolloutState.ABORTED, reason.code
    )
    deployments.save(tenant_id, project, deployment, after, [record], event)
    return record


def _pausing(active: ActiveRollout, told: Progress, pending: Sequence[GivenCommand]) -> bool:
    _refuse_rolling_back(active, pending)
    return not told.paused


def _resuming(_: ActiveRollout, told: Progress, __: Sequence[GivenCommand]) -> bool:
    return told.paused


def _promoting(active: ActiveRollout, told: Progress, pending: Sequence[GivenCommand]) -> bool:
    _refuse_rolling_back(active, pending)
    return active.phase is not Phase.BAKING and not told.by_hand


def _aborting(active: ActiveRollout, _: Progress, pending: Sequence[GivenCommand]) -> bool:
    return active.phase is not Phase.ROLLING_BACK and not _is_aborted(pending)


def _approving(active: ActiveRollout, told: Progress, _: Sequence[GivenCommand]) -> bool:
    if active.phase is not Phase.AWAITING_APPROVAL:
        raise ConflictError(
            f"nothing waits for approval: the rollout is {active.phase}",
            remedy="Promote it to skip what is left of the analysis, or wait until it asks.",
        )
    return not told.approved


def _refuse_rolling_back(active: ActiveRollout, pending: Sequence[GivenCommand]) -> None:
    if active.phase is Phase.ROLLING_BACK or _is_aborted(pending):
        raise ConflictError(
            "the rollout is being rolled back",
            remedy="Ask for a rollout again when it has ended.",
        )


def _is_aborted(pending: Sequence[GivenCommand]) -> bool:
    return any(given.command is Command.ABORT for given in pending)


# Each is given the rollout as it is shown, its progress as it will be, and what is still to be taken in.
_CHECKS: dict[Command, Callable[[ActiveRollout, Progress, Sequence[GivenCommand]], bool]] = {
    Command.PAUSE: _pausing,
    Command.RESUME: _resuming,
    Command.PROMOTE: _promoting,
    Command.ABORT: _aborting,
    Command.APPROVE: _approving,
}
