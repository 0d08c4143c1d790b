"""The names of series that a server tells of itself are those that rollouts are judged by."""

from collections.abc import Callable
from pathlib import Path

import requests

from controlplane.adapters.gateway_metrics import parse_exposition
from controlplane.adapters.metric_queries import read_queries
from tests.local.serving.running_server import Start
from tests.local.serving.trained_models import TrainedModel


def test_kserves_own_server_tells_the_latency_that_the_queries_name(
    start: Start, folders: Callable[..., Path], models: dict[str, TrainedModel]
) -> None:
    server = start(folders(model_joblib="digits")).wait_until_ready()
    rows = models["digits"].rows[:1]
    for instances in (rows, rows, [["no", "numbers"]]):
        requests.post(
            f"{server.url}/v1/models/m:predict", json={"instances": instances}, timeout=10
        )
    queries = read_queries("kserve_server")

    samples = parse_exposition(requests.get(f"{server.url}/metrics", timeout=10).text)

    buckets = {one.labels["le"]: one for one in samples[queries["latency"]]}
    assert buckets["+Inf"].value == 3, "an error is timed as well, and not told apart"
    assert buckets["+Inf"].labels["model_name"] == "m"
    # Seconds: all of it went by in less than ten.
    assert buckets["10.0"].value == 3
    assert queries["latency_milliseconds"] == 1000
    assert queries["requests"] is None
