"""What people set of a deployment: size, runtime, autoscaling, who meets the canary, and how rollouts go."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from controlplane.serving.runtimes import CATALOG, runtime_for
from controlplane.serving.strategy import RolloutPolicy

Cpu = Annotated[str, Field(pattern=r"^[1-9][0-9]*m?$", examples=["500m"])]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi)$", examples=["2Gi"])]
# Header names and values that an HTTPRoute matches exactly (RFC 9110 tokens; Gateway API HTTPHeaderMatch).
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
HeaderValue = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,126}[!-~])?$")]


class Resources(BaseModel):
    """Of each replica, as Kubernetes quantities. `gpu_type` is a node label's value such as `l4` or `a10g`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: Cpu | None = None
    memory: Memory | None = None
    gpus: int = Field(default=0, ge=0, le=16)
    gpu_type: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")] | None = None

    @model_validator(mode="after")
    def _type_needs_gpus(self) -> Self:
        if self.gpu_type and not self.gpus:
            raise ValueError("gpu_type is given but gpus is 0")
        return self


class ScaleMetric(StrEnum):
    """What `target` counts: percent of the requested CPU or memory, or requests in flight or a second a replica."""

    CPU = "cpu"
    MEMORY = "memory"
    CONCURRENCY = "concurrency"
    RPS = "rps"


class Autoscaling(BaseModel):
    """Replicas between two bounds. `min_replicas` 0 lets it scale to zero where the cluster can wake it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_replicas: int = Field(default=1, ge=0, le=100)
    max_replicas: int = Field(default=1, ge=1, le=100)
    metric: ScaleMetric = ScaleMetric.CPU
    target: int = Field(default=80, ge=1, le=100_000)

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("min_replicas is larger than max_replicas")
        return self


class HeaderRule(BaseModel):
    """A/B by header: who sends it meets the canary, or the stable revision, whatever the percentages are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: HeaderName
    value: HeaderValue
    to: Literal["Canary", "Stable"] = "Canary"


def find_path_fault(path: str) -> str | None:
    """Why a path cannot be put behind a deployment's own address: dot segments would lead away from it.

    Clients and gateways remove them (RFC 3986, section 5.2.4), and an empty segment may be merged.
    """
    segments = path.split("/")[1:]
    if any(segment in (".", "..") for segment in segments):
        return "the path has a segment . or .., which would lead away from the deployment"
    if "" in segments[:-1]:
        return "the path has an empty segment (//)"
    return None


def _stays_below(path: str) -> str:
    if fault := find_path_fault(path):
        raise ValueError(fault)
    return path


class Probe(BaseModel):
    """A request that is sent to both revisions at each tick of a step that is judged on probes.

    `path` is below the deployment's own address, such as `/v1/models/digits:predict`. What is not answered within 10 s
    counts as a request that failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.:-]{1,200}$"), AfterValidator(_stays_below)]
    body: str = Field(max_length=16_384, description="JSON, sent as it is")
    count: int = Field(default=20, ge=1, le=100, description="Requests to each revision a tick")


class DeploymentSettings(BaseModel):
    """Everything that people set of a deployment; a rollout takes what is set when it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str | None = Field(
        default=None, max_length=63, description="Of the catalog; None: by the model's format"
    )
    resources: Resources = Resources()
    autoscaling: Autoscaling = Autoscaling()
    headers: tuple[HeaderRule, ...] = Field(default=(), max_length=8)
    probe: Probe | None = None
    rollout: RolloutPolicy = RolloutPolicy()

    def gpus_for(self, model_format: str) -> int:
        """Those of each replica: as they are set, or else as the runtime of the format needs them."""
        return self.resources.gpus or runtime_for(model_format, self.runtime).gpus

    @model_validator(mode="after")
    def _runtime_is_in_the_catalog(self) -> Self:
        if self.runtime is not None and self.runtime not in CATALOG:
            raise ValueError(f"no such runtime; the catalog has {', '.join(sorted(CATALOG))}")
        return self

    @model_validator(mode="after")
    def _probes_are_known(self) -> Self:
        if any(step.probes for step in self.rollout.steps) and self.probe is None:
            raise ValueError("the strategy is judged on probes, but no probe is set")
        return self
