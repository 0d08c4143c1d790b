"""The question that every request asks, and the answer: may this principal do this, here, now?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

# Who is told which policies decided: those who can change policies, or ask for the change.
ADMINISTRATORS = frozenset({"tenant-admin", "platform-admin"})
# No policy permits it.
NOT_PERMITTED = "not_permitted"
# A policy of the tenant's own forbids it.
RESTRICTED = "restricted_by_tenant"
# The policies could not be asked: denied, and a fault of ours.
UNDECIDABLE = "undecidable"

ResourceType = Literal["Platform", "Tenant", "Project", "Model", "Deployment"]


@dataclass(frozen=True, slots=True)
class Resource:
    """What an operation is about, as far as its path says: named by the path below the tenant.

    It is made of the request alone, so that the answer is the same whether the resource exists or not.
    """

    type: ResourceType
    id: str
    parents: tuple[tuple[ResourceType, str], ...] = ()

    @property
    def path(self) -> str:
        """As audit records name it, such as `projects/vision/models/digits` below a tenant."""
        match self.type, self.id.split("/")[1:]:
            case "Project", [project]:
                return f"projects/{project}"
            case ("Model" | "Deployment") as kind, [project, name]:
                return f"projects/{project}/{kind.lower()}s/{name}"
            case "Tenant", []:
                return f"tenants/{self.id}"
        return "platform"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. `type` and the fields are those of the entity in the policies' schema.

    `tenant_id` is the tenant that the caller works for now; None on routes of the platform. Machine and scopes are a
    key's.
    """

    type: Literal["User", "Key"]
    id: str
    name: str
    roles: frozenset[str]
    tenant_id: str | None
    machine: str = ""
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`tenant_status` is None where no tenant is worked on."""

    mfa: bool
    mfa_required: bool
    tenant_status: str | None
    source_ip: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Restrictions:
    """A tenant's own policies: text by name, and a digest that changes with them."""

    tenant_id: str
    digest: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """May the caller do this to the resource? `action` is the operation's id."""

    caller: Caller
    action: str
    resource: Resource
    circumstances: Circumstances


@dataclass(frozen=True, slots=True)
class Decision:
    """`policies` are the ids of those that decided: the permitting ones, or the forbidding ones.

    Of a denial, `reason` is the stable word; `errors` say why the policies could not be asked.
    """

    allowed: bool
    policies: tuple[str, ...] = ()
    reason: str = ""
    remedy: str | None = None
    errors: tuple[str, ...] = ()


def platform_resource() -> Resource:
    return Resource("Platform", "headrace")


def tenant_resource(tenant_id: str) -> Resource:
    return Resource("Tenant", tenant_id)


def resource_of(tenant_id: str, path: Mapping[str, str]) -> Resource:
    """The resource that a tenant's route is about, from its path parameters: the deepest that policies know."""
    project = path.get("project")
    if project is None:
        return tenant_resource(tenant_id)
    tenant: tuple[ResourceType, str] = ("Tenant", tenant_id)
    above = f"{tenant_id}/{project}"
    if "model" in path:
        return Resource("Model", f"{above}/{path['model']}", (("Project", above), tenant))
    if "deployment" in path:
        return Resource("Deployment", f"{above}/{path['deployment']}", (("Project", above), tenant))
    return Resource("Project", above, (tenant,))
