"""A secret that holds numbered keys, of which the highest makes what is new."""

from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge
from cdk.target import Target


def key_ring(
    scope: Construct, id: str, *, target: Target, description: str, because: str
) -> secretsmanager.Secret:
    """`because`: why it is not rotated by itself; what older keys made must stay good."""
    secret = secretsmanager.Secret(
        scope,
        id,
        description=description,
        generate_secret_string=secretsmanager.SecretStringGenerator(
            secret_string_template="{}",  # noqa: S106 - an empty document, not a secret
            generate_string_key="1",
            exclude_punctuation=True,
            password_length=64,
        ),
        removal_policy=target.removal,
    )
    acknowledge(secret, "SMG4", because)
    return secret
