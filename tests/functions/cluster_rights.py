"""What each account in the cluster is to be allowed, written out by hand, and the question that asks for it."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.functions.cluster import Cluster, accounts_of
from tests.functions.samples import Json
from tests.local.kubernetes_api.running_server import RunningServer

OWN, OTHER = "mine", "theirs"
SYSTEM = "system:serviceaccount:headrace-system"
DEPLOYER = f"system:serviceaccount:tenant-{OWN}:deployer"
MODELS = f"system:serviceaccount:tenant-{OWN}:models"
PIPELINES = f"system:serviceaccount:tenant-{OWN}-runs:pipelines"
SERVING_ACCOUNT = f"{SYSTEM}:headrace"
ONBOARDING_ACCOUNT = f"{SYSTEM}:headrace-onboarding"

CLUSTER_WIDE = ""
NAMESPACES = (
    f"tenant-{OWN}",
    f"tenant-{OWN}-runs",
    f"tenant-{OTHER}",
    f"tenant-{OTHER}-runs",
    "kube-system",
    "headrace-system",
    CLUSTER_WIDE,
)
VERBS = (
    *("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"),
    *("impersonate", "bind", "escalate"),
)
READ, WRITE = frozenset({"get", "list"}), frozenset({"create", "patch", "delete"})
EVERYTHING = READ | WRITE | {"watch", "update"}
# Group and resource of what is asked about: everything that Headrace touches, and what an intruder would want.
RESOURCES = (
    *(("", name) for name in ("pods", "pods/log", "pods/exec", "pods/status", "services")),
    *(("", name) for name in ("events", "configmaps", "secrets", "serviceaccounts")),
    *(("", name) for name in ("serviceaccounts/token", "namespaces", "persistentvolumeclaims")),
    *(("", name) for name in ("resourcequotas", "limitranges", "nodes")),
    ("apps", "deployments"),
    ("apps", "deployments/scale"),
    ("batch", "jobs"),
    ("discovery.k8s.io", "endpointslices"),
    ("networking.k8s.io", "networkpolicies"),
    *(
        ("rbac.authorization.k8s.io", name)
        for name in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    *(
        ("serving.kserve.io", name)
        for name in (
            *("inferenceservices", "inferenceservices/status", "servingruntimes"),
            "llminferenceservices",
        )
    ),
    ("serving.knative.dev", "services"),
    ("serving.kserve.io", "clusterservingruntimes"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("gateway.networking.k8s.io", "gateways"),
    ("gateway.networking.k8s.io", "gatewayclasses"),
    *(("kueue.x-k8s.io", name) for name in ("clusterqueues", "localqueues", "resourceflavors")),
    ("kueue.x-k8s.io", "workloads"),
    ("karpenter.sh", "nodepools"),
    ("karpenter.k8s.aws", "ec2nodeclasses"),
    ("argoproj.io", "workflowtaskresults"),
    ("argoproj.io", "workflows"),
)
# Written out by hand, and not read from the roles: what each account may do in which namespaces.
Rights = dict[str, frozenset[str]]
MAY: dict[str, tuple[tuple[str, ...], Rights]] = {
    MODELS: ((), {}),
    SERVING_ACCOUNT: (
        NAMESPACES,
        dict.fromkeys(("clusterservingruntimes", "nodepools", "nodes"), READ)
        | {"gatewayclasses": frozenset({"get"})},
    ),
    DEPLOYER: (
        (f"tenant-{OWN}",),
        {
            "inferenceservices": EVERYTHING,
            "llminferenceservices": EVERYTHING,
            "httproutes": EVERYTHING,
            **dict.fromkeys(
                (
                    *("servingruntimes", "deployments", "endpointslices", "pods", "services"),
                    *("events", "resourcequotas"),
                ),
                READ,
            ),
            "namespaces": frozenset({"get"}),
        },
    ),
    PIPELINES: (
        (f"tenant-{OWN}-runs",),
        {"workflowtaskresults": frozenset({"create", "patch"}), "pods": frozenset({"get"})},
    ),
    ONBOARDING_ACCOUNT: (
        NAMESPACES,
        {
            **dict.fromkeys(
                (
                    *("namespaces", "serviceaccounts", "resourcequotas", "limitranges"),
                    *("networkpolicies", "rolebindings", "localqueues", "clusterqueues"),
                    *("resourceflavors", "nodepools"),
                ),
                READ | WRITE,
            ),
            "inferenceservices": READ,
            "llminferenceservices": READ,
            "httproutes": READ,
        },
    ),
}


@dataclass(frozen=True)
class Question:
    account: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""

    @property
    def expected(self) -> bool:
        namespaces, rights = MAY[self.account]
        return self.namespace in namespaces and self.verb in rights.get(self.resource, ())

    def body(self) -> Json:
        namespace, _, account = self.account.removeprefix("system:serviceaccount:").partition(":")
        assert account
        resource, _, subresource = self.resource.partition("/")
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": self.account,
                "groups": [
                    "system:serviceaccounts",
                    f"system:serviceaccounts:{namespace}",
                    "system:authenticated",
                ],
                "resourceAttributes": {
                    "verb": self.verb,
                    "group": self.group,
                    "resource": resource,
                    "subresource": subresource,
                    "namespace": self.namespace,
                    "name": self.name,
                },
            },
        }


def onboard_both(server: RunningServer) -> None:
    """Two tenants, made by the onboarding account with its own token."""
    Cluster(server, OWN).onboard()
    Cluster(server, OTHER).onboard()


@contextmanager
def connection(server: RunningServer) -> Iterator[http.client.HTTPSConnection]:
    authority = accounts_of(server.kubeconfig).serving.certificate_authority
    context = ssl.create_default_context(cadata=authority)
    opened = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=15, context=context)
    try:
        yield opened
    finally:
        opened.close()
