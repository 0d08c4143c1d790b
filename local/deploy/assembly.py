"""What a CDK cloud assembly (`cdk.out`) asks to be deployed."""

import json
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asset:
    """A file or folder that belongs into a bucket under a key made of its content's hash."""

    source: Path
    zipped: bool
    bucket: str
    key: str


@dataclass(frozen=True)
class StackArtifact:
    name: str
    template: Path
    template_url: str  # s3://bucket/key
    assets: tuple[Asset, ...]


class AssemblyError(Exception):
    """The assembly asks for something that the embedded cloud cannot be given."""


def read_stacks(folder: Path) -> list[StackArtifact]:
    """The assembly's stacks, each after those that it depends on. Raises AssemblyError."""
    artifacts: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["artifacts"]
    order = TopologicalSorter(
        {name: artifact.get("dependencies", []) for name, artifact in artifacts.items()}
    )
    return [
        _stack(folder, artifacts, name)
        for name in order.static_order()
        if artifacts[name]["type"] == "aws:cloudformation:stack"
    ]


def _stack(folder: Path, artifacts: dict[str, Any], name: str) -> StackArtifact:
    artifact = artifacts[name]
    assets: list[Asset] = []
    for dependency in artifact.get("dependencies", []):
        if artifacts[dependency]["type"] == "cdk:asset-manifest":
            assets += _assets(folder, folder / artifacts[dependency]["properties"]["file"])
    properties = artifact["properties"]
    return StackArtifact(
        name=properties.get("stackName", name),
        template=folder / properties["templateFile"],
        template_url=properties["stackTemplateAssetObjectUrl"],
        assets=tuple(assets),
    )


def _assets(folder: Path, manifest: Path) -> list[Asset]:
    declared = json.loads(manifest.read_text())
    if declared.get("dockerImages"):
        raise AssemblyError(f"{manifest.name} needs Docker images: use zip functions and layers")
    return [
        Asset(
            source=folder / file["source"]["path"],
            zipped=file["source"]["packaging"] == "zip",
            bucket=destination["bucketName"],
            key=destination["objectKey"],
        )
        for file in declared["files"].values()
        for destination in file["destinations"].values()
    ]
