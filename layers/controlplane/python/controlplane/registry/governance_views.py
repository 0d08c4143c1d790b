"""Aliases, conditions, policies and lineage as callers see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from controlplane.registry.aliases import Aliases, AliasRecord, AliasState
from controlplane.registry.gates import GateResult
from controlplane.registry.lineage import LineageLink, Origin
from controlplane.registry.model import ModelVersion


class AliasView(BaseModel):
    """Which version an alias names, since when; `moved_by` is a caller, or the rollout that was promoted."""

    alias: str
    version: int
    moved_at: datetime
    moved_by: str

    @classmethod
    def of(cls, alias: str, state: AliasState) -> Self:
        return cls(
            alias=alias,
            version=state.model_version,
            moved_at=state.moved_at,
            moved_by=state.moved_by,
        )


class AliasesView(BaseModel):
    """All aliases of a model by name; `latest`, which is computed, is looked up by itself."""

    model: str
    aliases: list[AliasView]

    @classmethod
    def of(cls, aliases: Aliases) -> Self:
        named = sorted(aliases.named.items())
        return cls(model=aliases.model, aliases=[AliasView.of(name, at) for name, at in named])


class AliasMoveView(BaseModel):
    """One move of an alias; `version` is null where it was deleted, `previous` where it was new."""

    alias: str
    version: int | None
    previous: int | None
    moved_at: datetime
    moved_by: str

    @classmethod
    def of(cls, record: AliasRecord) -> Self:
        return cls(
            alias=record.alias,
            version=record.model_version,
            previous=record.previous,
            moved_at=record.moved_at,
            moved_by=record.moved_by,
        )


class GateView(BaseModel):
    """One condition, and whether it is met. `value` is the version's own figure; `min` and `max` what was asked."""

    gate: str
    met: bool
    message: str
    code: str | None
    remedy: str | None
    metric: str | None
    value: float | None
    min: float | None
    max: float | None
    champion: int | None = Field(description="The version that it was compared with")
    champion_value: float | None

    @classmethod
    def of(cls, result: GateResult) -> Self:
        return cls.model_validate(result, from_attributes=True)


class ClearanceView(BaseModel):
    """Whether a version may serve, condition by condition, by the project's present policy."""

    model: str
    version: int
    cleared: bool
    gates: list[GateView]

    @classmethod
    def of(cls, version: ModelVersion, results: Sequence[GateResult]) -> Self:
        return cls(
            model=version.model,
            version=version.number,
            cleared=all(result.met for result in results),
            gates=[GateView.of(result) for result in results],
        )


class LineageView(BaseModel):
    """What a version was made of, and what holds it now.

    `same_dataset`, `same_run` and `same_template_version` are the paths of lists of all versions that were made of the
    same.
    """

    model: str
    version: int
    run: str | None
    template_version: str | None
    dataset_digest: str | None
    code: str | None
    upload: str
    deployments: list[str]
    aliases: list[str]
    same_dataset: str | None
    same_run: str | None
    same_template_version: str | None

    @classmethod
    def of(cls, version: ModelVersion, same: Mapping[Origin, str]) -> Self:
        return cls(
            model=version.model,
            version=version.number,
            run=version.run,
            template_version=version.template_version,
            dataset_digest=version.dataset_digest,
            code=version.code,
            upload=version.source.upload_id,
            deployments=list(version.served_by),
            aliases=list(version.aliases),
            same_dataset=same.get(Origin.DATASET),
            same_run=same.get(Origin.RUN),
            same_template_version=same.get(Origin.TEMPLATE_VERSION),
        )


class LineageLinkView(BaseModel):
    """A version that was made of what was asked for."""

    model: str
    version: int
    dataset_digest: str | None
    run: str | None
    template_version: str | None
    code: str | None
    registered_at: datetime

    @classmethod
    def of(cls, link: LineageLink) -> Self:
        return cls.model_validate(link.model_dump() | {"version": link.number})
