"""The paths of deployments and rollouts, which two APIs share, and what stands in them."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from controlplane.identifiers import Name, RolloutId
from controlplane.runtime.http import BASE

DEPLOYMENTS = f"{BASE}/projects/<project>/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/<deployment>"
ROLLOUTS = f"{DEPLOYMENT}/rollouts"
ROLLOUT = f"{ROLLOUTS}/<rollout>"
SERVING_POLICY = f"{BASE}/projects/<project>/serving-policy"
ProjectName = Annotated[Name, Path(description="The project's name")]
DeploymentName = Annotated[Name, Path(description="The deployment's name")]
RolloutIdentifier = Annotated[RolloutId, Path(description="The rollout's identifier")]
