"""A tenant with versions and a namespace in the cluster: where the tasks that reach the cluster are tried."""

from dataclasses import dataclass
from typing import Any

from tests.functions.api_calls import invoke
from tests.functions.cluster import Cluster
from tests.functions.samples import Json
from tests.functions.scenario import Scenario


@dataclass(frozen=True)
class Stage:
    """A tenant of its own with two versions, its namespace, and the rollout of the first one opened."""

    scenario: Scenario
    cluster: Cluster
    rollout: Json

    def run(self, task: str, rollout: Json | None = None, **more: Any) -> Any:
        return invoke(f"serving/{task}", (rollout or self.rollout) | more)

    def ready(self, name: str) -> None:
        self.cluster.create_predictor(name)
        self.cluster.roll_out_predictor(name)
        self.cluster.set_endpoint(name, ready=True)

    def promote_first(self) -> None:
        for task in ("apply_revision", "shift_traffic", "finish_rollout"):
            self.run(task)

    def open(self, number: int) -> Json:
        event = self.scenario.registered_event(number)
        rollout: Json = self.scenario.open_rollout(event, f"e{number}")["rollout"]
        return rollout

    def shown(self) -> Any:
        return self.scenario.call("GET", "/projects/vision/deployments/digits").json
