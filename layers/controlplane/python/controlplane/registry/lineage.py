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


@dataclass(frozen=True)
class OriginOfVersions:
    """By what versions are found: one data set or one run, or any where `reference` is None."""

    origin: Origin
    reference: str | None


class LineageLink(BaseModel):
    """A version that was made of a data set or by a run, as lists show it."""

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
    known = {Origin.DATASET: version.dataset_digest, Origin.RUN: version.run}
    return {origin: reference for origin, reference in known.items() if reference is not None}


def asked_origin(dataset: str, run: str) -> OriginOfVersions:
    """The one that a caller asks for; any data set, if none is named. Raises InvalidRequestError for both."""
    if dataset and run:
        raise InvalidRequestError(
            "a list of versions is by the data set or by the run",
            remedy="Send either dataset or run.",
        )
    if run:
        return OriginOfVersions(Origin.RUN, run)
    return OriginOfVersions(Origin.DATASET, dataset or None)
