"""Failures that Headrace expects and names.

`code` is the stable word that clients match on, `remedy` the sentence that tells a person what to do next.
State machines match the class name, because Lambda reports it as the error's type. The HTTP status of each
class is decided in one place, `runtime.http`.
"""

import json
from typing import ClassVar


class HeadraceError(Exception):
    """Base of every failure that is no bug."""

    code: ClassVar[str] = "headrace_error"

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class NotFoundError(HeadraceError):
    """It does not exist, or belongs to another tenant: the answer is the same."""

    code = "not_found"


class ConflictError(HeadraceError):
    """The state of the resource does not allow this now."""

    code = "conflict"


class AlreadyExistsError(ConflictError):
    code = "already_exists"


class InUseError(ConflictError):
    """It cannot go while something else depends on it."""

    code = "in_use"


class ImmutableError(ConflictError):
    """It is evidence that was set before: nobody can change it afterwards."""

    code = "immutable"


class LastAdministratorError(ConflictError):
    """The tenant would be left without an enabled administrator."""

    code = "last_administrator"


class SecretShownError(ConflictError):
    """The first answer to this request held a secret, which is kept nowhere and so cannot be repeated."""

    code = "secret_shown_once"


class RequestInFlightError(ConflictError):
    """The first request with this Idempotency-Key has not finished."""

    code = "request_in_flight"


class ConcurrentChangeError(ConflictError):
    """Somebody else changed the item between our read and our write; the same call may work now."""

    code = "concurrent_change"


class PreconditionFailedError(HeadraceError):
    """`If-Match` names another state of the resource than the present one."""

    code = "precondition_failed"


class InvalidRequestError(HeadraceError):
    code = "invalid_request"


class IdempotencyKeyReusedError(InvalidRequestError):
    """The same Idempotency-Key came with another body."""

    code = "idempotency_key_reused"


class InvalidPolicyError(InvalidRequestError):
    """A policy that is not accepted; `faults` say what is wrong with it, and where."""

    code = "invalid_policy"

    def __init__(
        self, message: str, *, faults: tuple[str, ...] = (), remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.faults = faults


class LimitExceededError(HeadraceError):
    """A limit of the tenant's tier."""

    code = "limit_exceeded"


class QuotaExceededError(LimitExceededError):
    """A tenant has no room left in one of its quotas; the message names limit, use and what was asked for."""

    code = "quota_exceeded"


class UnauthenticatedError(HeadraceError):
    code = "unauthenticated"


class ForbiddenError(HeadraceError):
    code = "forbidden"


class MfaRequiredError(ForbiddenError):
    """The tenant asks for a second factor, and the user has set up none."""

    code = "mfa_required"


class PolicyDeniedError(ForbiddenError):
    """A policy forbids it, or none permits it.

    `reason` is the stable word for why. `policies` are the ids of those that decided, for administrators alone; empty
    when none permits. `errors` are why the policies could not be asked, for the log.
    """

    code = "policy_denied"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "not_permitted",
        policies: tuple[str, ...] = (),
        remedy: str | None = None,
        errors: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason
        self.policies = policies
        self.errors = errors


class ThrottledError(HeadraceError):
    """A service behind us asks us to slow down."""

    code = "throttled"


class UnavailableError(HeadraceError):
    """A service behind us did not answer; the same call may work later."""

    code = "unavailable"


class ClusterUnavailableError(UnavailableError):
    """The cluster's API did not answer."""

    code = "cluster_unavailable"


class ClusterRefusedError(HeadraceError):
    """The cluster's API understood and refused: quota, admission policy, rights or an invalid object."""

    code = "cluster_refused"


class MetricsUnavailableError(UnavailableError):
    """The source of a rollout's metrics did not answer, or not in a form that can be read."""

    code = "metrics_unavailable"


class UploadRejectedError(HeadraceError):
    """An upload that can never become a version; `code` says why."""

    code = "upload_rejected"

    def __init__(self, code: str, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.reason = code


class RolloutFailedError(HeadraceError):
    """A rollout that cannot go on; `reason` is the stable word, `message` what was seen.

    The error's text is JSON with `code`, `message` and `remedy`: of an exception Lambda passes only class and text
    to the state machine, which hands them to the task that records the failure.
    """

    code = "rollout_failed"

    def __init__(self, reason: str, message: str, *, remedy: str) -> None:
        super().__init__(
            json.dumps({"code": reason, "message": message, "remedy": remedy}), remedy=remedy
        )
        self.reason = reason
        self.message = message


class RolloutTimedOutError(RolloutFailedError):
    """The rollout's own deadline has passed."""

    code = "rollout_timed_out"


class RolloutNotActiveError(HeadraceError):
    """The rollout has ended, or another execution carries it out: this one has nothing left to do."""

    code = "rollout_not_active"


class TenantWorkNotActiveError(HeadraceError):
    """The on- or offboarding of a tenant is over, or another execution carries it out."""

    code = "tenant_work_not_active"
