"""Decisions by Cedar, in this process: policies and schema are files of `controlplane.authorization`.

They are parsed once a container, a tenant's own policies once for each of their states. The schema goes with every
question, so that an action, a resource or a circumstance that it does not know is an error, and an error denies.
https://docs.cedarpolicy.com
"""

import json
from collections import OrderedDict
from dataclasses import replace
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from cedarpy import Entities, PolicySet, Schema, is_authorized, pst

from controlplane.authorization.decision import (
    NOT_PERMITTED,
    RESTRICTED,
    UNDECIDABLE,
    Caller,
    Circumstances,
    Decision,
    Request,
    Resource,
    Restrictions,
)

POLICIES = files("controlplane.authorization").joinpath("policies")
# A tenant's own policies have ids of their own, which no policy of ours has.
TENANT_POLICY = "tenant/"
MAX_TENANTS = 100
MAX_ENTITIES = 128
# A tenant's policies have no say in the operations by which its administrators repair them: this group of actions.
SAFEGUARD = "safeguard"
_GUARD = pst.Unless(
    pst.BinaryOp(
        "in",
        pst.Var("action"),
        pst.EntityLit(pst.EntityUid(pst.EntityType("Action"), SAFEGUARD)),
    )
)


def schema_text() -> str:
    return POLICIES.joinpath("schema.cedarschema").read_text()


def policies_text() -> str:
    """All policies, in the order of their files' names."""
    found = sorted((file for file in POLICIES.iterdir() if file.name.endswith(".cedar")), key=str)
    return "\n".join(file.read_text() for file in found)


class CedarPolicies:
    """A PolicyEngine."""

    def __init__(self) -> None:
        self.schema = Schema.from_str(schema_text())
        self._policies = PolicySet.from_str(policies_text())
        self._restricted: OrderedDict[tuple[str, str], PolicySet] = OrderedDict()
        self._parsed = lru_cache(MAX_ENTITIES)(self._parse)

    def decide(self, request: Request, restrictions: Restrictions | None) -> Decision:
        own = restrictions if restrictions and restrictions.texts else None
        try:
            result = is_authorized(
                {
                    "principal": uid(request.caller.type, request.caller.id),
                    "action": uid("Action", request.action),
                    "resource": uid(request.resource.type, request.resource.id),
                    "context": _context(request.circumstances, is_restricted=own is not None),
                },
                self._policies if own is None else self._with(own),
                self._parsed(_entities(request.caller, request.resource)),
                self.schema,
            )
        except ValueError as unreadable:
            return Decision(allowed=False, reason=UNDECIDABLE, errors=(str(unreadable),))
        diagnostics = result.diagnostics
        if diagnostics.errors:
            return Decision(allowed=False, reason=UNDECIDABLE, errors=tuple(diagnostics.errors))
        ids = tuple(sorted(diagnostics.id_annotations_by_reason.values()))
        return Decision(allowed=True, policies=ids) if result.allowed else self._denied(ids)

    def _denied(self, ids: tuple[str, ...]) -> Decision:
        """Of several policies that forbid it, ours come before the tenant's in what is said."""
        for policy in ids:
            if policy in self._explanations:
                reason, remedy = self._explanations[policy]
                return Decision(allowed=False, policies=ids, reason=reason, remedy=remedy)
        return Decision(allowed=False, policies=ids, reason=RESTRICTED if ids else NOT_PERMITTED)

    @cached_property
    def _explanations(self) -> dict[str, tuple[str, str]]:
        """Reason and remedy of each of our own policies that forbids, by its id."""
        return {
            found.annotations["id"]: (found.annotations["reason"], found.annotations["remedy"])
            for found in self._policies.to_pst().static_policies.values()
            if found.effect == "forbid"
        }

    def _parse(self, entities: str) -> Entities:
        return Entities.from_json_str(entities, self.schema)

    def _with(self, restrictions: Restrictions) -> PolicySet:
        """Our policies and the tenant's own. Raises ValueError where one of those cannot be read."""
        key = (restrictions.tenant_id, restrictions.digest)
        known = self._restricted.get(key)
        if known is None:
            known = self._policies.with_added_str(
                "\n".join(restricting(name, text) for name, text in restrictions.texts.items())
            )
            self._restricted[key] = known
            if len(self._restricted) > MAX_TENANTS:
                self._restricted.popitem(last=False)
        self._restricted.move_to_end(key)
        return known


def restricting(name: str, text: str) -> str:
    """A tenant's policy as it is asked: under an id of ours, and silent about what keeps it changeable.

    The guard comes first, so that a policy whose own conditions fail cannot deny those operations either.
    Raises ValueError for what is not exactly one policy that forbids.
    """
    parsed = PolicySet.from_str(text).to_pst()
    if parsed.templates or [p.effect for p in parsed.static_policies.values()] != ["forbid"]:
        raise ValueError(f"policy {name} is not one that forbids")
    [policy] = parsed.static_policies.values()
    guarded = replace(
        policy,
        annotations={"id": f"{TENANT_POLICY}{name}"},
        clauses=(_GUARD, *policy.clauses),
    )
    return str(PolicySet.from_pst(replace(parsed, static_policies={policy.id: guarded})))


def uid(entity_type: str, name: str) -> dict[str, str]:
    """An entity's name as Cedar takes it."""
    return {"type": entity_type, "id": name}


def _entities(caller: Caller, resource: Resource) -> str:
    """The caller and the resource, as the schema has them."""
    attributes: dict[str, Any] = {"name": caller.name}
    if caller.tenant_id is not None:
        attributes["tenant"] = uid("Tenant", caller.tenant_id)
    if caller.type == "Key":
        attributes |= {"machine": caller.machine, "scopes": sorted(caller.scopes)}
    return json.dumps(
        [
            {
                "uid": uid(caller.type, caller.id),
                "attrs": attributes,
                "parents": [uid("Role", role) for role in sorted(caller.roles)],
            },
            {
                "uid": uid(resource.type, resource.id),
                "attrs": {},
                "parents": [uid(*parent) for parent in resource.parents],
            },
        ]
    )


def _context(circumstances: Circumstances, *, is_restricted: bool) -> str:
    context: dict[str, Any] = {"mfa": circumstances.mfa, "mfa_required": circumstances.mfa_required}
    if circumstances.tenant_status is not None:
        context["tenant_status"] = circumstances.tenant_status
    if is_restricted:  # no policy of ours asks for these, and reading them costs
        context["source_ip"] = circumstances.source_ip
        context["time"] = circumstances.time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(context)
