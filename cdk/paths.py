"""Where the deployable code lives, whatever directory CDK runs from."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Sources:
    """The folders of one source tree that infrastructure is made of."""

    root: Path = ROOT

    @property
    def functions(self) -> Path:
        return self.root / "functions"

    @property
    def statemachines(self) -> Path:
        return self.root / "statemachines"

    @property
    def openapi(self) -> Path:
        return self.functions / "docs" / "openapi.json"

    @property
    def controlplane_layer(self) -> Path:
        return self.root / "layers" / "controlplane"

    def third_party_layer(self, platform: str, name: str) -> Path:
        """The zip file that `python -m cdk.layers <platform>` makes of layers/<name>."""
        return self.root / "build" / "layers" / platform / f"{name}.zip"
