"""ResourceQuotas: what is over is refused, what is used is shown, and nothing races."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes
import pytest

from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import APPLY, MERGE, Answer, Json, RunningServer
from tests.local.kubernetes_api.samples import inference_service
from tests.waiting import eventually

INFERENCE_SERVICES = "count/inferenceservices.serving.kserve.io"


@pytest.fixture
def quotas(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/resourcequotas"


@pytest.fixture
def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def limit(server: RunningServer, quotas: str, name: str = "q", **hard: object) -> None:
    """`hard` is written with __ for a dot."""
    named = {key.replace("__", "."): amount for key, amount in hard.items()}
    make(server, quotas, named, name)


def make(server: RunningServer, quotas: str, hard: Json, name: str = "q") -> None:
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": hard}}
    path = f"{quotas}/{name}?fieldManager=tester&force=true"
    done = server.call("PATCH", path, body, media=APPLY)
    assert done.code in (200, 201), done.body


def used(server: RunningServer, quotas: str, name: str = "q") -> Json:
    status: Json = server.call("GET", f"{quotas}/{name}").body["status"]["used"]
    return status


def pod(name: str, *containers: Json, **spec: object) -> Json:
    listed = [{"name": f"c{i}", "image": "x", **one} for i, one in enumerate(containers or ({},))]
    return {"metadata": {"name": name}, "spec": {"containers": listed, **spec}}


def needs(requests: Json | None = None, limits: Json | None = None) -> Json:
    found = {"requests": requests, "limits": limits}
    return {"resources": {key: value for key, value in found.items() if value}}


def refusal(answer: Answer) -> str:
    assert (answer.code, answer.body["reason"]) == (403, "Forbidden"), answer.body
    return str(answer.body["message"])


def test_inference_services_are_counted(server: RunningServer, services: str, quotas: str) -> None:
    server.call("POST", services, inference_service("early"))
    make(server, quotas, {INFERENCE_SERVICES: 2})
    found = server.call("GET", f"{quotas}/q").body
    assert found["status"] == {"hard": {INFERENCE_SERVICES: "2"}, "used": {INFERENCE_SERVICES: "1"}}
    assert server.call("POST", services, inference_service("second")).code == 201
    assert refusal(server.call("POST", services, inference_service("third"))) == (
        'inferenceservices.serving.kserve.io "third" is forbidden: exceeded quota: q, '
        f"requested: {INFERENCE_SERVICES}=1, used: {INFERENCE_SERVICES}=2, "
        f"limited: {INFERENCE_SERVICES}=2"
    )
    applied = inference_service("fourth")
    path = f"{services}/fourth?fieldManager=tester"
    assert "exceeded quota" in refusal(server.call("PATCH", path, applied, media=APPLY))
    dry = server.call("POST", f"{services}?dryRun=All", inference_service("fifth"))
    assert "exceeded quota" in refusal(dry)
    annotated = {"metadata": {"annotations": {"a": "b"}}}
    assert server.call("PATCH", f"{services}/early", annotated, media=MERGE).code == 200
    assert server.call("DELETE", f"{services}/early").code == 200
    assert used(server, quotas) == {INFERENCE_SERVICES: "1"}
    assert server.call("POST", services, inference_service("third")).code == 201


def test_a_dry_run_uses_nothing(server: RunningServer, quotas: str, config_maps: str) -> None:
    limit(server, quotas, configmaps=1)
    for _ in range(2):
        body = {"metadata": {"name": "a"}}
        assert server.call("POST", f"{config_maps}?dryRun=All", body).code == 201
    assert used(server, quotas) == {"configmaps": "0"}


def test_names_of_counts(server: RunningServer, namespace: str, quotas: str, services: str) -> None:
    counted: dict[str, tuple[str, str, Json]] = {
        "secrets": ("/api/v1", "secrets", {}),
        "count/secrets": ("/api/v1", "secrets", {}),
        "services": ("/api/v1", "services", {"spec": {"ports": [{"port": 80}]}}),
        "services.loadbalancers": ("/api/v1", "services", {"spec": {"type": "LoadBalancer"}}),
        "services.nodeports": (
            "/api/v1",
            "services",
            {"spec": {"type": "NodePort", "ports": [{"port": 1}]}},
        ),
        "persistentvolumeclaims": ("/api/v1", "persistentvolumeclaims", {}),
        "requests.storage": (
            "/api/v1",
            "persistentvolumeclaims",
            {"spec": {"resources": {"requests": {"storage": "1Gi"}}}},
        ),
        "gold.storageclass.storage.k8s.io/requests.storage": (
            "/api/v1",
            "persistentvolumeclaims",
            {
                "spec": {
                    "storageClassName": "gold",
                    "resources": {"requests": {"storage": "1Gi"}},
                }
            },
        ),
        "count/deployments.apps": ("/apis/apps/v1", "deployments", {}),
        "pods": ("/api/v1", "pods", {"spec": {"containers": []}}),
    }
    for resource, (root, plural, body) in counted.items():
        path = f"{root}/namespaces/{namespace}/{plural}"
        make(server, quotas, {resource: 0})
        refused = server.call("POST", path, {**body, "metadata": {"name": "refused"}})
        assert f"exceeded quota: q, requested: {resource}=1" in refusal(refused)
        assert server.call("DELETE", f"{quotas}/q").code == 200
        assert server.call("POST", path, {**body, "metadata": {"name": "refused"}}).code == 201
        assert server.call("DELETE", f"{path}/refused").code == 200


def test_compute_of_pods(server: RunningServer, quotas: str, pods: str) -> None:
    hard = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.memory": "2Gi", "pods": 4}
    make(server, quotas, {**hard, "requests.nvidia.com/gpu": 1})
    first = needs({"cpu": "250m", "memory": "512Mi"}, {"memory": "1Gi"})
    second = needs({"cpu": 0.25, "memory": "1Mi"}, {"memory": "1048576"})
    assert server.call("POST", pods, pod("a", first, second)).code == 201
    assert used(server, quotas) == {
        "requests.cpu": "500m",
        "requests.memory": "513Mi",
        "limits.memory": "1025Mi",
        "pods": "1",
        "requests.nvidia.com/gpu": "0",
    }
    over = needs({"cpu": "600m", "memory": "600Mi"}, {"memory": "600Mi"})
    assert refusal(server.call("POST", pods, pod("b", over))) == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m,'
        "requests.memory=600Mi, used: requests.cpu=500m,requests.memory=513Mi, "
        "limited: requests.cpu=1,requests.memory=1Gi"
    )
    small = {"cpu": "1m", "memory": "1Mi"}
    gpu = needs(small, {"memory": "1Mi", "nvidia.com/gpu": 1})
    assert server.call("POST", pods, pod("g", gpu)).code == 201  # its limit is its request
    assert "requests.nvidia.com/gpu=1" in refusal(server.call("POST", pods, pod("h", gpu)))
    # What has ended uses nothing but its own count.
    ended = {"status": {"phase": "Succeeded"}}
    assert server.call("PATCH", f"{pods}/a/status", ended, media=MERGE).code == 200
    assert used(server, quotas)["requests.memory"] == "1Mi"
    assert used(server, quotas)["pods"] == "1"
    assert server.call("POST", pods, pod("b", over)).code == 201


def test_a_quota_on_compute_demands_that_it_is_said(
    server: RunningServer, quotas: str, pods: str
) -> None:
    limit(server, quotas, limits__cpu="1", requests__memory="1Gi")
    silent = pod("silent", {}, needs({"memory": "1Mi"}))
    assert refusal(server.call("POST", pods, silent)) == (
        'pods "silent" is forbidden: failed quota: q: must specify limits.cpu for: c0,c1; '
        "requests.memory for: c0"
    )


def test_init_containers_and_sidecars(server: RunningServer, quotas: str, pods: str) -> None:
    limit(server, quotas, cpu="10")
    sidecar = {"name": "s", "restartPolicy": "Always", **needs({"cpu": "1"})}
    setup = {"name": "i", **needs({"cpu": "4"})}
    body = pod("a", needs({"cpu": "2"}), needs({"cpu": "1"}), initContainers=[sidecar, setup])
    assert server.call("POST", pods, body).code == 201
    assert used(server, quotas) == {"cpu": "5"}  # setup beside the sidecar: more than 2 + 1 + 1
    body = pod("b", needs({"cpu": "2"}), initContainers=[setup], overhead={"cpu": "250m"})
    assert server.call("POST", pods, body).code == 201
    assert used(server, quotas) == {"cpu": "9250m"}


def test_every_quota_of_a_namespace_counts(
    server: RunningServer, quotas: str, config_maps: str
) -> None:
    limit(server, quotas, "wide", configmaps=5)
    limit(server, quotas, "narrow", configmaps=1)
    assert server.call("POST", config_maps, {"metadata": {"name": "a"}}).code == 201
    refused = server.call("POST", config_maps, {"metadata": {"name": "b"}})
    assert "exceeded quota: narrow" in refusal(refused)
    assert used(server, quotas, "wide") == {"configmaps": "1"}


def test_a_changed_quota(server: RunningServer, quotas: str, config_maps: str) -> None:
    limit(server, quotas, configmaps=1)
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    limit(server, quotas, configmaps=2, secrets="3")
    status = server.call("GET", f"{quotas}/q").body["status"]
    assert status == {
        "hard": {"configmaps": "2", "secrets": "3"},
        "used": {"configmaps": "1", "secrets": "0"},
    }
    limit(server, quotas, configmaps=0)  # what is there stays, nothing comes
    assert server.call("GET", f"{config_maps}/a").code == 200
    refused = server.call("POST", config_maps, {"metadata": {"name": "b"}})
    assert "used: configmaps=1, limited: configmaps=0" in refusal(refused)
    lie = {"status": {"used": {"configmaps": "0"}}}
    server.call("PATCH", f"{quotas}/q/status", lie, media=MERGE)
    assert used(server, quotas) == {"configmaps": "1"}


def test_a_grown_claim_and_an_exposed_service(
    server: RunningServer, namespace: str, quotas: str
) -> None:
    make(server, quotas, {"requests.storage": "2Gi", "services.loadbalancers": 0})
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    size = {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    assert server.call("POST", claims, {"metadata": {"name": "a"}, **size}).code == 201
    for wanted, code in (("2Gi", 200), ("3Gi", 403)):
        size["spec"]["resources"]["requests"]["storage"] = wanted
        assert server.call("PATCH", f"{claims}/a", size, media=MERGE).code == code
    exposed = f"/api/v1/namespaces/{namespace}/services"
    body = {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    assert server.call("POST", exposed, body).code == 201
    wider = {"spec": {"type": "LoadBalancer"}}
    refused = refusal(server.call("PATCH", f"{exposed}/a", wider, media=MERGE))
    assert "services.loadbalancers=1" in refused


def test_parallel_creates_never_exceed(
    server: RunningServer, quotas: str, config_maps: str, services: str
) -> None:
    make(server, quotas, {"configmaps": 7, INFERENCE_SERVICES: 5})

    def create(number: int) -> tuple[int, int]:
        body = {"metadata": {"name": f"c{number}"}}
        made = server.call("POST", config_maps, body).code
        applied = inference_service(f"s{number}")
        path = f"{services}/s{number}?fieldManager=tester"
        return made, server.call("PATCH", path, applied, media=APPLY).code

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(create, range(48)))
    assert sorted({code for pair in codes for code in pair}) == [201, 403]
    assert [pair[0] for pair in codes].count(201) == 7
    assert [pair[1] for pair in codes].count(201) == 5
    assert used(server, quotas) == {"configmaps": "7", INFERENCE_SERVICES: "5"}
    with ThreadPoolExecutor(16) as pool:
        names = [one["metadata"]["name"] for one in server.call("GET", config_maps).body["items"]]
        list(pool.map(lambda name: server.call("DELETE", f"{config_maps}/{name}"), names))
    assert used(server, quotas)["configmaps"] == "0"


def test_what_cascades_is_given_back(
    server: RunningServer, quotas: str, config_maps: str, deployments: str
) -> None:
    limit(server, quotas, configmaps=1)
    owner = server.call("POST", deployments, {"metadata": {"name": "o"}, "spec": {}}).body
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "o"}
    reference["uid"] = owner["metadata"]["uid"]
    body = {"metadata": {"name": "a", "ownerReferences": [reference]}}
    assert server.call("POST", config_maps, body).code == 201
    server.call("DELETE", f"{deployments}/o")
    eventually(lambda: used(server, quotas) == {"configmaps": "0"}, "the dependent is gone")


def test_use_is_known_after_a_restart(own_server: RunningServer) -> None:
    maps, quotas = (f"/api/v1/namespaces/default/{p}" for p in ("configmaps", "resourcequotas"))
    own_server.call("POST", maps, {"metadata": {"name": "a"}})
    limit(own_server, quotas, configmaps=2)
    assert own_server.stop() == 0
    own_server.start()
    assert used(own_server, quotas) == {"configmaps": "1"}
    assert own_server.call("POST", maps, {"metadata": {"name": "b"}}).code == 201
    assert "used: configmaps=2" in refusal(
        own_server.call("POST", maps, {"metadata": {"name": "c"}})
    )


def test_a_namespace_that_ends_takes_nothing_new(server: RunningServer, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    held = {"metadata": {"name": "held", "finalizers": ["example.com/held"]}}
    assert server.call("POST", f"{path}/configmaps", held).code == 201
    server.call("DELETE", path)
    refused = server.call("POST", f"{path}/secrets", {"metadata": {"name": "late"}})
    assert refusal(refused) == (
        f'secrets "late" is forbidden: unable to create new content in namespace {namespace} '
        "because it is being terminated"
    )
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    released = {"metadata": {"finalizers": None}}
    server.call("PATCH", f"{path}/configmaps/held", released, media=MERGE)
    eventually(lambda: server.call("GET", path).code == 404, "the namespace is gone")


@pytest.mark.parametrize(
    "spec",
    [{"hard": {"pods": "many"}}, {"hard": {"pods": "-1"}}, {"hard": {}, "scopes": ["BestEffort"]}],
)
def test_a_malformed_quota_is_refused(server: RunningServer, quotas: str, spec: Json) -> None:
    refused = server.call("POST", quotas, {"metadata": {"name": "q"}, "spec": spec})
    assert (refused.code, refused.body["reason"]) == (422, "Invalid")


def test_kubectl_and_the_official_client(
    kubectl: Kubectl, client: kubernetes.client.ApiClient, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "quota", "q", "--hard=configmaps=1,limits.cpu=2,pods=10")
    kubectl("create", "configmap", "a")
    refused = kubectl("create", "configmap", "b", code=1)
    assert "exceeded quota: q, requested: configmaps=1" in refused
    header, row = kubectl("get", "quota").splitlines()
    assert header.split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert "configmaps: 1/1, pods: 0/10" in row
    assert "limits.cpu: 0/2" in row
    assert "configmaps  1     1" in kubectl("describe", "quota", "q")
    core = kubernetes.client.CoreV1Api(client)
    found = core.read_namespaced_resource_quota("q", namespace)
    assert found.status.used["configmaps"] == "1"
    body = kubernetes.client.V1ConfigMap(metadata={"name": "b"})
    with pytest.raises(kubernetes.client.ApiException) as over:
        core.create_namespaced_config_map(namespace, body)
    assert over.value.status == 403
