"""What a version was made of, and which versions were made of the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

from controlplane.errors import InvalidRequestError
from controlplane.identifiers import Name
from controlplane.registry.model import ModelVersion


class Origin(StrEnum):
    """What versions can have in common."""

    DATASET = "dataset"
    RUN = "run"
    TEMPLATE_VERSION = "template_version"


@dataclass(frozen=True)
class OriginOfVersions:
    """By what versions are found: one of its kind, or any where `reference` is None."""

    origin: Origin
    reference: str | None


class LineageLink(BaseModel):
    """A version by what it was made of, as lists show it."""

    model_config = ConfigDict(frozen=True)

    model: Name
    number: int
    dataset_digest: str | None = None
    run: str | None = None
    template_version: str | None = None
    code: str | None = None
    registered_at: datetime

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        return cls.model_validate(version.model_dump(include=set(cls.model_fields)))


def origins_of(version: ModelVersion) -> Mapping[Origin, str]:
    """By what the version can be found."""
    known = {
        Origin.DATASET: version.dataset_digest,
        Origin.RUN: version.run,
        Origin.TEMPLATE_VERSION: version.template_version,
    }
    return {origin: reference for origin, reference in known.items() if reference is not None}


def asked_origin(asked: Mapping[Origin, str]) -> OriginOfVersions:
    """The one that a caller asks for; any data set, if none is named. Raises InvalidRequestError for several."""
    named = [
        OriginOfVersions(origin, reference) for origin, reference in asked.items() if reference
    ]
    if len(named) > 1:
        raise InvalidRequestError(
            "a list of versions is by the data set, by the run or by the template's version",
            remedy=f"Send one of {', '.join(Origin)}.",
        )
    return named[0] if named else OriginOfVersions(Origin.DATASET, None)
