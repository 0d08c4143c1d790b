"""Cognito, before it issues a token: put the user's tenant and roles into the access token."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.errors import HeadraceError
from controlplane.events import correlated
from controlplane.people.provisioning import note_sign_in
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring.people import person_repository, second_factors
from controlplane.runtime.wiring.tenancy import membership_repository
from controlplane.tenancy.claims import Bearer, claims_of
from controlplane.tenancy.model import PrincipalKind

_REFRESH = "TokenGeneration_RefreshTokens"


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer Cognito's V2_0 trigger. Who may do nothing gets a token that opens nothing."""
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    subject = str(event["request"]["userAttributes"]["sub"])
    bearer = claims_of(
        subject,
        str(event["userName"]),
        memberships=membership_repository(),
        second_factors=second_factors(str(event["userPoolId"])),
    )
    if not bearer.claims:
        logger.info("a user who may do nothing signed in", extra={"sub": subject})
    elif event["triggerSource"] != _REFRESH:
        with correlated(context.aws_request_id):
            _note(bearer, subject)
    event["response"] = {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {"claimsToAddOrOverride": bearer.claims}
        }
    }
    return event


def _note(bearer: Bearer, subject: str) -> None:
    """Nobody is kept out because it could not be written down that they came in."""
    person = bearer.principal
    if bearer.tenant_id is None or person is None or person.kind is not PrincipalKind.PERSON:
        return
    if not person.name:
        return
    try:
        note_sign_in(
            bearer.tenant_id, person.name, subject, person.signed_in_at, people=person_repository()
        )
    except HeadraceError as failed:
        logger.info("a sign-in was not noted", extra={"error": type(failed).__name__})
