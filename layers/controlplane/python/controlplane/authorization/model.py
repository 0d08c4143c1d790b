"""A tenant's own policies: what it forbids itself beyond what roles forbid."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from controlplane.events import DomainEvent
from controlplane.identifiers import Name
from controlplane.requests import digest

MAX_POLICIES = 50
# Every request that finds no fresh answer in its container's memory reads all texts of its tenant.
MAX_TOTAL_BYTES = 64 * 1024

EXAMPLE = """forbid (principal, action in Action::"deploy", resource in Project::"acme/vision")
unless { principal in Role::"tenant-admin" };"""
PolicyText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=8 * 1024,
        description="One Cedar policy that forbids something",
        examples=[EXAMPLE],
    ),
]
Description = Annotated[str, Field(max_length=500)]


class PolicyRequest(BaseModel):
    """What a caller sends to create a policy."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Lower-case name, unique in the tenant", examples=["freeze"])
    description: Description = ""
    text: PolicyText
    enabled: bool = Field(default=True, description="A policy that is not enabled forbids nothing")


class PolicyChange(BaseModel):
    """What a caller sends to change a policy: what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    description: Description | None = None
    text: PolicyText | None = None
    enabled: bool | None = None


class PolicyDraft(BaseModel):
    """A policy's text, to be checked."""

    model_config = ConfigDict(extra="forbid")

    text: PolicyText


class Policy(BaseModel):
    """One policy of a tenant; only an enabled one is asked."""

    model_config = ConfigDict(frozen=True)

    name: Name
    description: str = ""
    text: str
    enabled: bool = True
    created_at: datetime
    created_by: str
    version: int = 1


class PolicyBook(BaseModel):
    """All that a tenant's requests ask: the texts of its enabled policies by name, with a digest of them all.

    `sizes` are those of all its policies, in bytes of UTF-8. `version` is None for a book that is not stored yet.
    """

    model_config = ConfigDict(frozen=True)

    texts: dict[str, str] = {}
    sizes: dict[str, int] = {}
    digest: str = ""
    version: int | None = None

    def with_policy(self, policy: Policy) -> "PolicyBook":
        texts = {name: text for name, text in self.texts.items() if name != policy.name}
        if policy.enabled:
            texts[policy.name] = policy.text
        return self._next(texts, self.sizes | {policy.name: len(policy.text.encode())})

    def without(self, name: str) -> "PolicyBook":
        texts = {other: text for other, text in self.texts.items() if other != name}
        sizes = {other: size for other, size in self.sizes.items() if other != name}
        return self._next(texts, sizes)

    def _next(self, texts: dict[str, str], sizes: dict[str, int]) -> "PolicyBook":
        parts = [part for name in sorted(texts) for part in (name, texts[name])]
        return PolicyBook(
            texts=texts, sizes=sizes, digest=digest(*parts), version=(self.version or 0) + 1
        )


@dataclass(frozen=True)
class PolicyFault:
    """What is wrong with a policy's text; line and column count from 1, where the place is known."""

    problem: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.problem
        return f"line {self.line}, column {self.column}: {self.problem}"


class PolicyEvent(DomainEvent):
    capability: ClassVar[str] = "authorization"
    policy: Name

    @property
    def subject(self) -> str:
        return f"policies/{self.policy}"


class PolicyCreated(PolicyEvent):
    created_by: str
    enabled: bool


class PolicyChanged(PolicyEvent):
    changed_by: str
    enabled: bool


class PolicyDeleted(PolicyEvent):
    deleted_by: str
