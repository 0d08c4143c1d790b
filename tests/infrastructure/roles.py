"""Roles of a synthesized assembly, their policies as AWS would hold them: every reference resolved to an ARN."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.infrastructure.assembly import Assembly, Resource

ACCOUNT, REGION = "123456789012", "us-east-1"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
_ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    "AWS::S3::Bucket": "arn:aws:s3:::{}",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}",
}


@dataclass(frozen=True)
class Role:
    """A role by its stack and logical id, with its policies, trust policy and tags."""

    name: str
    arn: str
    policies: list[Any]
    trust: Any
    tags: dict[str, str]


class Roles:
    """Every role of an assembly."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly

    @cached_property
    def _resources(self) -> dict[tuple[str, str], Resource]:
        return {(found.stack, found.id): found for found in self.assembly.resources()}

    @cached_property
    def _roles(self) -> list[Role]:
        return [self._role(found) for found in self.assembly.resources("AWS::IAM::Role")]

    def all(self) -> list[Role]:
        return self._roles

    def get(self, start: str) -> Role:
        """The one whose name, "<stack>/<logical id>", begins so."""
        (found,) = [role for role in self.all() if role.name.startswith(start)]
        return found

    def of_function(self, entry: str) -> Role:
        (function,) = [
            found
            for found in self.assembly.resources("AWS::Lambda::Function")
            if found.properties["Description"] == f"functions/{entry}.py"
        ]
        return self.get(f"{function.stack}/{function.properties['Role']['Fn::GetAtt'][0]}")

    def arn(self, kind: str, start: str = "") -> str:
        """The ARN of the one resource of a kind whose logical id begins so."""
        (found,) = [r for r in self.assembly.resources(kind) if r.id.startswith(start)]
        return self._arn(found)

    def _role(self, resource: Resource) -> Role:
        inline = [policy["PolicyDocument"] for policy in resource.properties.get("Policies", [])]
        attached = [
            policy.properties["PolicyDocument"]
            for policy in self.assembly.resources("AWS::IAM::Policy")
            if policy.stack == resource.stack and {"Ref": resource.id} in policy.properties["Roles"]
        ]
        return Role(
            name=resource.name,
            arn=self._arn(resource),
            policies=self._resolved(resource.stack, inline + attached),
            trust=self._resolved(resource.stack, resource.properties["AssumeRolePolicyDocument"]),
            tags={tag["Key"]: tag["Value"] for tag in resource.properties.get("Tags", [])},
        )

    def _resolved(self, stack: str, value: Any) -> Any:
        match value:
            case {"Ref": str(name)}:
                return _PSEUDO.get(name) or self._named(stack, name)
            case {"Fn::GetAtt": [str(name), "Arn"]}:
                return self._arn(self._resource(stack, name))
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return f"{name}.{attribute}"
            case {"Fn::Join": [str(separator), list(parts)]}:
                return separator.join(str(self._resolved(stack, part)) for part in parts)
            case {"Fn::ImportValue": str(name)}:
                return self._exported(name)
            case dict():
                return {name: self._resolved(stack, inner) for name, inner in value.items()}
            case list():
                return [self._resolved(stack, inner) for inner in value]
        return value

    def _exported(self, name: str) -> Any:
        for stack, template in self.assembly.templates.items():
            for output in template.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == name:
                    return self._resolved(stack, output["Value"])
        raise LookupError(f"no stack exports {name}")

    def _resource(self, stack: str, name: str) -> Resource:
        return self._resources[stack, name]

    def _named(self, stack: str, name: str) -> str:
        return _physical(self._resource(stack, name))

    @staticmethod
    def _arn(resource: Resource) -> str:
        service = resource.type.split("::")[1].lower()
        known = _ARNS.get(resource.type, f"arn:aws:{service}:{REGION}:{ACCOUNT}:{{}}")
        return known.format(_physical(resource))


def _physical(resource: Resource) -> str:
    """A name as CloudFormation could give one; S3 knows no capitals."""
    name = f"{resource.stack}-{resource.id}"
    return name.lower() if resource.type == "AWS::S3::Bucket" else re.sub(r"[^\w-]", "", name)
