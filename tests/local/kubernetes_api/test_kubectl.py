"""kubectl 1.35 as people use it."""

import json
import threading
from pathlib import Path

import pytest
import yaml

from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import MERGE, Json, RunningServer
from tests.local.kubernetes_api.samples import deployment, http_route, inference_service


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "objects.yaml"
    objects = [deployment("web"), inference_service("iris"), http_route("iris", 100)]
    path.write_text(yaml.safe_dump_all(objects))
    return path


def test_apply_get_and_delete(kubectl: Kubectl, manifest: Path) -> None:
    assert kubectl("apply", "-f", str(manifest)).count("created") == 3
    assert kubectl("apply", "-f", str(manifest)).count("unchanged") == 3
    manifest.write_text(manifest.read_text().replace("app:1", "app:2"))
    changed = kubectl("apply", "-f", str(manifest))
    assert changed.count("configured") == 1
    found = yaml.safe_load(kubectl("get", "deploy", "web", "-o", "yaml"))
    containers = found["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == ["app:2", "side:1"]
    assert kubectl("delete", "-f", str(manifest)).count("deleted") == 3
    assert "NotFound" in kubectl("get", "isvc", "iris", code=1)


def test_server_side_apply(kubectl: Kubectl, manifest: Path) -> None:
    apply = ("apply", "--server-side", "-f", str(manifest))
    assert kubectl(*apply).count("serverside-applied") == 3
    manifest.write_text(manifest.read_text().replace("app:1", "app:2"))
    refused = kubectl(*apply, "--field-manager", "other", code=1)
    assert 'conflict with "kubectl" using apps/v1' in refused
    assert '.spec.template.spec.containers[name="app"].image' in refused
    kubectl(*apply, "--field-manager", "other", "--force-conflicts")
    image = "{.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deploy", "web", "-o", f"jsonpath={image}") == "app:2"


def test_client_side_objects_move_to_server_side(kubectl: Kubectl, manifest: Path) -> None:
    kubectl("apply", "-f", str(manifest))
    kubectl("apply", "--server-side", "-f", str(manifest))
    manifest.write_text(manifest.read_text().replace("app:1", "app:2"))
    assert kubectl("apply", "--server-side", "-f", str(manifest)).count("applied") == 3


def test_an_inference_service_prints_as_with_kserve(
    server: RunningServer, kubectl: Kubectl, services: str
) -> None:
    server.call("POST", services, inference_service("iris"))
    status: Json = {
        "url": "http://iris.example.com",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    server.call("PATCH", f"{services}/iris/status", {"status": status}, media=MERGE)
    header, row = kubectl("get", "isvc").splitlines()
    assert header.split()[:4] == ["NAME", "URL", "READY", "PREV"]
    assert header.split()[-1] == "AGE"
    assert row.split()[:3] == ["iris", "http://iris.example.com", "True"]
    assert row.split()[-1].endswith("s")


def test_other_kinds_print_their_columns(
    server: RunningServer, kubectl: Kubectl, manifest: Path, namespace: str
) -> None:
    kubectl("apply", "-f", str(manifest))
    header, row = kubectl("get", "deployment").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == ["web", "0/1", "0", "0"]
    assert kubectl("get", "httproute").splitlines()[0].split() == ["NAME", "HOSTNAMES", "AGE"]
    header, row = kubectl("get", "ns", namespace).splitlines()
    assert header.split() == ["NAME", "STATUS", "AGE"]
    assert row.split()[1] == "Active"
    kubectl("expose", "deployment", "web", "--port", "80")
    header, row = kubectl("get", "svc").splitlines()
    assert header.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row.split()[:2] == ["web", "ClusterIP"]
    assert "80/TCP" in row
    kubectl("run", "job", "--image", "x")
    header, row = kubectl("get", "pods").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["job", "0/1", "Pending", "0"]
    assert "No resources found" in kubectl("get", "events")
    assert kubectl("get", "all").count("\nNAME") >= 2


def test_describe(kubectl: Kubectl, manifest: Path, namespace: str) -> None:
    kubectl("apply", "-f", str(manifest))
    text = kubectl("describe", "isvc", "iris")
    assert "Kind:         InferenceService" in text
    assert "sklearn" in text
    assert "app:1" in kubectl("describe", "deployment", "web")
    assert "Status:       Active" in kubectl("describe", "ns", namespace)


def test_patch_label_annotate_and_scale(kubectl: Kubectl, manifest: Path) -> None:
    kubectl("apply", "-f", str(manifest))
    kubectl("label", "isvc", "iris", "team=vision")
    kubectl("annotate", "isvc", "iris", "serving.kserve.io/stop=true")
    kubectl(
        "patch", "isvc", "iris", "--type=merge", "-p", '{"spec":{"predictor":{"minReplicas":2}}}'
    )
    weight = [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 5}]
    kubectl("patch", "httproute", "iris", "--type=json", "-p", json.dumps(weight))
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"app:3"}]}}}}'
    kubectl("patch", "deployment", "web", "-p", strategic)
    kubectl("scale", "deployment", "web", "--replicas=3")
    found = json.loads(kubectl("get", "isvc", "iris", "-o", "json"))
    assert found["metadata"]["labels"] == {"team": "vision"}
    assert found["metadata"]["annotations"]["serving.kserve.io/stop"] == "true"
    assert found["spec"]["predictor"]["minReplicas"] == 2
    assert kubectl("get", "isvc", "-l", "team=vision", "-o", "name").strip().endswith("/iris")
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "3"
    kubectl("annotate", "isvc", "iris", "serving.kserve.io/stop-")
    stop = "{.metadata.annotations.serving\\.kserve\\.io/stop}"
    assert kubectl("get", "isvc", "iris", "-o", f"jsonpath={stop}") == ""


def test_wait_sees_a_condition_and_a_deletion(
    server: RunningServer, kubectl: Kubectl, services: str
) -> None:
    server.call("POST", services, inference_service("iris"))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    later = threading.Timer(
        0.3, server.call, ("PATCH", f"{services}/iris/status", ready), {"media": MERGE}
    )
    later.start()
    waited = kubectl("wait", "--for=condition=Ready", "isvc/iris", "--timeout=20s")
    assert "condition met" in waited
    threading.Timer(0.3, server.call, ("DELETE", f"{services}/iris")).start()
    kubectl("wait", "--for=delete", "isvc/iris", "--timeout=20s")
    assert server.call("GET", f"{services}/iris").code == 404


def test_get_follows_changes(server: RunningServer, kubectl: Kubectl, services: str) -> None:
    server.call("POST", services, inference_service("iris"))
    url = {"status": {"url": "http://later"}}
    change = ("PATCH", f"{services}/iris/status", url)
    threading.Timer(0.5, server.call, change, {"media": MERGE}).start()
    lines = kubectl("get", "isvc", "--watch", "--request-timeout=2s").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["NAME", "iris", "iris"]
    assert "http://later" in lines[2]


def test_its_own_subcommands_create(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "r", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "rb", "--role=r", f"--serviceaccount={namespace}:robot")
    assert kubectl("get", "cm", "c", "-o", "jsonpath={.data}") == '{"a":"b"}'
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    assert kubectl("get", "role", "r", "-o", "jsonpath={.rules[0].verbs}") == '["get","list"]'
    subject = kubectl("get", "rolebinding", "rb", "-o", "jsonpath={.subjects[0]}")
    assert json.loads(subject)["name"] == "robot"
    other = f"{namespace}-more"
    kubectl("create", "namespace", other)
    kubectl("delete", "namespace", other)
    assert "NotFound" in kubectl("get", "ns", other, code=1)


def test_whoami_and_tokens(kubectl: Kubectl, namespace: str) -> None:
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    token = kubectl("create", "token", "default", "--duration=20m").strip()
    named = kubectl("auth", "whoami", "--token", token)
    assert f"system:serviceaccount:{namespace}:default" in named


def test_resources_and_versions_are_discovered(kubectl: Kubectl) -> None:
    text = kubectl("api-resources")
    for kind in ("InferenceService", "HTTPRoute", "Deployment", "Lease", "EndpointSlice"):
        assert kind in text
    assert "gateway.networking.k8s.io/v1" in kubectl("api-versions")
    assert "v1.35" in kubectl("version")
