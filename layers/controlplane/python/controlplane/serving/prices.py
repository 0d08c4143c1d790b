"""What it costs about to keep a revision running, so that people see it before they ask for it.

An estimate and no bill: list prices of one region, from `prices.json`, which names their source and date; without
discounts, Spot, and what nodes have left over. Amounts are whole micro-USD (1 USD is 1,000,000), rounded up.
"""

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from controlplane.serving.settings import DeploymentSettings

# What KServe asks for where nothing is said (its ConfigMap's `inferenceService.resource`).
DEFAULT_CPU, DEFAULT_MEMORY = "1", "2Gi"
_MILLI = 1000
_MIB_A_GIB = 1024
_FILE = Path(__file__).with_name("prices.json")


class Prices(BaseModel):
    """Micro-USD an hour: of a virtual CPU, a GiB of memory, and a GPU of each type with its share of the machine."""

    model_config = ConfigDict(frozen=True)

    region: str
    as_of: str
    source: str
    vcpu: int
    gib: int
    gpus: dict[str, int]

    def of_gpu(self, gpu_type: str | None) -> int:
        """Of a type that is not listed, or not said, the dearest: an estimate should not turn out too low."""
        dearest = max(self.gpus.values())
        return self.gpus.get(gpu_type, dearest) if gpu_type else dearest


@cache
def list_prices() -> Prices:
    return Prices.model_validate_json(_FILE.read_text())


def cost_per_hour(
    settings: DeploymentSettings, gpus: int | None = None, prices: Prices | None = None
) -> int:
    """Micro-USD an hour of a revision that nobody calls: its least number of replicas, one at the least.

    `gpus` are those of a replica where the settings say none, as its runtime has them. A GPU's price includes the CPU
    and memory that come with it.
    """
    known = prices or list_prices()
    resources = settings.resources
    each = resources.gpus or gpus or 0
    replicas = max(1, settings.autoscaling.min_replicas)
    if each:
        return replicas * each * known.of_gpu(resources.gpu_type)
    cpu = known.vcpu * millicores(resources.cpu or DEFAULT_CPU)
    memory = known.gib * mebibytes(resources.memory or DEFAULT_MEMORY)
    return replicas * (_rounded_up(cpu, _MILLI) + _rounded_up(memory, _MIB_A_GIB))


def millicores(quantity: str) -> int:
    """Of a Kubernetes quantity such as `500m` or `2`."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * _MILLI


def mebibytes(quantity: str) -> int:
    """Of a Kubernetes quantity such as `512Mi` or `2Gi`."""
    return int(quantity[:-2]) * (_MIB_A_GIB if quantity.endswith("Gi") else 1)


def _rounded_up(amount: int, parts: int) -> int:
    return -(-amount // parts)
