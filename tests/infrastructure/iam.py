"""An evaluator of IAM policies, written from AWS's reference and from nothing in this project.

It knows what policies of one account need: identity policies, session policies, trust policies, `NotAction`,
`NotResource`, conditions with multi-value operators and `…IfExists`, policy variables, wildcards. What it does not
know it refuses to judge: an operator it has never heard of raises, rather than being taken for a match.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
reference_policies_elements_condition_operators.html, reference_policies_multi-value-conditions.html and
reference_policies_variables.html of the same guide.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

Document = Mapping[str, Any]
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SPECIAL = {"*": "*", "?": "?", "$": "$"}


class Decision(StrEnum):
    ALLOWED = "allowed"
    IMPLICITLY_DENIED = "implicitly denied"
    EXPLICITLY_DENIED = "explicitly denied"


class UnknownElementError(ValueError):
    """A policy holds what this evaluator does not know."""


class _UnresolvedError(LookupError):
    """A variable's key is not in the request: what it stands in can match nothing."""


@dataclass(frozen=True)
class Request:
    """One action on one resource. A context value that is a list is of a multi-valued key.

    AWS says of policy variables only that they are replaced. Whether `*` in what replaces one is a wildcard is told
    by `variables_are_patterns`: a policy that is to be trusted holds under both readings.
    """

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    principal: str = ""
    variables_are_patterns: bool = False

    def value(self, key: str) -> str | Sequence[str] | None:
        """Names of condition keys are not case-sensitive; what follows the `/` of a tag's key is."""
        for name, value in self.context.items():
            if _same_key(name, key):
                return value or None if isinstance(value, list) else value
        return None


def decide(
    request: Request, identity: Sequence[Document], session: Sequence[Document] | None = None
) -> Decision:
    """What AWS decides in one account: a refusal anywhere wins, and a session has what both kinds allow.

    `session` None means that no session policy was passed; an empty sequence is one that allows nothing.
    """
    judged = [_judge(request, identity)]
    if session is not None:
        judged.append(_judge(request, session))
    if Decision.EXPLICITLY_DENIED in judged:
        return Decision.EXPLICITLY_DENIED
    if Decision.IMPLICITLY_DENIED in judged:
        return Decision.IMPLICITLY_DENIED
    return Decision.ALLOWED


def trusts(request: Request, trust: Document) -> Decision:
    """Whether a role's trust policy lets the request's principal take the role on."""
    return _judge(request, [trust])


def _judge(request: Request, documents: Sequence[Document]) -> Decision:
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _list(document["Statement"])
        if _applies(request, statement)
    }
    if "Deny" in effects:
        return Decision.EXPLICITLY_DENIED
    return Decision.ALLOWED if "Allow" in effects else Decision.IMPLICITLY_DENIED


def _applies(request: Request, statement: Mapping[str, Any]) -> bool:
    known = {
        "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal",
    }  # fmt: skip
    if unknown := set(statement) - known:
        raise UnknownElementError(f"unknown elements {unknown}")
    return (
        _matches_action(request, statement)
        and _matches_resource(request, statement)
        and _matches_principal(request, statement)
        and all(
            _holds(request, operator, key, _list(values))
            for operator, wanted in statement.get("Condition", {}).items()
            for key, values in wanted.items()
        )
    )


def _matches_action(request: Request, statement: Mapping[str, Any]) -> bool:
    patterns = statement.get("Action", statement.get("NotAction"))
    named = any(
        _pattern(pattern.lower()).fullmatch(request.action.lower()) for pattern in _list(patterns)
    )
    return named if "Action" in statement else not named


def _matches_resource(request: Request, statement: Mapping[str, Any]) -> bool:
    if "Resource" not in statement and "NotResource" not in statement:
        return True  # a trust policy
    patterns = _list(statement.get("Resource", statement.get("NotResource")))
    named = any(_is_like(request, pattern, request.resource) for pattern in patterns)
    return named if "Resource" in statement else not named


def _matches_principal(request: Request, statement: Mapping[str, Any]) -> bool:
    if "Principal" not in statement:
        return True
    wanted = statement["Principal"]
    if wanted == "*":
        return True
    named = [
        name for kind in ("AWS", "Service", "Federated") for name in _list(wanted.get(kind, []))
    ]
    return any(_is_principal(name, request.principal) for name in named)


def _is_principal(named: str, principal: str) -> bool:
    """An account's root stands for all its principals."""
    account = re.fullmatch(r"arn:[^:]+:iam::(\d{12}):root", named)
    if account:
        return re.match(rf"arn:[^:]+:(iam|sts)::{account.group(1)}:", principal) is not None
    return named in ("*", principal)


def _holds(request: Request, operator: str, key: str, values: Sequence[str]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    given = request.value(key)
    if name == "Null":
        return any((given is None) == (str(value).lower() == "true") for value in values)
    base = name.removesuffix("IfExists")
    if given is None:
        if name != base or quantifier == "ForAllValues":
            return True
        return base in _NEGATED and quantifier != "ForAnyValue"
    members = [given] if isinstance(given, str) else list(given)
    if not quantifier and len(members) > 1:
        raise UnknownElementError(f"{key} has several values, and {operator} takes one")
    met = [_compare(request, base, member, values) for member in members]
    match quantifier:
        case "ForAllValues":
            return all(met)
        case "ForAnyValue" | "":
            return any(met)
    raise UnknownElementError(f"unknown operator {operator}")


_NEGATED = frozenset(
    {"StringNotEquals", "StringNotLike", "StringNotEqualsIgnoreCase", "ArnNotLike"}
)


def _compare(request: Request, operator: str, given: str, values: Sequence[str]) -> bool:
    """One value of the request against a condition's: one that matches is enough, for negated operators none may."""
    match operator:
        case "StringEquals" | "StringNotEquals":
            found = any(_filled(request, value) == given for value in values)
        case "StringLike" | "StringNotLike" | "ArnLike" | "ArnEquals" | "ArnNotLike":
            found = any(_is_like(request, value, given) for value in values)
        case "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase":
            found = any((_filled(request, v) or "").lower() == given.lower() for v in values)
        case "Bool":
            found = any(str(value).lower() == given.lower() for value in values)
        case _:
            raise UnknownElementError(f"unknown operator {operator}")
    return found != (operator in _NEGATED)


def _filled(request: Request, value: str) -> str | None:
    """A value with its variables filled in; None when one has no value in the request."""
    try:
        return "".join(text for text, _ in _parts(request, value))
    except _UnresolvedError:
        return None


def _is_like(request: Request, pattern: str, text: str) -> bool:
    """Whether a text fits a pattern with its variables filled in."""
    try:
        parts = list(_parts(request, pattern))
    except _UnresolvedError:
        return False
    expression = "".join(
        re.escape(part) if is_literal else _pattern(part).pattern for part, is_literal in parts
    )
    return re.compile(expression, re.DOTALL).fullmatch(text) is not None


def _parts(request: Request, value: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a value: text of the policy, and what its variables stand for (True)."""
    end = 0
    for found in _VARIABLE.finditer(value):
        yield value[end : found.start()], False
        name = found.group(1)
        yield _value_of(request, name), name in _SPECIAL or not request.variables_are_patterns
        end = found.end()
    yield value[end:], False


def _value_of(request: Request, variable: str) -> str:
    if variable in _SPECIAL:
        return _SPECIAL[variable]
    name, comma, default = variable.partition(",")
    value = request.value(name.strip())
    if isinstance(value, str):
        return value
    if comma:
        return default.strip().strip("'")
    raise _UnresolvedError(name)


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    escaped = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.compile(escaped, re.DOTALL)


def _same_key(name: str, other: str) -> bool:
    return name.lower() == other.lower()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
