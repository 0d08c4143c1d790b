"""What a tenant's administrators can do with its own policies, which can only take away."""

from controlplane.authorization.model import (
    MAX_POLICIES,
    MAX_TOTAL_BYTES,
    Policy,
    PolicyBook,
    PolicyChange,
    PolicyChanged,
    PolicyCreated,
    PolicyDeleted,
    PolicyRequest,
)
from controlplane.authorization.ports import PolicyChecker, PolicyRepository
from controlplane.errors import (
    InvalidPolicyError,
    InvalidRequestError,
    LimitExceededError,
)
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest, require_version

# POST /policies/validate is no policy.
RESERVED_NAME = "validate"


def create_policy(
    tenant_id: str,
    wanted: PolicyRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    policies: PolicyRepository,
    checker: PolicyChecker,
) -> Policy:
    """A policy that the tenant's requests are held to within seconds.

    Raises InvalidRequestError for a reserved name, InvalidPolicyError, LimitExceededError, and what the repository's
    `add` raises.
    """
    if wanted.name == RESERVED_NAME:
        raise InvalidRequestError(
            f"no policy may be called {RESERVED_NAME}", remedy="Choose another name."
        )
    _require_acceptable(tenant_id, wanted.text, checker)
    book = policies.book(tenant_id)
    policy = Policy(**wanted.model_dump(), created_at=now(), created_by=created_by)
    following = book.with_policy(policy)
    if wanted.name not in book.sizes:  # one that exists is refused, or answered again, by the write
        _require_room(following)
    event = PolicyCreated(
        tenant_id=tenant_id, policy=policy.name, created_by=created_by, enabled=policy.enabled
    )
    return policies.add(tenant_id, policy, following, event, request)


def change_policy(
    tenant_id: str,
    name: str,
    change: PolicyChange,
    changed_by: str,
    if_match: int | None,
    *,
    policies: PolicyRepository,
    checker: PolicyChecker,
) -> Policy:
    """Raises NotFoundError, PreconditionFailedError, InvalidPolicyError, LimitExceededError."""
    if change.text is not None:
        _require_acceptable(tenant_id, change.text, checker)
    policy, book = policies.get_with_book(tenant_id, name)
    require_version(if_match, policy.version, f"policy {policy.name}")
    given = change.model_dump(exclude_none=True)
    changed = policy.model_copy(update=given | {"version": policy.version + 1})
    following = book.with_policy(changed)
    _require_room(following)
    event = PolicyChanged(
        tenant_id=tenant_id, policy=name, changed_by=changed_by, enabled=changed.enabled
    )
    policies.replace(tenant_id, changed, following, event)
    return changed


def delete_policy(
    tenant_id: str,
    name: str,
    deleted_by: str,
    if_match: int | None,
    *,
    policies: PolicyRepository,
) -> None:
    """Raises NotFoundError, PreconditionFailedError."""
    policy, book = policies.get_with_book(tenant_id, name)
    require_version(if_match, policy.version, f"policy {policy.name}")
    event = PolicyDeleted(tenant_id=tenant_id, policy=name, deleted_by=deleted_by)
    policies.remove(tenant_id, policy, book.without(name), event)


def _require_acceptable(tenant_id: str, text: str, checker: PolicyChecker) -> None:
    faults = checker.faults(tenant_id, text)
    if faults:
        raise InvalidPolicyError(
            "; ".join(str(fault) for fault in faults),
            faults=tuple(str(fault) for fault in faults),
            remedy="Correct the text; POST /api/v1/policies/validate checks it without storing it.",
        )


def _require_room(book: PolicyBook) -> None:
    if len(book.sizes) > MAX_POLICIES:
        raise LimitExceededError(
            f"a tenant may have {MAX_POLICIES} policies", remedy="Delete one, or join two."
        )
    total = sum(book.sizes.values())
    if total > MAX_TOTAL_BYTES:
        raise LimitExceededError(
            f"the policies of a tenant may have {MAX_TOTAL_BYTES} bytes, with this one they have {total}",
            remedy="Shorten or delete one.",
        )
