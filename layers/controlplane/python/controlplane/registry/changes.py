"""What can be changed about models and versions that are registered: labels always, evidence once."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from controlplane.errors import ImmutableError, LimitExceededError
from controlplane.registry.governance_ports import RegistryPolicyRepository, VersionRepository
from controlplane.registry.metadata import (
    MAX_METRICS,
    MAX_TAGS,
    CodeReference,
    Metrics,
    Reference,
    TagName,
    TagValue,
)
from controlplane.registry.model import (
    Model,
    ModelChanged,
    ModelVersion,
    ModelVersionChanged,
    RegistryPolicyChanged,
)
from controlplane.registry.policy import RegistryPolicy, RegistryRules
from controlplane.requests import require_version

MAX_CARD_BYTES = 32 * 1024
_REFERENCES = ("dataset_digest", "run", "template_version", "code")


def _short_enough(text: str) -> str:
    if len(text.encode(errors="replace")) > MAX_CARD_BYTES:
        raise ValueError(f"a card has at most {MAX_CARD_BYTES} bytes of UTF-8")
    return text


TagChanges = Annotated[
    dict[TagName, TagValue | None],
    Field(max_length=2 * MAX_TAGS, description="Tags to set; null takes one away"),
]


class ModelChange(BaseModel):
    """What a caller sends to change a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: TagChanges


class VersionChange(BaseModel):
    """What a caller sends to change a version; what is left out stays.

    Metrics and references are evidence: each can be added while it is absent, and never be changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: TagChanges = {}
    metrics: Metrics = {}
    dataset_digest: Reference | None = None
    run: Reference | None = None
    template_version: Reference | None = None
    code: CodeReference | None = None


class CardText(BaseModel):
    """What a caller sends to write a version's card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Annotated[str, AfterValidator(_short_enough)] = Field(
        max_length=MAX_CARD_BYTES,
        description="Markdown, at most 32 KiB of UTF-8",
        examples=["Recognises digits."],
    )


def change_model(
    tenant_id: str,
    project: str,
    model: str,
    change: ModelChange,
    changed_by: str,
    if_match: int | None,
    *,
    versions: VersionRepository,
) -> Model:
    """Raises NotFoundError, PreconditionFailedError, LimitExceededError."""
    known = versions.get(tenant_id, project, model)
    require_version(if_match, known.version, f"model {model}")
    tags = _merged_tags(known.tags, change.tags)
    if tags == known.tags:
        return known
    changed = known.model_copy(update={"tags": tags, "version": known.version + 1})
    event = ModelChanged(tenant_id=tenant_id, project=project, model=model, changed_by=changed_by)
    versions.change(tenant_id, project, changed, event)
    return changed


def change_version(
    tenant_id: str,
    project: str,
    model: str,
    number: int,
    change: VersionChange,
    changed_by: str,
    if_match: int | None,
    *,
    versions: VersionRepository,
) -> ModelVersion:
    """Raises NotFoundError, PreconditionFailedError, ImmutableError, LimitExceededError."""
    known = versions.get_version(tenant_id, project, model, number)
    require_version(if_match, known.version, f"version {number}")
    wanted: dict[str, Any] = {
        "tags": _merged_tags(known.tags, change.tags),
        "metrics": _added_metrics(known.metrics, change.metrics),
    } | {name: _set_once(name, getattr(known, name), getattr(change, name)) for name in _REFERENCES}
    return _store(tenant_id, project, known, wanted, changed_by, versions)


def write_card(
    tenant_id: str,
    project: str,
    model: str,
    number: int,
    text: str,
    changed_by: str,
    if_match: int | None,
    *,
    versions: VersionRepository,
) -> ModelVersion:
    """Replace what people wrote in a version's card. Raises NotFoundError, PreconditionFailedError."""
    known = versions.get_version(tenant_id, project, model, number)
    require_version(if_match, known.version, f"version {number}")
    return _store(tenant_id, project, known, {"card": text}, changed_by, versions)


def put_registry_policy(
    tenant_id: str,
    project: str,
    rules: RegistryRules,
    changed_by: str,
    if_match: int | None,
    *,
    policies: RegistryPolicyRepository,
) -> RegistryPolicy:
    """Replace what a project asks; rollouts that run are not asked again.

    Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError.
    """
    known = policies.get(tenant_id, project)
    require_version(if_match, known.version, "the registry policy")
    policy = RegistryPolicy(**rules.model_dump(), version=known.version + 1)
    event = RegistryPolicyChanged(tenant_id=tenant_id, project=project, changed_by=changed_by)
    policies.put(tenant_id, project, policy, event)
    return policy


def _store(
    tenant_id: str,
    project: str,
    known: ModelVersion,
    wanted: Mapping[str, Any],
    changed_by: str,
    versions: VersionRepository,
) -> ModelVersion:
    """Store what differs; what differs in nothing is no change, and no event tells of it."""
    differing = tuple(
        sorted(n for n, value in wanted.items() if not _same(getattr(known, n), value))
    )
    if not differing:
        return known
    changes = {name: wanted[name] for name in differing}
    changed = known.model_copy(update=changes | {"version": known.version + 1})
    event = ModelVersionChanged(
        tenant_id=tenant_id,
        project=project,
        model=known.model,
        model_version=known.number,
        changed=differing,
        changed_by=changed_by,
    )
    versions.change_version(tenant_id, project, known, changed, event)
    return changed


def _merged_tags(known: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**known, **changes}
    tags = {name: value for name, value in merged.items() if value is not None}
    if len(tags) > MAX_TAGS:
        raise LimitExceededError(
            f"there would be {len(tags)} tags, at most {MAX_TAGS} can be kept",
            remedy="Take tags away by sending null for them.",
        )
    return tags


def _added_metrics(known: Mapping[str, float], given: Mapping[str, float]) -> dict[str, float]:
    for name, value in given.items():
        if name in known and not _same(known[name], value):
            raise _immutable(f"metric {name}", known[name])
    metrics = {**given, **known}
    if len(metrics) > MAX_METRICS:
        raise LimitExceededError(
            f"there would be {len(metrics)} metrics, at most {MAX_METRICS} can be kept",
            remedy="Keep the rest with the run that measured them.",
        )
    return metrics


def _set_once(name: str, known: str | None, given: str | None) -> str | None:
    if known is not None and given not in (None, known):
        raise _immutable(name.replace("_", " "), known)
    return known if given is None else given


def _immutable(what: str, known: object) -> ImmutableError:
    return ImmutableError(
        f"the {what} of this version is {known}: it is evidence, and does not change once it is set",
        remedy="Upload a further version, with the evidence that belongs to it.",
    )


def _same(one: object, other: object) -> bool:
    """Equal, where what was no number before and is none now is the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other
