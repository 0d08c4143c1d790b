"""Cognito, before it issues a token: put the user's tenant and roles into the access token."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.runtime.observability import logger
from controlplane.runtime.wiring.tenancy import membership_repository
from controlplane.tenancy.service import find_membership


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer Cognito's V2_0 trigger. A user without a membership gets a token that opens nothing."""
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    subject = str(event["request"]["userAttributes"]["sub"])
    membership = find_membership(subject, memberships=membership_repository())
    if membership is None:
        logger.info("a user without a membership signed in", extra={"sub": subject})
        claims = {}
    else:
        claims = membership.claims()
    event["response"] = {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {"claimsToAddOrOverride": claims}
        }
    }
    return event
