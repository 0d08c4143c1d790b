"""Secrets, read once per container."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_secretsmanager.client import SecretsManagerClient


def read_secret(client: "SecretsManagerClient", arn: str) -> str:
    """The secret's text. Raises UnavailableError."""
    try:
        return client.get_secret_value(SecretId=arn)["SecretString"]
    except (ClientError, BotoCoreError) as failed:
        raise UnavailableError("a secret could not be read") from failed
