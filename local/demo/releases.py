"""Three releases under live load: one that is good, one that answers errors, one that is slow."""

from collections.abc import Callable, Mapping
from typing import Any

from local.demo.client import ApiError, HeadraceClient, wait_until
from local.demo.errors import DemoError
from local.demo.rollouts import Outcome, follow, require_state
from local.demo.traffic import LiveTraffic

Upload = Callable[[], int]
Show = Callable[[str], None]
CALM_REQUESTS = 150
NOT_FOUND = 404


class Releases:
    """Rolls versions of one deployment out while callers go on, and keeps how each ended."""

    def __init__(self, client: HeadraceClient, project: str, deployment: str, show: Show) -> None:
        self._client = client
        self._deployment = f"/projects/{project}/deployments/{deployment}"
        self._show = show
        self.outcomes: list[Outcome] = []

    def use(self, policy: Mapping[str, Any]) -> None:
        """Have all rollouts from now on go by this policy."""
        self._client.put(f"{self._deployment}/settings", {"rollout": policy})

    def use_if_present(self, policy: Mapping[str, Any]) -> None:
        """The same, where an earlier story has left the deployment."""
        try:
            self.use(policy)
        except ApiError as refused:
            if refused.status != NOT_FOUND:
                raise

    def roll_out(self, upload: Upload, traffic: LiveTraffic, expected: str) -> dict[str, Any]:
        """Upload a version and follow its rollout to the end, which must be the expected one."""
        before = traffic.answers.count
        version = upload()
        path = self._wait_for_start(version)
        rollout = follow(self._client, path, self._show)
        require_state(rollout, expected)
        self._let_callers_go_on(traffic)
        answers = traffic.answers.since(before)
        self.outcomes.append(Outcome.of(rollout, self._evidence(path), answers))
        return rollout

    def require_calm(self, traffic: LiveTraffic) -> None:
        """Nothing bad reaches callers any more. Raises DemoError."""
        before = traffic.answers.count
        self._let_callers_go_on(traffic)
        bad = traffic.answers.since(before).bad
        if bad:
            raise DemoError(f"callers still met {len(bad)} bad answers: {bad[:3]}")

    def _wait_for_start(self, version: int) -> str:
        def find() -> str | None:
            found = self._client.get(self._deployment)
            known = (found["running"], found["waiting"], found["last_rollout"])
            named = [rollout for rollout in known if rollout and rollout["version"] == version]
            return str(named[0]["rollout"]) if named else None

        rollout = wait_until(find, lambda name: name is not None, 60)
        return f"{self._deployment}/rollouts/{rollout}"

    def _evidence(self, path: str) -> str:
        """The path of the API that links to the evidence; it must be readable."""
        wait_until(lambda: self._client.get(path), lambda rollout: rollout["has_evidence"], 30)
        bundle = self._client.fetch(self._client.get(f"{path}/evidence")["url"])
        if not bundle["ticks"]:
            raise DemoError(f"the evidence of {path} holds no looks at the rollout")
        return f"GET /api/v1{path}/evidence"

    @staticmethod
    def _let_callers_go_on(traffic: LiveTraffic) -> None:
        before = traffic.answers.count
        wait_until(lambda: traffic.answers.count, lambda n: n >= before + CALM_REQUESTS, 60)
