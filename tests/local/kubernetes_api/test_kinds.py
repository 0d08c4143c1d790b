"""Kueue's, Karpenter's and the policy kinds: served as upstream defines them, printed, applied, merged."""

import json
from typing import Any

import pytest
import yaml

from local.kubernetes_api.resource_table import ResourceTable
from tests.custom_resources import DEFINITIONS
from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import APPLY, Json, RunningServer

MANIFESTS = """
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: NAME}
spec:
  cohortName: shared
  resourceGroups:
  - coveredResources: [cpu]
    flavors: [{name: default, resources: [{name: cpu, nominalQuota: 4}]}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: queue}
spec: {clusterQueue: NAME}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: NAME}
spec: {nodeLabels: {a: b}}
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: Cohort
metadata: {name: NAME}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: NAME}
spec: {weight: 5, template: {spec: {nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: gpu}}}}
---
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: NAME, labels: {node.kubernetes.io/instance-type: g5.xlarge}}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: NAME}
spec: {role: nodes}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: x}}, policyTypes: [Ingress, Egress]}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: NAME}
value: 7
"""
SHOWN = {
    "cq": ("NAME COHORT PENDING WORKLOADS AGE", "NAME shared"),
    "lq": ("NAME CLUSTERQUEUE PENDING WORKLOADS ADMITTED WORKLOADS AGE", "queue NAME"),
    "flavors": ("NAME AGE", "NAME"),
    "cohorts": ("NAME PARENT AGE", "NAME"),
    "nodepools": ("NAME NODECLASS NODES READY AGE", "NAME gpu"),
    "nodeclaims": ("NAME TYPE CAPACITY ZONE NODE READY AGE", "NAME g5.xlarge"),
    "ec2nc": ("NAME READY AGE", "NAME"),
    "netpol": ("NAME POD-SELECTOR AGE", "deny app=x"),
    "pc": ("NAME VALUE GLOBAL-DEFAULT AGE", "NAME 7"),
}


def test_kubectl_applies_shows_and_deletes_them(kubectl: Kubectl, namespace: str) -> None:
    manifests = MANIFESTS.replace("NAME", namespace)
    said = kubectl("apply", "--server-side", "-f", "-", stdin=manifests)
    assert said.count("serverside-applied") == 9
    again = kubectl("apply", "-f", "-", stdin=manifests)
    assert again.count("configured") + again.count("unchanged") == 9
    for kind, (header, row) in SHOWN.items():
        wanted = row.replace("NAME", namespace).split()
        lines = kubectl("get", kind).splitlines()
        assert " ".join(lines[0].split()) == header
        shown = next(line.split() for line in lines if line.split()[0] == wanted[0])
        assert shown[: len(wanted)] == wanted
    assert kubectl("delete", "-f", "-", stdin=manifests).count("deleted") == 9


def test_both_versions_of_a_queue_are_one_object(server: RunningServer, namespace: str) -> None:
    root = "/apis/kueue.x-k8s.io"
    body = {"metadata": {"name": namespace}, "spec": {}}
    assert server.call("POST", f"{root}/v1beta1/clusterqueues", body).code == 201
    assert server.call("POST", f"{root}/v1beta2/clusterqueues", body).code == 409
    found = server.call("GET", f"{root}/v1beta2/clusterqueues/{namespace}").body
    assert found["apiVersion"] == "kueue.x-k8s.io/v1beta2"
    group = server.call("GET", root).body
    assert group["preferredVersion"]["version"] == "v1beta2"


def test_flavors_of_a_queue_merge_by_name(server: RunningServer, namespace: str) -> None:
    """Two owners of one flavor's resources each keep their own."""
    path = f"/apis/kueue.x-k8s.io/v1beta2/clusterqueues/{namespace}"
    status = f"{path}/status"
    for manager, flavor in (("a", "spot"), ("b", "ondemand")):
        usage = [{"name": flavor, "resources": [{"name": "cpu", "total": 1}]}]
        if manager == "a":
            body = {"metadata": {"name": namespace}, "spec": {}}
            server.call("POST", path.rpartition("/")[0], body)
        applied = {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "ClusterQueue",
            "status": {"flavorsUsage": usage},
        }
        done = server.call("PATCH", f"{status}?fieldManager={manager}", applied, media=APPLY)
        assert done.code == 200, done.body
    found = server.call("GET", path).body["status"]["flavorsUsage"]
    assert [one["name"] for one in found] == ["spot", "ondemand"]


def test_scopes(server: RunningServer, namespace: str) -> None:
    inside = f"namespaces/{namespace}"
    for path, code in (
        ("/apis/kueue.x-k8s.io/v1beta2/clusterqueues", 200),
        (f"/apis/kueue.x-k8s.io/v1beta2/{inside}/clusterqueues", 404),
        (f"/apis/kueue.x-k8s.io/v1beta2/{inside}/localqueues", 200),
        ("/apis/karpenter.sh/v1/nodepools", 200),
        (f"/apis/karpenter.sh/v1/{inside}/nodepools", 404),
        (f"/apis/karpenter.k8s.aws/v1/{inside}/ec2nodeclasses", 404),
    ):
        assert server.call("GET", path).code == code


@pytest.mark.parametrize(
    "definition",
    [
        *(f"kueue/kueue.x-k8s.io_{p}" for p in ("clusterqueues", "localqueues", "resourceflavors")),
        "kueue/kueue.x-k8s.io_cohorts",
        "karpenter/karpenter.sh_nodepools",
        "karpenter/karpenter.sh_nodeclaims",
        "karpenter-provider-aws/karpenter.k8s.aws_ec2nodeclasses",
    ],
)
def test_they_are_what_upstream_defines(definition: str) -> None:
    file = DEFINITIONS / f"{definition}.yaml"
    if not file.exists():
        pytest.skip(f"upstream's definitions are not beside the project: no {definition}")
    spec = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        served = ResourceTable().find(spec["group"], version["name"], names["plural"])
        assert served is not None
        assert served.kind == names["kind"]
        assert served.namespaced is (spec["scope"] == "Namespaced")
        assert list(served.short_names) == names.get("shortNames", [])
        assert list(served.categories) == names.get("categories", [])
        assert served.has_status is ("status" in version.get("subresources", {}))
        paths = {column["jsonPath"] for column in version.get("additionalPrinterColumns", [])}
        own = {column.path for column in served.columns}
        assert own <= paths or (served.kind == "Cohort" and not paths)


def test_a_definition_takes_a_kind_over(server: RunningServer, kubectl: Kubectl) -> None:
    """A cluster that brings the real definition of a kind is served by that."""
    body: Json = {
        "metadata": {"name": "resourceflavors.kueue.x-k8s.io"},
        "spec": {
            "group": "kueue.x-k8s.io",
            "names": {"plural": "resourceflavors", "kind": "ResourceFlavor"},
            "scope": "Cluster",
            "versions": [{"name": "v1beta2", "served": True, "storage": True}],
        },
    }
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert server.call("POST", root, body).code == 201
    listed: Any = json.loads(kubectl("get", "--raw", "/apis/kueue.x-k8s.io/v1beta2"))
    found = next(one for one in listed["resources"] if one["name"] == "resourceflavors")
    assert "shortNames" not in found
    server.call("DELETE", f"{root}/resourceflavors.kueue.x-k8s.io")
    listed = json.loads(kubectl("get", "--raw", "/apis/kueue.x-k8s.io/v1beta2"))
    found = next(one for one in listed["resources"] if one["name"] == "resourceflavors")
    assert found["shortNames"] == ["flavor", "flavors", "rf"]
