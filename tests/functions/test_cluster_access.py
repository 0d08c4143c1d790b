"""How tasks are let into the cluster, and what they make of one that is down, renews its token or refuses."""

import json
from dataclasses import asdict, replace

import pytest

from controlplane.errors import (
    ClusterRefusedError,
    ClusterUnavailableError,
    RolloutFailedError,
)
from controlplane.onboarding.model import ClusterStep
from controlplane.runtime.wiring.cluster import tenant_cluster
from local.bench.wire import Call, Wire
from tests.functions.cloud import Cloud
from tests.functions.cluster import accounts_of, cluster_secret, store_secret
from tests.functions.cluster_objects import new_plan
from tests.functions.container import forget_wiring
from tests.functions.stage import Stage
from tests.local.kubernetes_api.running_server import RunningServer
from tests.ports import free_port

V1 = "vision--digits--v1"


@pytest.mark.parametrize("task", ["check_rollout", "prepare_revision"])
def test_cluster_that_is_down_is_unavailable(
    stage: Stage, server: RunningServer, cloud: Cloud, task: str
) -> None:
    if task == "prepare_revision":
        stage.run("check_rollout")
    nobody = f"https://127.0.0.1:{free_port()}"
    _store(cloud, cluster_secret(server, server=nobody))
    before = cloud.item(stage.scenario.partition, "DEPLOYMENT#digits")

    with pytest.raises(ClusterUnavailableError):
        stage.run(task)

    assert cloud.item(stage.scenario.partition, "DEPLOYMENT#digits") == before
    _store(cloud, cluster_secret(server))
    assert stage.run(task) is None


def test_cluster_with_another_authority_is_not_trusted(
    stage: Stage, cloud: Cloud, server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = RunningServer(tmp_path_factory.mktemp("other"), free_port()).start()
    try:
        stranger = json.loads(cluster_secret(other))["certificate_authority"]
    finally:
        other.stop()
    _store(cloud, cluster_secret(server, certificate_authority=stranger))

    with pytest.raises(ClusterUnavailableError):
        stage.run("check_rollout")

    assert not stage.cluster.service(V1)


def test_token_that_was_renewed_is_read_again(
    stage: Stage, cloud: Cloud, server: RunningServer, wire: Wire
) -> None:
    _store(cloud, cluster_secret(server, token="stale"))
    reads: list[str] = []

    def renew(made: Call) -> None:
        """The token is renewed after the function has read the old one."""
        if made.action == "GetSecretValue":
            reads.append(made.name)
            if len(reads) == 2:
                _put_secret(cloud, cluster_secret(server))

    wire.before = renew
    stage.run("check_rollout")

    assert len(reads) == 2
    stage.run("prepare_revision")
    assert stage.cluster.service(V1)
    assert len(reads) == 2


def test_token_that_stays_bad_is_refused_after_one_more_try(
    stage: Stage, cloud: Cloud, server: RunningServer, wire: Wire
) -> None:
    stage.run("fail_rollout", error="States.TaskFailed", cause="")
    _store(cloud, cluster_secret(server, token="stale"))

    with pytest.raises(ClusterRefusedError, match="401"):
        stage.run("retire_revision")

    assert [c.name for c in wire.calls].count("secretsmanager:GetSecretValue") == 2


def test_refusal_of_the_cluster_tells_what_it_says(stage: Stage, cloud: Cloud) -> None:
    """A tenant whose namespace nobody has made."""
    cloud.add_tenant("homeless")
    scenario = replace(stage.scenario, tenant="homeless", arrivals=0)
    scenario.create_project()
    scenario.upload_version()
    rollout = scenario.open_rollout(scenario.registered_event(1), "e1")["rollout"]

    with pytest.raises(RolloutFailedError, match="tenant-homeless") as refused:
        stage.prepare(rollout)

    assert (refused.value.reason, bool(refused.value.remedy)) == ("ClusterRefused", True)


def test_onboarding_is_wired_with_its_account_and_what_pods_may_reach(
    cloud: Cloud, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(asdict(accounts_of(server.kubeconfig).onboarding))
    monkeypatch.setenv("CLUSTER_SECRET_ARN", store_secret(cloud, text))
    monkeypatch.setenv("STORAGE_CIDRS", "52.216.0.0/15, 3.5.0.0/19")
    monkeypatch.setenv("MONITORING_NAMESPACE", "prometheus")
    forget_wiring()
    plan = new_plan()

    for step in (ClusterStep.NAMESPACES, ClusterStep.NETWORK):
        tenant_cluster().apply(step, plan)

    path = f"/apis/networking.k8s.io/v1/namespaces/tenant-{plan.tenant_id}/networkpolicies"
    storage = server.call("GET", f"{path}/allow-storage").body["spec"]["egress"][0]["to"]
    assert [peer["ipBlock"]["cidr"] for peer in storage] == ["52.216.0.0/15", "3.5.0.0/19"]
    assert "prometheus" in json.dumps(server.call("GET", f"{path}/allow-monitoring").body["spec"])
    runs = path.replace(plan.tenant_id, f"{plan.tenant_id}-runs")
    assert server.call("GET", f"{runs}/allow-cluster-api").code == 404


def _store(cloud: Cloud, text: str) -> None:
    """Change the secret, and begin with a container that has not read it."""
    _put_secret(cloud, text)
    forget_wiring()


def _put_secret(cloud: Cloud, text: str) -> None:
    cloud.clients.secrets.put_secret_value(SecretId=f"cluster-of-{cloud.table}", SecretString=text)
