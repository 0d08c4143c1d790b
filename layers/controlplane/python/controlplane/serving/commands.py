"""What people tell a rollout: pause, resume, promote, abort, approve; and the way back after a promotion."""

from collections.abc import Callable

from controlplane.errors import ConflictError, NotFoundError
from controlplane.identifiers import now
from controlplane.reasons import Reason
from controlplane.requests import IdempotentRequest, require_version
from controlplane.serving.model import ActiveRollout, Deployment, Rollout, RolloutState
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.progress import GivenCommand
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

    What is so already changes nothing. Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError, and
    ConflictError with a remedy where the rollout's state does not allow it.
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
    if not _CHECKS[command](active):
        return rollout
    number = active.given + 1
    given = GivenCommand(number=number, command=command, actor=actor, at=now())
    told = active.model_copy(update={"given": number, "commands": (*active.commands, given)})
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
    rollout runs, or when the previous revision is not kept any more.
    """

    def choose(deployment: Deployment) -> int:
        if deployment.active is not None:
            raise ConflictError(
                f"rollout {deployment.active.rollout_id} runs",
                remedy="Abort it: the traffic then goes back to the stable revision.",
            )
        previous = deployment.previous
        if previous is None:
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


def _pausing(active: ActiveRollout) -> bool:
    _refuse_rolling_back(active)
    return not _is_paused(active)


def _resuming(active: ActiveRollout) -> bool:
    return _is_paused(active)


def _promoting(active: ActiveRollout) -> bool:
    _refuse_rolling_back(active)
    return active.phase is not Phase.BAKING and not _is_given(active, Command.PROMOTE)


def _aborting(active: ActiveRollout) -> bool:
    return active.phase is not Phase.ROLLING_BACK and not _is_given(active, Command.ABORT)


def _approving(active: ActiveRollout) -> bool:
    if active.phase is not Phase.AWAITING_APPROVAL:
        raise ConflictError(
            f"nothing waits for approval: the rollout is {active.phase}",
            remedy="Promote it to skip what is left of the analysis, or wait until it asks.",
        )
    return not _is_given(active, Command.APPROVE)


def _refuse_rolling_back(active: ActiveRollout) -> None:
    if active.phase is Phase.ROLLING_BACK or _is_given(active, Command.ABORT):
        raise ConflictError(
            "the rollout is being rolled back",
            remedy="Ask for a rollout again when it has ended.",
        )


def _is_paused(active: ActiveRollout) -> bool:
    """As it will be when all that was said is taken in."""
    paused = active.paused
    for given in active.commands:
        if given.command in (Command.PAUSE, Command.RESUME, Command.PROMOTE):
            paused = given.command is Command.PAUSE
    return paused


def _is_given(active: ActiveRollout, command: Command) -> bool:
    return any(given.command is command for given in active.commands)


_CHECKS: dict[Command, Callable[[ActiveRollout], bool]] = {
    Command.PAUSE: _pausing,
    Command.RESUME: _resuming,
    Command.PROMOTE: _promoting,
    Command.ABORT: _aborting,
    Command.APPROVE: _approving,
}
