"""The Lambda layers, one set in each stack that has functions."""

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.target import Target


class FunctionLayers(Construct):
    """`controlplane` (our code), `runtime` and those that few functions need (third-party).

    Each stack publishes its own versions of the same files: a version shared through a stack
    export could not be replaced while another stack imports it.
    """

    def __init__(self, scope: Construct, id: str, *, target: Target) -> None:
        super().__init__(scope, id)
        self._target = target
        self._further: dict[str, lambda_.LayerVersion] = {}
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
        return self._with("cluster")

    @property
    def scanning(self) -> list[lambda_.ILayerVersion]:
        """The layers of the function that looks into uploaded files."""
        return self._with("scanning")

    @property
    def signing(self) -> list[lambda_.ILayerVersion]:
        """The layers of a function that verifies signatures."""
        return self._with("signing")

    def _with(self, name: str) -> list[lambda_.ILayerVersion]:
        if name not in self._further:
            self._further[name] = self._third_party(name.capitalize(), name)
        return [*self.runtime, self._further[name]]

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
