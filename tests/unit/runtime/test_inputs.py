"""What functions are given: events of S3, of Step Functions and of our own bus, as the inputs of use cases."""

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from controlplane.errors import (
    ClusterRefusedError,
    RolloutFailedError,
    RolloutTimedOutError,
    UnauthenticatedError,
)
from controlplane.projects.model import ProjectCreated
from controlplane.runtime.caller import principal_of
from controlplane.runtime.registrations import ArrivalInput, FailedArrivalInput
from controlplane.runtime.rollouts import FailureInput, OpeningInput, reason_of
from controlplane.runtime.stream import changes_of
from controlplane.serving.model import RolloutState
from controlplane.tenancy.model import Role

S3_EVENT = {
    "id": "event-1",
    "time": "2026-05-01T12:00:00Z",
    "detail-type": "Object Created",
    "detail": {
        "object": {
            "key": "models/acme/vision/digits/m.joblib",
            "version-id": "v1",
            "sequencer": "00AB",
        }
    },
}


def rollout_event(detail_type: str, **data: object) -> dict[str, Any]:
    metadata = {
        "id": "event-1",
        "tenant_id": "acme",
        "correlation_id": "work-1",
        "time": "2026-05-01T12:00:00Z",
    }
    detail = {"metadata": metadata, "data": {"project": "vision"} | data}
    return {"detail-type": detail_type, "detail": detail}


def failure(error: str, cause: str) -> FailureInput:
    return FailureInput(
        correlation_id="work-1",
        tenant_id="acme",
        project="vision",
        deployment="digits",
        execution="execution-1",
        rollout_id="r-00000001",
        error=error,
        cause=cause,
    )


def cause_of(error: Exception) -> str:
    """What Lambda makes of an exception, and Step Functions hands on as the cause."""
    return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})


def test_an_arrival_is_what_s3_says_of_it() -> None:
    given = ArrivalInput.parse({"event": S3_EVENT, "execution": "execution-1"})

    arrival = given.arrival
    assert (arrival.key, arrival.version_id) == ("models/acme/vision/digits/m.joblib", "v1")
    assert (arrival.sequencer, arrival.execution) == ("00AB", "execution-1")
    assert arrival.arrived_at.isoformat() == "2026-05-01T12:00:00+00:00"
    assert (given.correlation_id, given.causation_id) == ("event-1", "event-1")
    assert given.log_context()["tenant_id"] == "acme"


def test_an_arrival_in_a_bucket_without_versions_is_understood() -> None:
    stored = {"key": "models/x", "sequencer": "00AB"}
    event = S3_EVENT | {"detail": {"object": stored}}

    assert ArrivalInput.parse({"event": event, "execution": "e"}).version_id is None


def test_a_failed_arrival_carries_its_error() -> None:
    given = FailedArrivalInput.parse({"event": S3_EVENT, "execution": "e", "error": "TypeError"})

    assert (given.error, given.arrival.version_id) == ("TypeError", "v1")


def test_a_registered_version_asks_for_the_deployment_of_its_name() -> None:
    event = rollout_event("ModelVersionRegistered", model="digits", model_version=3, position="p")

    given = OpeningInput.parse({"event": event, "execution": "execution-1"})

    assert (given.tenant_id, given.project, given.deployment) == ("acme", "vision", "digits")
    assert given.registered is not None
    assert (given.registered.number, given.registered.position) == (3, "p")
    assert (given.correlation_id, given.causation_id) == ("work-1", "event-1")


@pytest.mark.parametrize(
    "detail_type",
    ["RolloutRequested", "RolloutEnded", "RetirementPostponed", "DeploymentDeletionRequested"],
)
def test_any_other_event_names_its_deployment(detail_type: str) -> None:
    event = rollout_event(detail_type, deployment="digits", model_version=3)

    given = OpeningInput.parse({"event": event, "execution": "execution-1"})

    assert (given.deployment, given.registered) == ("digits", None)


def test_our_own_failure_tells_its_reason() -> None:
    error = RolloutFailedError("ModelLoadFailed", 'KeyError: "w"', remedy="Upload it again.")

    given = failure("RolloutFailedError", cause_of(error))

    assert given.state is RolloutState.FAILED
    assert given.why.model_dump() == {
        "code": "ModelLoadFailed",
        "message": 'KeyError: "w"',
        "remedy": "Upload it again.",
    }


def test_a_deadline_that_passed_is_told_apart() -> None:
    error = RolloutTimedOutError("DeadlineExceeded", "too late", remedy="Ask again.")

    given = failure("RolloutTimedOutError", cause_of(error))

    assert (given.state, given.why.code) == (RolloutState.TIMED_OUT, "DeadlineExceeded")


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (cause_of(ClusterRefusedError("it says no")), "it says no"),
        ("no JSON at all", "no JSON at all"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("", "no message"),
    ],
)
def test_any_other_failure_of_our_own_tells_its_class_and_sentence(
    cause: str, message: str
) -> None:
    reason = reason_of("ClusterRefusedError", cause)

    assert (reason.code, reason.message) == ("ClusterRefusedError", message)
    assert reason.remedy


@pytest.mark.parametrize(
    "error", ["ValueError", "ClientError", "Sandbox.Timedout", "Lambda.Unknown", "States.Timeout"]
)
def test_what_somebody_elses_error_says_is_left_to_the_log(error: str) -> None:
    inner = "arn:aws:iam::123456789012:role/inner is not authorized"

    reason = reason_of(error, json.dumps({"errorMessage": inner, "errorType": error}))

    assert reason.code == error
    assert "arn:" not in str(reason)
    assert error in reason.message
    assert "log" in reason.message
    assert "ModelRollout" in str(reason.remedy)


def test_a_message_of_unreasonable_length_is_cut() -> None:
    assert len(reason_of("ClusterRefusedError", "x" * 10_000).message) == 500


@pytest.mark.parametrize("cause", ['{"errorMessage": "{\\"code\\": \\"Mod', "", "no JSON"])
def test_our_own_failure_whose_cause_was_cut_is_recorded_all_the_same(cause: str) -> None:
    assert reason_of("RolloutFailedError", cause).code == "RolloutFailedError"


def test_changes_are_read_from_the_stream_in_their_order() -> None:
    event = ProjectCreated(tenant_id="acme", project="vision", created_by="ada")
    image = {
        "pk": {"S": "TENANT#acme"},
        "event": {"M": {"id": {"S": event.event_id}, "detail": {"S": "{}"}}},
        "served_by": {"SS": ["digits"]},
        "version": {"N": "2"},
    }
    records = [
        {"dynamodb": {"SequenceNumber": "1", "NewImage": image}},
        {"dynamodb": {"SequenceNumber": "2", "OldImage": image}},
    ]

    inserted, removed = changes_of({"Records": records})

    assert (inserted.sequence_number, removed.sequence_number) == ("1", "2")
    assert inserted.event == {"id": event.event_id, "detail": "{}"}
    assert inserted.old is None
    assert (removed.new, removed.event) == (None, None)


def request(**claims: object) -> APIGatewayProxyEventV2:
    return APIGatewayProxyEventV2(
        {
            "headers": {},
            "requestContext": {"authorizer": {"jwt": {"claims": {"token_use": "access"} | claims}}},
        }
    )


def test_a_principal_is_what_the_verified_claims_say() -> None:
    principal = principal_of(
        request(sub="s", username="ada", tenant_id="acme", roles="developer root", iat="1000")
    )

    assert (principal.subject, principal.username) == ("s", "ada")
    assert (principal.tenant_id, principal.issued_at) == ("acme", 1000)
    assert principal.roles == {Role.DEVELOPER}


def test_a_token_without_a_membership_has_no_role_and_no_tenant() -> None:
    principal = principal_of(request(sub="s"))

    assert (principal.roles, principal.tenant_id) == (frozenset(), None)
    assert principal.issued_at == 0


@pytest.mark.parametrize(
    "event",
    [
        request(),
        APIGatewayProxyEventV2({"requestContext": {}}),
        request(sub="s", token_use="id"),  # the authorizer takes ID tokens too
        request(sub="s", token_use=None),
    ],
)
def test_a_request_that_nobody_verified_is_refused(event: APIGatewayProxyEventV2) -> None:
    with pytest.raises(UnauthenticatedError):
        principal_of(event)
