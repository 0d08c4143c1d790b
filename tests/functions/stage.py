"""A tenant with versions and a namespace in the cluster: where the tasks that reach the cluster are tried."""

from dataclasses import dataclass
from typing import Any

from tests.functions.api_calls import invoke
from tests.functions.cluster import Cluster
from tests.functions.samples import Json, on_the_bus
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

    def prepare(self, rollout: Json | None = None) -> None:
        """Up to where the revision's objects are written."""
        for task in ("check_rollout", "prepare_revision"):
            self.run(task, rollout)

    def tick(self, rollout: Json | None = None) -> str:
        """What follows a tick: Tick, Prepare or End."""
        return str(self.run("advance_rollout", rollout, turn=1)["next"])

    def promote(self, number: int, rollout: Json | None = None) -> None:
        """All at once: the revision is ready, and the gateway takes what it is told."""
        self.prepare(rollout)
        self.ready(f"vision--digits--v{number}")
        assert self.tick(rollout) == "Tick"
        self.cluster.accept_route("vision--digits")
        assert self.tick(rollout) == "End"
        self.run("finish_rollout", rollout)

    def promote_first(self) -> None:
        self.promote(1)

    def open(self, number: int) -> Json:
        event = self.scenario.registered_event(number)
        rollout: Json = self.scenario.open_rollout(event, f"e{number}")["rollout"]
        return rollout

    def open_canary(self, number: int, strategy: Json, on_inconclusive: str = "Ask") -> Json:
        """The same by another strategy, asked for by a developer; people pass its steps, for there are no figures."""
        path = "/projects/vision/deployments/digits/rollouts"
        wanted = {
            "version": number,
            "policy": {"strategy": strategy, "on_inconclusive": on_inconclusive},
        }
        assert self.scenario.call("POST", path, wanted).status == 202
        stored = self.scenario.cloud.item(self.scenario.partition, "DEPLOYMENT#digits")["event"]
        rollout: Json = self.scenario.open_rollout(on_the_bus(stored), f"c{number}")["rollout"]
        return rollout

    def shown(self) -> Any:
        return self.scenario.call("GET", "/projects/vision/deployments/digits").json
