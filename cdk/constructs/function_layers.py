"""The Lambda layers, one set in each stack that has functions."""

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.target import Target


class FunctionLayers(Construct):
    """`controlplane` (our code), `runtime` and `cluster` (third-party).

    Each stack publishes its own versions of the same files: a version shared through a stack
    export could not be replaced while another stack imports it.
    """

    def __init__(self, scope: Construct, id: str, *, target: Target) -> None:
        super().__init__(scope, id)
        self._target = target
        self._cluster: lambda_.LayerVersion | None = None
        self.runtime: list[lambda_.ILayerVersion] = [
            lambda_.LayerVersion(
                self,
                "ControlPlane",
                code=lambda_.Code.from_asset(
                    str(target.sources.controlplane_layer),
                    exclude=["**/__pycache__", "**/*.pyc", "**/*.egg-info", "requirements.txt"],
                ),
                description="Headrace's own package, controlplane",
                compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
            ),
            self._third_party("Runtime", "runtime"),
        ]

    @property
    def cluster(self) -> list[lambda_.ILayerVersion]:
        """The layers of a function that talks to the cluster."""
        if self._cluster is None:
            self._cluster = self._third_party("Cluster", "cluster")
        return [*self.runtime, self._cluster]

    def _third_party(self, id: str, name: str) -> lambda_.LayerVersion:
        platform = self._target.layer_platform
        archive = self._target.sources.third_party_layer(platform, name)
        if not archive.is_file():
            raise FileNotFoundError(
                f"{archive} is missing: run `.venv/bin/python -m cdk.layers {platform}`"
            )
        return lambda_.LayerVersion(
            self,
            id,
            code=lambda_.Code.from_asset(str(archive)),
            description=f"Packages of layers/{name}/requirements.txt",
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
        )
