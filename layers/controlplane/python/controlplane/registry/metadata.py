"""What is told of a model version beside its files: labels that may change, and evidence that may not."""

import math
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

MAX_TAGS = 50
MAX_METRICS = 100

TagName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
TagValue = Annotated[str, StringConstraints(max_length=256)]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/@%:-]{0,99}$")]
# What identifies a data set, a run or a template's version elsewhere. A `#` parts the keys that lists find it by.
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@=+-]{0,199}$")]
CodeReference = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]


def _number_or_none(value: object) -> object:
    """JSON knows no NaN: what a diverged training reports comes as null, or beyond all numbers (1e400)."""
    is_none = value is None or (isinstance(value, float) and not math.isfinite(value))
    return math.nan if is_none else value


def _few_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MAX_TAGS:
        raise ValueError(f"there are {len(tags)} tags, at most {MAX_TAGS} can be kept")
    return tags


def _few_metrics(metrics: dict[str, float]) -> dict[str, float]:
    if len(metrics) > MAX_METRICS:
        raise ValueError(f"there are {len(metrics)} metrics, at most {MAX_METRICS} can be kept")
    return metrics


# Strict, as what is slipped in by mistake stays: text and true are no numbers.
MetricValue = Annotated[float, Field(strict=True), BeforeValidator(_number_or_none)]
Tags = Annotated[dict[TagName, TagValue], AfterValidator(_few_tags)]
Metrics = Annotated[dict[MetricName, MetricValue], AfterValidator(_few_metrics)]


class KeptMetadata(BaseModel):
    """What was told of a version, as an upload keeps it until then: the table holds fractions as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: Tags = Field(default={}, description="Labels; they can be changed afterwards")
    metrics: dict[str, float] = {}
    dataset_digest: Reference | None = Field(
        default=None, description="What identifies the data it was trained on"
    )
    run: Reference | None = Field(default=None, description="The run that made it")
    template_version: Reference | None = Field(
        default=None, description="The version of the pipeline's template that the run was of"
    )
    code: CodeReference | None = Field(default=None, description="The code, such as a commit's URL")


class VersionMetadata(KeptMetadata):
    """What a manifest may tell of the version; a metric that is null was measured and came to no number."""

    metrics: Metrics = Field(default={}, description="What was measured, by name")
