"""Signing in to the embedded user pool."""

from local.deploy.clients import EmbeddedCloud


def sign_in(cloud: EmbeddedCloud, client_id: str, username: str, password: str) -> str:
    """A user's access token, by USER_PASSWORD_AUTH."""
    answer = cloud.client("cognito-idp").initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["AccessToken"])
