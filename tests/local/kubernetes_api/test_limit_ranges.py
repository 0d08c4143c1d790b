"""LimitRanges: what a Pod gets that says nothing, and what it may not ask for."""

import pytest

from tests.local.kubernetes_api.running_server import Answer, Json, RunningServer


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def limit(server: RunningServer, pods: str, **item: object) -> Answer:
    path = pods.replace("/pods", "/limitranges")
    spec = {"limits": [{"type": "Container", **item}]}
    return server.call("POST", path, {"metadata": {"generateName": "l-"}, "spec": spec})


def start(server: RunningServer, pods: str, *resources: Json, kind: str = "containers") -> Answer:
    listed = [{"name": f"c{i}", "resources": one} for i, one in enumerate(resources)]
    spec = {"containers": [{"name": "main"}], kind: listed}
    return server.call("POST", pods, {"metadata": {"generateName": "p-"}, "spec": spec})


def given(answer: Answer, number: int = 0, kind: str = "containers") -> Json:
    assert answer.code == 201, answer.body
    found: Json = answer.body["spec"][kind][number].get("resources", {})
    return found


def test_defaults_fill_what_is_not_said(server: RunningServer, pods: str) -> None:
    default, request = {"cpu": "500m", "memory": "1Gi"}, {"cpu": "100m", "memory": "256Mi"}
    assert limit(server, pods, default=default, defaultRequest=request).code == 201
    silent = start(server, pods, {})
    assert given(silent) == {"requests": request, "limits": default}
    note = silent.body["metadata"]["annotations"]["kubernetes.io/limit-ranger"]
    assert note == (
        "LimitRanger plugin set: cpu, memory request for container c0; "
        "cpu, memory limit for container c0"
    )
    own = start(server, pods, {"requests": {"cpu": "50m"}, "limits": {"memory": "2Gi"}})
    assert given(own) == {
        # Who limits a resource and requests none of it requests the limit; only then come defaults.
        "requests": {"cpu": "50m", "memory": "2Gi"},
        "limits": {"cpu": "500m", "memory": "2Gi"},
    }
    full = {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}}
    told = start(server, pods, full)
    assert given(told) == full
    assert "annotations" not in told.body["metadata"]
    early = start(server, pods, {}, kind="initContainers")
    assert given(early, kind="initContainers") == {"requests": request, "limits": default}


def test_open_ends_of_a_limit_range(server: RunningServer, pods: str) -> None:
    made = limit(server, pods, max={"cpu": "2"}, min={"cpu": "1", "memory": "1Mi"})
    item = made.body["spec"]["limits"][0]
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"cpu": "2", "memory": "1Mi"}
    assert given(start(server, pods, {})) == {
        "requests": {"cpu": "2", "memory": "1Mi"},
        "limits": {"cpu": "2"},
    }


@pytest.mark.parametrize(
    ("item", "resources", "message"),
    [
        (
            {"max": {"cpu": "1"}},
            {"limits": {"cpu": "1500m"}},
            "maximum cpu usage per Container is 1, but limit is 1500m",
        ),
        (
            {"min": {"memory": "64Mi"}},
            {"requests": {"memory": "32Mi"}},
            "minimum memory usage per Container is 64Mi, but request is 32Mi",
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            {"type": "Pod", "max": {"cpu": "1"}},
            {"limits": {"cpu": "600m"}},
            "maximum cpu usage per Pod is 1, but limit is 1200m",
        ),
        (
            {"type": "Pod", "min": {"memory": "1Gi"}},
            {},
            "minimum memory usage per Pod is 1Gi.  No request is specified",
        ),
    ],
)
def test_bounds(
    server: RunningServer, pods: str, item: Json, resources: Json, message: str
) -> None:
    assert limit(server, pods, **item).code == 201
    refused = start(server, pods, resources, resources)
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert message in refused.body["message"]
    assert server.call("GET", pods).body["items"] == []


def test_every_broken_bound_is_told(server: RunningServer, pods: str) -> None:
    limit(server, pods, max={"cpu": "1", "memory": "1Gi"})
    refused = start(server, pods, {"limits": {"cpu": "2", "memory": "2Gi"}})
    assert refused.body["message"].endswith(
        "is forbidden: [maximum cpu usage per Container is 1, but limit is 2, "
        "maximum memory usage per Container is 1Gi, but limit is 2Gi]"
    )


def test_within_the_bounds(server: RunningServer, pods: str) -> None:
    limit(server, pods, max={"cpu": "1"}, min={"cpu": "100m"}, maxLimitRequestRatio={"cpu": "10"})
    assert (
        start(server, pods, {"requests": {"cpu": "100m"}, "limits": {"cpu": "1000m"}}).code == 201
    )


def test_defaults_count_towards_a_quota(server: RunningServer, pods: str) -> None:
    limit(server, pods, default={"cpu": "1"})
    quotas = pods.replace("/pods", "/resourcequotas")
    spec = {"hard": {"limits.cpu": "1"}}
    server.call("POST", quotas, {"metadata": {"name": "q"}, "spec": spec})
    assert start(server, pods, {}).code == 201
    assert "exceeded quota: q" in start(server, pods, {}).body["message"]


def test_claims(server: RunningServer, pods: str) -> None:
    assert limit(server, pods, type="PersistentVolumeClaim", max={"storage": "1Gi"}).code == 201
    claims = pods.replace("/pods", "/persistentvolumeclaims")
    for size, code in (("1Gi", 201), ("2Gi", 403)):
        spec = {"resources": {"requests": {"storage": size}}}
        body = {"metadata": {"generateName": "c-"}, "spec": spec}
        assert server.call("POST", claims, body).code == code


@pytest.mark.parametrize(
    "item",
    [
        {"max": {"cpu": "x"}},
        {"type": ""},
        {"min": {"cpu": "2"}, "max": {"cpu": "1"}},
        {"default": {"cpu": "2"}, "max": {"cpu": "1"}},
        {"defaultRequest": {"cpu": "2"}, "default": {"cpu": "1"}},
    ],
)
def test_a_malformed_limit_range_is_refused(server: RunningServer, pods: str, item: Json) -> None:
    assert limit(server, pods, **item).code == 422


@pytest.mark.parametrize(
    "resources",
    [{"requests": {"cpu": "two"}}, {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}, "x"],
)
def test_malformed_resources_are_refused(server: RunningServer, pods: str, resources: Json) -> None:
    assert start(server, pods, resources).code == 422
