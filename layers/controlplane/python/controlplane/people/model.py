"""People and machines of a tenant, API keys, and what happens to them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controlplane.events import DomainEvent
from controlplane.identifiers import Name

MAX_KEY_DAYS = 365
MAX_KEYS_OF_A_MACHINE = 10

# What a tenant may give; the roles of the platform and of machines are not among them.
PersonRole = Literal["tenant-admin", "developer", "viewer"]
MachineRole = Literal["service", "developer", "viewer"]
KeyScope = Literal["read", "upload", "deploy", "infer"]
KeyId = Annotated[str, StringConstraints(pattern=r"^k[0-9a-f]{12}$")]
# Enough to catch a slip; whether mail arrives only its owner can tell.
Email = Annotated[
    str,
    StringConstraints(
        pattern=r"^[^@\s<>\"(),:;\\]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", max_length=254
    ),
]
PersonRoles = Annotated[tuple[PersonRole, ...], Field(min_length=1, max_length=3)]
ADMINISTRATOR: PersonRole = "tenant-admin"


class PersonStatus(StrEnum):
    INVITING = "Inviting"  # the user is about to be made
    INVITED = "Invited"  # the user is there and has not signed in
    ACTIVE = "Active"
    DISABLED = "Disabled"
    REMOVING = "Removing"  # the user is about to go
    FAILED = "Failed"  # the user could not be made; `reason` says why


# Who is there and may sign in: of these one administrator must remain.
ENABLED = frozenset({PersonStatus.INVITED, PersonStatus.ACTIVE})
# Whose user is still to be made.
UNMADE = frozenset({PersonStatus.INVITING, PersonStatus.FAILED})


class PersonRequest(BaseModel):
    """What a caller sends to invite a person."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Lower-case name, unique in the tenant", examples=["ada"])
    email: Email = Field(description="Where the invitation goes", examples=["ada@example.com"])
    roles: PersonRoles = Field(examples=[["developer"]])


class PersonChange(BaseModel):
    """What a caller sends to change a person."""

    model_config = ConfigDict(extra="forbid")

    roles: PersonRoles


class Person(BaseModel):
    """Somebody of a tenant. `revoked_before` is in seconds since the epoch; `reset` names an unfulfilled reset."""

    model_config = ConfigDict(frozen=True)

    name: Name
    email: str
    roles: tuple[PersonRole, ...]
    status: PersonStatus = PersonStatus.INVITING
    subject: str | None = None
    reason: str | None = None
    created_at: datetime
    created_by: str
    signed_in_at: int | None = None
    revoked_before: int = 0
    reset: str | None = None
    version: int = 1

    @property
    def is_administrator(self) -> bool:
        """Whether the tenant can be run by this person."""
        return self.status in ENABLED and ADMINISTRATOR in self.roles


class MachineRequest(BaseModel):
    """What a caller sends to create a machine."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Lower-case name, unique in the tenant", examples=["ci"])
    description: str = Field(default="", max_length=500)
    roles: Annotated[tuple[MachineRole, ...], Field(min_length=1, max_length=3)] = ("service",)
    groups: Annotated[tuple[Name, ...], Field(max_length=10)] = Field(
        default=(), description="Groups whose tier holds for what the machine's keys call"
    )


class Machine(BaseModel):
    """A system that calls with keys of its own; `active_keys` are those that nobody has revoked."""

    model_config = ConfigDict(frozen=True)

    name: Name
    description: str = ""
    roles: tuple[MachineRole, ...]
    groups: tuple[Name, ...] = ()
    active_keys: int = 0
    created_at: datetime
    created_by: str
    version: int = 1


class KeyStatus(StrEnum):
    ACTIVE = "Active"
    REVOKED = "Revoked"


class KeyRequest(BaseModel):
    """What a caller sends to create a key of a machine."""

    model_config = ConfigDict(extra="forbid")

    machine: Name
    scopes: Annotated[tuple[KeyScope, ...], Field(min_length=1, max_length=4)]
    valid_days: int = Field(default=90, ge=1, le=MAX_KEY_DAYS)
    description: str = Field(default="", max_length=200)


class RevocationRequest(BaseModel):
    """Which keys to revoke: those of one machine, or all there are. A dry run only lists them."""

    model_config = ConfigDict(extra="forbid")

    machine: Name | None = Field(default=None, description="Only this machine's keys; null: all")
    dry_run: bool = False


class ApiKey(BaseModel):
    """A key of a machine. Of the secret only its SHA-256 `digest` is kept; `subject` is the key's own user."""

    model_config = ConfigDict(frozen=True)

    key_id: KeyId
    machine: Name
    description: str = ""
    roles: tuple[MachineRole, ...]
    groups: tuple[Name, ...] = ()
    scopes: tuple[KeyScope, ...]
    digest: str
    status: KeyStatus = KeyStatus.ACTIVE
    valid_until: datetime
    created_at: datetime
    created_by: str
    last_used_at: datetime | None = None
    subject: str | None = None
    version: int = 1

    def is_usable(self, moment: datetime) -> bool:
        return self.status is KeyStatus.ACTIVE and moment < self.valid_until


class PersonEvent(DomainEvent):
    capability: ClassVar[str] = "people"
    person: Name

    @property
    def subject(self) -> str:
        return f"people/{self.person}"


class PersonInvited(PersonEvent):
    roles: tuple[PersonRole, ...]


class InvitationSent(PersonEvent):
    """The person's user is there, and the invitation is on its way."""


class InvitationFailed(PersonEvent):
    reason: str


class PersonActivated(PersonEvent):
    """They have signed in for the first time."""


class PersonRolesChanged(PersonEvent):
    roles: tuple[PersonRole, ...]


class PersonDisabled(PersonEvent):
    pass


class PersonEnabled(PersonEvent):
    pass


class CredentialsResetRequested(PersonEvent):
    pass


class PersonTokensRevoked(PersonEvent):
    pass


class PersonRemovalRequested(PersonEvent):
    pass


class PersonRemoved(PersonEvent):
    pass


class MachineEvent(DomainEvent):
    capability: ClassVar[str] = "people"
    machine: Name

    @property
    def subject(self) -> str:
        return f"machines/{self.machine}"


class MachineCreated(MachineEvent):
    pass


class MachineDeleted(MachineEvent):
    pass


class KeyEvent(DomainEvent):
    capability: ClassVar[str] = "people"
    key_id: KeyId
    machine: Name

    @property
    def subject(self) -> str:
        return f"keys/{self.key_id}"


class KeyCreated(KeyEvent):
    scopes: tuple[KeyScope, ...]
    valid_until: datetime


class KeyRevoked(KeyEvent):
    pass
