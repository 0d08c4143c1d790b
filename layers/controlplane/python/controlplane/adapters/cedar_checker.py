"""Whether a tenant may have a policy: read by Cedar, held against the schema, and seen to be about the tenant alone."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from cedarpy import Entities, PolicySet, Schema, is_authorized, pst, validate_policies

from controlplane.adapters.cedar_policies import SAFEGUARD, schema_text, uid
from controlplane.authorization.model import PolicyFault

# Entities that belong to one tenant: the tenant itself, and what has its name before the first slash.
_OWNED = frozenset({"Tenant", "Project", "Model", "Deployment"})
_PREFIX = re.compile(r"^for policy `[^`]*`[,:] ")
# What a message speaks of: in backticks, in quotes, or at the end after a colon.
_NAMED = re.compile(r"`([^`]+)`|'([^']+)'|: (\w+)$")
_END = "unexpected end of input"
_SAFEGUARDED = PolicySet.from_str(f'permit (principal, action in Action::"{SAFEGUARD}", resource);')


class CedarChecker:
    """A PolicyChecker."""

    def faults(self, tenant_id: str, text: str) -> Sequence[PolicyFault]:
        try:
            parsed = PolicySet.from_str(text).to_pst()
        except ValueError as unreadable:
            return [_located(str(unreadable), text)]
        if parsed.templates:
            return [PolicyFault("a template with ?principal or ?resource is not accepted")]
        if len(parsed.static_policies) != 1:
            return [PolicyFault("the text must be one policy: create one for each")]
        [policy] = parsed.static_policies.values()
        return [
            *_shape_faults(policy, text),
            *self._schema_faults(text),
            *_foreign_faults(tenant_id, policy, text),
            *self._vain_faults(policy, text),
        ]

    @cached_property
    def _schema(self) -> Schema:
        return Schema.from_str(schema_text())

    @cached_property
    def _actions(self) -> Entities:
        """All actions with their groups."""
        return Entities.from_json_str("[]", self._schema)

    def _schema_faults(self, text: str) -> Iterator[PolicyFault]:
        """The validator repeats itself for each kind of principal and each action that a policy is about."""
        found = validate_policies(text, self._schema).errors
        problems = dict.fromkeys(_PREFIX.sub("", error.error) for error in found)
        return (_located(problem, text) for problem in problems)

    def _vain_faults(self, policy: pst.Template, text: str) -> Iterator[PolicyFault]:
        named = _named_actions(policy.action)
        if named and all(self._is_safeguarded(action) for action in named):
            yield _located(
                f"`{named[0]}` is how administrators repair policies: none of the tenant's has a say in it",
                text,
            )

    def _is_safeguarded(self, action: pst.EntityUid) -> bool:
        asked = {
            "principal": uid("User", "anyone"),
            "action": uid("Action", action.id),
            "resource": uid("Tenant", "any"),
        }
        return is_authorized(asked, _SAFEGUARDED, self._actions).allowed


def _shape_faults(policy: pst.Template, text: str) -> Iterator[PolicyFault]:
    if policy.effect != "forbid":
        yield _located("a tenant's own policy can only forbid: `permit` is not accepted", text)
    if "id" in policy.annotations:
        yield _located("the policy's name is its id: leave `@id` out", text)


def _foreign_faults(tenant_id: str, policy: pst.Template, text: str) -> Iterator[PolicyFault]:
    for entity in sorted(pst.entity_uids(policy), key=str):
        if str(entity.type) in _OWNED and entity.id.partition("/")[0] != tenant_id:
            yield _located(
                f"`{entity}` is not of tenant {tenant_id}: names begin with the tenant's", text
            )


def _named_actions(constraint: pst.ActionConstraint) -> Sequence[pst.EntityUid]:
    match constraint:
        case pst.ActionEq(entity):
            return [entity]
        case pst.ActionIn(entities):
            return entities
    return []


def _located(problem: str, text: str) -> PolicyFault:
    """The fault with the place of what the message names; without one where it cannot be told.

    Cedar's messages come without places.
    """
    offset = len(text.rstrip()) if problem == _END else _offset(problem, text)
    if offset is None:
        return PolicyFault(problem)
    before = text[:offset]
    return PolicyFault(
        problem, line=before.count("\n") + 1, column=offset - (before.rfind("\n") + 1) + 1
    )


def _offset(problem: str, text: str) -> int | None:
    named = _NAMED.search(problem)
    if named is None:
        return None
    word = next(group for group in named.groups() if group)
    places = [found.start() for found in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text)]
    # Of several places, the first at which reading comes to a halt with the same words.
    for place in places:
        if _halts(text[: place + len(word)], problem):
            return place
    return places[0] if places else None


def _halts(text: str, problem: str) -> bool:
    try:
        PolicySet.from_str(text)
    except ValueError as unreadable:
        return str(unreadable) == problem
    return False
