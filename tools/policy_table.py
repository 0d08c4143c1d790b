"""Who may do what: a table for administrators, asked of the policies themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controlplane.adapters.cedar_policies import CedarPolicies
from controlplane.authorization.decision import (
    UNDECIDABLE,
    Caller,
    Circumstances,
    Decision,
    Request,
    Resource,
    platform_resource,
    resource_of,
)

TENANT = "acme"
BEGIN, END = "<!-- table: make contracts -->", "<!-- end of table -->"
_PERSON = Caller("User", "u-1", "ada", frozenset(), TENANT)
_KEY = Caller("Key", "k-1", "k-1", frozenset({"service"}), TENANT, machine="ci")


@dataclass(frozen=True)
class Column:
    """A kind of caller, as it asks about a tenant's resources and about the platform itself."""

    title: str
    on_tenant: Caller
    on_platform: Caller

    @classmethod
    def of(cls, title: str, caller: Caller) -> "Column":
        return cls(title, caller, caller)


def _person(role: str) -> Caller:
    return replace(_PERSON, roles=frozenset({role}))


def _key(scope: str) -> Caller:
    return replace(_KEY, scopes=frozenset({scope}))


_ANYONE = Caller("User", "anonymous", "", frozenset(), None)
_PLATFORM_ADMIN = _person("platform-admin")
COLUMNS: Sequence[Column] = (
    Column.of("no token", _ANYONE),
    Column.of("viewer", _person("viewer")),
    Column.of("developer", _person("developer")),
    Column.of("tenant-admin", _person("tenant-admin")),
    Column.of("key: read", _key("read")),
    Column.of("key: upload", _key("upload")),
    Column.of("key: deploy", _key("deploy")),
    Column.of("key: infer", _key("infer")),
    Column("platform-admin", _PLATFORM_ADMIN, replace(_PLATFORM_ADMIN, tenant_id=None)),
)
_RESOURCES = (
    platform_resource(),
    resource_of(TENANT, {}),
    resource_of(TENANT, {"project": "vision"}),
    resource_of(TENANT, {"project": "vision", "model": "digits"}),
    resource_of(TENANT, {"project": "vision", "deployment": "digits"}),
)
_CIRCUMSTANCES = Circumstances(
    mfa=True,
    mfa_required=False,
    tenant_status="Active",
    source_ip="127.0.0.1",
    time=datetime(2026, 1, 1, tzinfo=UTC),
)


def permitted(engine: CedarPolicies, column: Column, action: str) -> bool:
    """Whether such a caller may do this to any kind of resource that the action can be about.

    Raises ValueError for an action that the schema does not know.
    """
    decisions = list(_decisions(engine, column, action))
    if not decisions:
        raise ValueError(f"add the operation {action} to authorization/policies/schema.cedarschema")
    return any(decision.allowed for decision in decisions)


def table(actions: Sequence[str]) -> str:
    """The operations, each with the callers that may carry it out."""
    engine = CedarPolicies()
    head = ["operation", *(column.title for column in COLUMNS)]
    rows = [
        [f"`{action}`", *("yes" if permitted(engine, c, action) else "" for c in COLUMNS)]
        for action in sorted(actions)
    ]
    return "\n".join(_line(cells) for cells in (head, ["---"] * len(head), *rows))


def read_table(text: str) -> dict[tuple[str, str], bool]:
    """The table in a document again: whether a column's caller may carry an operation out."""
    inside = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside]
    return {
        (column, row[0].strip("`")): cell == "yes"
        for row in rows
        for column, cell in zip(head[1:], row[1:], strict=True)
    }


def with_table(text: str, actions: Sequence[str]) -> str:
    """The document with the present table in its place. Raises ValueError where it has no place for one."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table(actions)}\n{END}{after}"


def _decisions(engine: CedarPolicies, column: Column, action: str) -> Iterator[Decision]:
    """Those about resources of the kinds that the action can be about: the schema refuses to answer about others."""
    for resource in _RESOURCES:
        for caller in {column.on_tenant, column.on_platform}:
            decision = engine.decide(_request(caller, action, resource), None)
            if decision.reason != UNDECIDABLE:
                yield decision


def _request(caller: Caller, action: str, resource: Resource) -> Request:
    status = _CIRCUMSTANCES.tenant_status if caller.tenant_id else None
    return Request(caller, action, resource, replace(_CIRCUMSTANCES, tenant_status=status))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
