"""Refusals for the audit trail: counted in the container, and written now and then."""

from functools import cache

from controlplane.auditing.denials import DenialCounter, DenialKey
from controlplane.identifiers import now
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring.auditing import denial_log


def note_denial(tenant_id: str, actor: str, action: str, resource: str) -> None:
    """Count that an actor was refused an action on a resource, and write it down if it is time to.

    `tenant_id` is the caller's own, from verified claims, or `platform`; `action` the operation's id; `resource` a path
    such as `projects/vision`. Nothing that goes wrong here reaches the request: the refusal is its answer either way.
    """
    denied = _counter().note(DenialKey(tenant_id, actor, action), resource, now())
    if denied is None:
        return
    try:
        denial_log(tenant_id=denied.tenant_id).write(denied)
    except Exception:  # noqa: BLE001 - whatever it is, the caller is to learn of the refusal alone
        logger.warning("a refusal was not recorded", extra={"count": denied.count}, exc_info=True)


@cache
def _counter() -> DenialCounter:
    return DenialCounter()
