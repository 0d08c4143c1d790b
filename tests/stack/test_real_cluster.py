"""`up --kubeconfig`: the same functions against a cluster that somebody else runs.

An API server alone plays that cluster, and the test its controllers: it writes what KServe would.
"""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from local import services
from local.processes import Processes
from local.settings import PROJECT, load
from tests.functions.cluster import GATEWAY, RUNTIME
from tests.stack.caller import Json
from tests.stack.cluster import ROUTES, SERVICES
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.waiting import eventually

INGRESS = "http://gateway.example.com"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{namespace}/deployments"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
NAMESPACES = "/api/v1/namespaces"
RUNTIMES = "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    settings = load(tmp_path / "cluster", "auto", environment={})
    processes = Processes(settings.state, PROJECT)
    service = services.kubernetes(settings)
    processes.start(service)
    try:
        processes.wait_ready(service)
        yield settings.kubeconfig
    finally:
        processes.stop(service.name)


@pytest.fixture
def elsewhere(tmp_path: Path, kubeconfig: Path) -> Iterator[RunningStack]:
    environment = {"HEADRACE_INGRESS_URL": INGRESS}
    running = RunningStack(tmp_path / "state", kubeconfig, environment)
    try:
        running.up()
        _install_serving(running)
        yield running
    finally:
        running.down()


def test_a_rollout_on_a_cluster_that_is_not_ours(elsewhere: RunningStack, kubeconfig: Path) -> None:
    assert elsewhere.described["kubeconfig"] == str(kubeconfig)
    for name in ("kubernetes", "controller", "gateway"):
        assert elsewhere.processes.running(name) is None
    project = Project(elsewhere, "acme", "vision")
    created = project.caller.call("POST", "/projects", {"name": project.name})
    assert created.status == HTTPStatus.CREATED

    version = project.publish("digits", b"only a model server would look into it")
    running = project.running_rollout("digits", version)
    service = eventually(lambda: project.revision("digits", version), "the revision to be applied")
    assert (
        service["spec"]["predictor"]["model"]["storageUri"]
        == (project.version("digits", version)["uri"])
    )
    assert elsewhere.cluster.find(NAMESPACES, "", "tenant-globex") is not None
    _be_ready(elsewhere, project.revision_name("digits", version))
    eventually(lambda: project.route("digits"), "the route to be applied")
    _accept_route(elsewhere, "vision--digits")

    deployment = project.settled("digits", version)
    assert deployment["last_rollout"]["rollout"] == running
    assert deployment["last_rollout"]["state"] == "Promoted"
    path = f"{INGRESS}/serving/tenant-acme/vision--digits/v2/models/digits/infer"
    assert deployment["endpoints"]["v2"] == path
    route = project.route("digits")
    assert route is not None
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    assert (backend["name"], backend["weight"]) == ("vision--digits--v1-predictor", 100)

    failing = project.publish("digits", b"another one")
    eventually(lambda: project.revision("digits", failing), "the next revision to be applied")
    _fail_to_load(elsewhere, project.revision_name("digits", failing))
    ended = _settled_as_the_gateway_follows(elsewhere, project, failing)
    assert ended["last_rollout"]["reason"]["code"] == "ModelLoadFailed"
    assert ended["stable"] == deployment["stable"]
    project.wait_until_gone("digits", failing)


def _install_serving(stack: RunningStack) -> None:
    """What whoever runs the cluster has installed, and a rollout looks for beforehand."""
    stack.cluster.create(RUNTIMES, "", RUNTIME)
    stack.cluster.create(GATEWAYS, "headrace-system", GATEWAY)
    conditions = [{"type": kind, "status": "True"} for kind in ("Accepted", "Programmed")]
    stack.cluster.write_status(GATEWAYS, "headrace-system", "headrace", {"conditions": conditions})


def _be_ready(stack: RunningStack, name: str) -> None:
    """Write what KServe and Kubernetes write for a revision that is served."""
    predictor, labels = f"{name}-predictor", {"app": f"isvc.{name}-predictor"}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    container = {"name": "kserve-container", "image": "none"}
    service = stack.cluster.find(SERVICES, "tenant-acme", name)
    assert service is not None
    metadata = {"labels": labels, "annotations": service["spec"]["predictor"]["annotations"]}
    deployment: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": predictor},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": metadata, "spec": {"containers": [container]}},
        },
        "status": status,
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": predictor, "labels": {"kubernetes.io/service-name": predictor}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    stack.cluster.create(SLICES, "tenant-acme", endpoints)
    stack.cluster.create(DEPLOYMENTS, "tenant-acme", deployment)


def _accept_route(stack: RunningStack, name: str) -> None:
    """Write what a gateway writes of a route that it serves."""
    route = stack.cluster.find(ROUTES, "tenant-acme", name)
    assert route is not None
    generation = route["metadata"]["generation"]
    conditions = [
        {"type": kind, "status": "True", "observedGeneration": generation}
        for kind in ("Accepted", "ResolvedRefs")
    ]
    parent = {
        "parentRef": route["spec"]["parentRefs"][0],
        "controllerName": "example.com/gateway",
        "conditions": conditions,
    }
    stack.cluster.write_status(ROUTES, "tenant-acme", name, {"parents": [parent]})


def _settled_as_the_gateway_follows(stack: RunningStack, project: Project, version: int) -> Json:
    """The traffic is turned back before the rollout ends, and the gateway must say that it is."""

    def look() -> Json | None:
        _accept_route(stack, "vision--digits")
        found = project.deployment("digits")
        last = found["last_rollout"] if found and not found["running"] else None
        return found if last and last["version"] == version else None

    return eventually(look, f"the rollout of version {version} to end", 60)


def _fail_to_load(stack: RunningStack, name: str) -> None:
    """Write what KServe writes for a model that its server cannot load."""
    failure = {"reason": "ModelLoadFailed", "message": "the file is no model", "exitCode": 1}
    status = {
        "modelStatus": {
            "transitionStatus": "BlockedByFailedLoad",
            "lastFailureInfo": failure,
            "states": {"activeModelState": "", "targetModelState": "FailedToLoad"},
        }
    }
    stack.cluster.write_status(SERVICES, "tenant-acme", name, status)
