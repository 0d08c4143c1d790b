"""A synthesized cloud assembly, asked as CloudFormation would read it."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Resource:
    """One resource of a template; `name` is "<stack>/<logical id>"."""

    stack: str
    id: str
    type: str
    properties: dict[str, Any]
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.stack}/{self.id}"


@dataclass(frozen=True)
class Statement:
    """One allowing statement of a policy, its actions and resources as lists."""

    holder: str
    actions: list[str]
    resources: list[Any]
    conditions: dict[str, Any]


@dataclass(frozen=True)
class LambdaFunction:
    """A function with the folders and archives it would be given in Lambda."""

    entry: str
    code: Path
    layers: list[Path]
    settings: dict[str, Any]

    def holds(self, package: str) -> bool:
        """Whether one of its layers brings this package."""
        return any(_holds(layer, package) for layer in self.layers)


class Assembly:
    """The folder that CDK wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def templates(self) -> dict[str, dict[str, Any]]:
        """Template by the stack's name without its prefix, e.g. "Data"."""
        return {
            path.name.removesuffix(".template.json").split("-")[-1]: json.loads(path.read_text())
            for path in sorted(self.folder.glob("*.template.json"))
        }

    def resources(self, *types: str) -> list[Resource]:
        """Every resource, or those of some types, of all stacks."""
        return [
            Resource(stack, name, body["Type"], body.get("Properties", {}), body)
            for stack, template in self.templates.items()
            for name, body in template["Resources"].items()
            if not types or body["Type"] in types
        ]

    def only(self, kind: str, stack: str | None = None) -> Resource:
        """The one resource of a type, in a stack."""
        (found,) = [r for r in self.resources(kind) if stack in (None, r.stack)]
        return found

    @property
    def outputs(self) -> dict[str, Any]:
        """Outputs that people and launchers read, by name."""
        return {
            name: body["Value"]
            for template in self.templates.values()
            for name, body in template.get("Outputs", {}).items()
            if not name.startswith("ExportsOutput")
        }

    def functions(self) -> list[LambdaFunction]:
        return [
            LambdaFunction(
                entry=resource.properties["Description"]
                .removeprefix("functions/")
                .removesuffix(".py"),
                code=self._asset(resource.stack, resource.properties["Code"]),
                layers=[
                    self._asset(
                        resource.stack,
                        self.templates[resource.stack]["Resources"][layer["Ref"]]["Properties"][
                            "Content"
                        ],
                    )
                    for layer in resource.properties["Layers"]
                ],
                settings=resource.properties["Environment"]["Variables"],
            )
            for resource in self.resources("AWS::Lambda::Function")
        ]

    def role_statements(self) -> Iterator[Statement]:
        """What roles may do, whether by policies of their own or by inline ones."""
        for resource in self.resources("AWS::IAM::Policy"):
            yield from _statements(resource.name, resource.properties["PolicyDocument"])
        for resource in self.resources("AWS::IAM::Role"):
            for policy in resource.properties.get("Policies", []):
                yield from _statements(resource.name, policy["PolicyDocument"])

    def statements_of(self, role: str) -> list[Statement]:
        """Those of one role, named "<stack>/<start of its logical id>"."""
        found = [s for s in self.role_statements() if s.holder.startswith(role)]
        assert found, f"no role {role}"
        return found

    def _asset(self, stack: str, location: dict[str, Any]) -> Path:
        (manifest,) = self.folder.glob(f"*-{stack}.assets.json")
        files = json.loads(manifest.read_text())["files"]
        key = location["S3Key"]
        (path,) = [
            file["source"]["path"]
            for file in files.values()
            for destination in file["destinations"].values()
            if destination["objectKey"] == key
        ]
        return self.folder / str(path)


def _statements(holder: str, document: dict[str, Any]) -> Iterator[Statement]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            yield Statement(
                holder,
                as_list(statement["Action"]),
                as_list(statement["Resource"]),
                statement.get("Condition", {}),
            )


def _holds(layer: Path, package: str) -> bool:
    if layer.is_dir():
        return (layer / "python" / package).is_dir()
    with zipfile.ZipFile(layer) as archive:
        return f"python/{package}/__init__.py" in archive.namelist()


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
