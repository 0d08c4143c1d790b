"""Findings of cdk-nag that are meant to be as they are, with the reason beside the resource."""

import re
from typing import Any

from aws_cdk import Stack
from constructs import IConstruct

# The key under which CDK's Validations keeps acknowledged rules, and where cdk-nag 3 looks for
# them. `Validations.acknowledge` itself refuses identifiers with "::", which every finding about
# a wildcard contains.
_METADATA_KEY = "aws:cdk:acknowledged-rules"
# cdk-nag takes policy variables for references.
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding, e.g. "S1" or "IAM5[Resource::*]", on a construct and its children."""
    construct.node.add_metadata(_METADATA_KEY, {f"AwsSolutions-{rule}": reason})


def acknowledge_wildcard(construct: IConstruct, resource: str, reason: str) -> None:
    """Accept a wildcard in a statement's resource, e.g. every object below a prefix."""
    described = _described(Stack.of(construct).resolve(resource))
    acknowledge(construct, f"IAM5[Resource::{described}]", reason)


def _described(value: Any) -> str:
    """A resolved CloudFormation value in cdk-nag's notation: `<LogicalId.Attribute>/models/*`."""
    match value:
        case str():
            return _VARIABLE.sub(r"<\1>", value)
        case {"Fn::Join": [separator, [*parts]]}:
            return str(separator).join(_described(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Ref": resource}:
            return f"<{resource}>"
    raise TypeError(f"a statement's resource must be a string, Join, GetAtt or Ref, not {value!r}")
