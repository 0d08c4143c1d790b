"""No account of a tenant, and no function in its name, reaches another tenant: tried on the embedded cluster."""

from collections.abc import Callable
from typing import Any

import pytest

from controlplane.adapters.kserve_manifests import inference_service
from controlplane.adapters.kserve_routes import http_route
from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from controlplane.adapters.kubernetes_revisions import KubernetesRevisions
from controlplane.errors import ClusterRefusedError
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import CATALOG
from tests.functions.cluster import accounts_of
from tests.functions.cluster_rights import (
    DEPLOYER,
    MODELS,
    ONBOARDING_ACCOUNT,
    OTHER,
    OWN,
    connection,
    onboard_both,
)
from tests.functions.samples import Json
from tests.local.kubernetes_api.running_server import RunningServer

GATEWAY = ("headrace-system", "headrace")


@pytest.fixture(scope="module", autouse=True)
def tenants(server: RunningServer) -> None:
    onboard_both(server)


def api_of(server: RunningServer, account: str) -> KubernetesApi:
    access = getattr(accounts_of(server.kubeconfig), account)
    return KubernetesApi(
        ClusterAccess(access.server, access.certificate_authority, lambda _fresh: access.token)
    )


def revision(tenant_id: str) -> RevisionSpec:
    version = ServedVersion(model="digits", number=1, uri="s3://m", format="sklearn", files={})
    return RevisionSpec(tenant_id, "vision", "digits", "r-00000001", version, CATALOG["sklearn"])


def test_a_tenants_own_token_opens_its_own_namespace_alone(server: RunningServer) -> None:
    """What somebody could do who takes the token of a pipeline's step."""
    path = f"/api/v1/namespaces/tenant-{OWN}-runs/serviceaccounts/pipelines/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = server.call("POST", path, request).body["status"]["token"]
    results = "/apis/argoproj.io/v1alpha1/namespaces/{}/workflowtaskresults"

    # 404, for the embedded cluster has no pod of that name: it may ask.
    assert (
        server.call("GET", f"/api/v1/namespaces/tenant-{OWN}-runs/pods/step", token=token).code
        == 404
    )
    for refused in (
        f"/api/v1/namespaces/tenant-{OWN}-runs/pods",
        f"/api/v1/namespaces/tenant-{OTHER}-runs/pods/step",
        f"/api/v1/namespaces/tenant-{OWN}/pods/step",
        f"/api/v1/namespaces/tenant-{OWN}-runs/secrets",
        f"/api/v1/namespaces/tenant-{OTHER}",
        "/api/v1/namespaces",
        results.format(f"tenant-{OWN}-runs"),
    ):
        assert server.call("GET", refused, token=token).code == 403, refused


def test_a_bug_that_names_another_tenants_namespace_is_refused_by_the_cluster(
    server: RunningServer,
) -> None:
    """Every call that serving makes, made in the name of one tenant against the objects of the other."""
    KubernetesRevisions(api_of(server, "serving"), GATEWAY).apply_revision(revision(OTHER))
    own = api_of(server, "serving").as_deployer(OWN)
    group = f"apis/serving.kserve.io/v1beta1/namespaces/tenant-{OTHER}/inferenceservices"
    service = f"{group}/vision--digits--v1"
    routes = f"apis/gateway.networking.k8s.io/v1/namespaces/tenant-{OTHER}/httproutes"
    route = http_route(OTHER, "vision", "digits", {"vision--digits--v1": 100}, GATEWAY)
    before = server.call("GET", f"/{service}").body

    attempts: list[Callable[[], Any]] = [
        lambda: own.find(service),
        lambda: own.list(group, {}),
        lambda: own.apply(service, inference_service(revision(OTHER))),
        lambda: own.merge(service, {"metadata": {"labels": {"a": "b"}}}),
        lambda: own.delete(service),
        lambda: own.apply(f"{routes}/vision--digits", route),
        lambda: own.delete(f"{routes}/vision--digits"),
        lambda: own.find(f"api/v1/namespaces/tenant-{OTHER}"),
        lambda: own.list(f"apis/apps/v1/namespaces/tenant-{OTHER}/deployments", {}),
        lambda: own.list(f"api/v1/namespaces/tenant-{OTHER}/secrets", {}),
        lambda: own.find("api/v1/namespaces/kube-system"),
        lambda: own.list("apis/serving.kserve.io/v1beta1/inferenceservices", {}),
    ]
    for attempt in attempts:
        with pytest.raises(ClusterRefusedError, match="403"):
            attempt()

    assert server.call("GET", f"/{service}").body == before


def test_the_functions_account_does_nothing_in_its_own_name(server: RunningServer) -> None:
    api = api_of(server, "serving")

    for path in (
        f"apis/serving.kserve.io/v1beta1/namespaces/tenant-{OWN}/inferenceservices/any",
        f"api/v1/namespaces/tenant-{OWN}",
        "api/v1/namespaces/headrace-system/secrets/any",
    ):
        with pytest.raises(ClusterRefusedError, match="403"):
            api.find(path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Impersonate-User": "kubernetes-admin"},
        {"Impersonate-User": "system:serviceaccount:kube-system:default"},
        {"Impersonate-User": ONBOARDING_ACCOUNT},
        {"Impersonate-User": MODELS},
        {"Impersonate-User": DEPLOYER, "Impersonate-Group": "system:masters"},
        {"Impersonate-User": DEPLOYER, "Impersonate-Group": "headrace-onboarding"},
        {"Impersonate-User": DEPLOYER, "Impersonate-Extra-Reason": "curiosity"},
        {"Impersonate-User": DEPLOYER, "Impersonate-Uid": "1"},
    ],
)
def test_the_functions_account_becomes_nobody_but_a_deployer(
    server: RunningServer, headers: dict[str, str]
) -> None:
    path = f"/api/v1/namespaces/tenant-{OWN}"

    assert _get(server, path, {"Impersonate-User": DEPLOYER}) == 200
    assert _get(server, path, headers) == 403


def test_onboarding_cannot_give_what_it_was_not_given(server: RunningServer) -> None:
    """Neither roles of its own making, nor roles that others made, nor anything to itself for the whole cluster."""
    api = api_of(server, "onboarding")
    rbac = "apis/rbac.authorization.k8s.io/v1"
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    secrets = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    _, reader = _rbac("ClusterRole", "secret-reader", "", rules=secrets)
    assert server.call("POST", f"/{rbac}/clusterroles", reader).code in (201, 409)
    attempts = [
        _rbac("Role", "grab", f"{rbac}/namespaces/kube-system/roles", rules=everything),
        _rbac("ClusterRole", "headrace-deployer", f"{rbac}/clusterroles", rules=everything),
        _rbac("ClusterRole", "grab", f"{rbac}/clusterroles", rules=everything),
        _binding("ClusterRoleBinding", f"{rbac}/clusterrolebindings", "headrace-deployer"),
        *(
            _binding("RoleBinding", f"{rbac}/namespaces/tenant-{OWN}/rolebindings", role)
            for role in ("cluster-admin", "secret-reader")
        ),
    ]

    for path, manifest in attempts:
        with pytest.raises(ClusterRefusedError, match="403"):
            api.apply(path, manifest)
    allowed = _binding(
        "RoleBinding", f"{rbac}/namespaces/tenant-{OWN}/rolebindings", "headrace-pipelines"
    )
    assert api.apply(*allowed)
    api.delete(allowed[0])


def _rbac(kind: str, name: str, collection: str, **fields: Any) -> tuple[str, Json]:
    return f"{collection}/{name}", {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        **fields,
    }


def _binding(kind: str, collection: str, role: str) -> tuple[str, Json]:
    subject = {
        "kind": "ServiceAccount",
        "name": "headrace-onboarding",
        "namespace": "headrace-system",
    }
    return _rbac(
        kind,
        "grab",
        collection,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        subjects=[subject],
    )


def _get(server: RunningServer, path: str, headers: dict[str, str]) -> int:
    token = accounts_of(server.kubeconfig).serving.token
    with connection(server) as opened:
        opened.request("GET", path, headers={"Authorization": f"Bearer {token}", **headers})
        answer = opened.getresponse()
        answer.read()
        return answer.status
