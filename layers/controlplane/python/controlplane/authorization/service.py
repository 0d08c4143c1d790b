"""Who may do what."""

from controlplane.authorization.decision import (
    ADMINISTRATORS,
    NOT_PERMITTED,
    RESTRICTED,
    UNDECIDABLE,
    Decision,
    Request,
    Restrictions,
)
from controlplane.authorization.ports import PolicyEngine
from controlplane.errors import PolicyDeniedError

_SAID: dict[str, tuple[str, str]] = {
    NOT_PERMITTED: (
        "no policy permits you {action}",
        "Ask an administrator of your tenant for a role or a key that may.",
    ),
    RESTRICTED: (
        "a policy of your tenant forbids you {action}",
        "Ask an administrator of your tenant; GET /api/v1/policies shows the policies.",
    ),
    UNDECIDABLE: (
        "the policies could not decide about {action}",
        "Try again; if it happens again, report the X-Correlation-Id of this answer.",
    ),
}


def authorize(
    request: Request, restrictions: Restrictions | None, *, engine: PolicyEngine
) -> Decision:
    """The decision that permits it. Raises PolicyDeniedError, with the deciding policies for administrators alone."""
    decision = engine.decide(request, restrictions)
    if decision.allowed:
        return decision
    told, remedy = _SAID.get(decision.reason, ("a policy forbids you {action}", ""))
    is_administrator = not ADMINISTRATORS.isdisjoint(request.caller.roles)
    raise PolicyDeniedError(
        told.format(action=request.action),
        reason=decision.reason,
        policies=decision.policies if is_administrator else (),
        remedy=decision.remedy or remedy or None,
        errors=decision.errors,
    )
