"""What a project asks of the versions that it lets serve."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from controlplane.registry.metadata import MetricName

MAX_GATES = 20

Bound = Annotated[float, Field(allow_inf_nan=False)]


class MetricThreshold(BaseModel):
    """A metric is not below `min` and not above `max`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Literal["metric_threshold"]
    metric: MetricName
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a threshold has a min or a max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("no number is at least min and at most max")
        return self


class NotWorseThanChampion(BaseModel):
    """A metric is worse than the champion's by no more than `max_regression`, in the metric's own unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Literal["not_worse_than_champion"]
    metric: MetricName
    higher_is_better: bool = True
    max_regression: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class ScanClean(BaseModel):
    """The files were scanned and nothing was found, or hold nothing that could run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Literal["scan_clean"]


class SignaturePresent(BaseModel):
    """A key of the project, not revoked, signed the version's manifest, which names its project and model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Literal["signature_present"]


Gate = Annotated[
    MetricThreshold | NotWorseThanChampion | ScanClean | SignaturePresent,
    Field(discriminator="gate"),
]


class RegistryRules(BaseModel):
    """What a project asks. Whatever it asks, a version that was found unsafe or rejected is not served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approval_required: bool = Field(
        default=False, description="A version serves only when somebody has approved it"
    )
    approver_is_not_uploader: bool = Field(
        default=False,
        description="Whoever uploaded a version cannot approve it. A plain file's uploader is not known: such a "
        "version cannot be approved at all",
    )
    signature_required: bool = Field(
        default=False,
        description="A version serves only with a signature of the project's, over a manifest that names the project "
        "and the model",
    )
    pickles_allowed: bool = Field(
        default=True, description="Versions may be of formats that can hold code to run on loading"
    )
    champion_follows_promotion: bool = Field(
        default=True, description="A promotion moves the alias `champion`"
    )
    gates: tuple[Gate, ...] = Field(default=(), max_length=MAX_GATES)

    @property
    def compares_with_champion(self) -> bool:
        """Whether who decides about the champion decides what a gate asks."""
        return any(isinstance(gate, NotWorseThanChampion) for gate in self.gates)


class RegistryPolicy(RegistryRules):
    """The rules as they are stored; `version` is 0 for a project that has never set any."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 0

    @property
    def rules(self) -> RegistryRules:
        return RegistryRules.model_validate(self.model_dump(exclude={"version"}))
