"""How a tier's change reaches its tenants: the tasks on real items, and on a real cluster."""

import json
from dataclasses import asdict

import pytest

from controlplane.errors import ClusterUnavailableError, ConcurrentChangeError
from controlplane.tiers import propagation
from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.cluster import Cluster, accounts_of, store_secret
from tests.functions.container import forget_wiring
from tests.functions.samples import Json, execution_ended
from tests.functions.tiers import Platform, applied, open_share, record_share
from tests.local.kubernetes_api.running_server import RunningServer
from tests.ports import free_port

QUOTAS = "/api/v1/namespaces/{}/resourcequotas"
TENANTS = ("initech", "stark", "umbrella")


@pytest.fixture
def platform(call: Api, cloud: Cloud) -> Platform:
    """A tier of three tenants whose limits have just been changed."""
    made = Platform(call, cloud)
    made.create_tier("premium", 50)
    for tenant in TENANTS:
        made.add_tenant(tenant, "premium")
    assert made.call("PATCH", "/tiers/premium", {"limits": {"pods": 10}}).status == 200
    return made


@pytest.fixture
def cluster(cloud: Cloud, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    """The cluster as the task that makes tenants is let in."""
    secret = json.dumps(asdict(accounts_of(server.kubeconfig).onboarding))
    monkeypatch.setenv("CLUSTER_SECRET_ARN", store_secret(cloud, secret))
    forget_wiring()
    return server


def progress(platform: Platform) -> Json:
    found: Json = platform.tier("premium")["propagation"]
    return found


def apply_to(tenant: str) -> Json:
    result: Json = invoke("tiers/apply_limits", {"correlation_id": "c", "tenant_id": tenant})
    return result


def test_a_propagation_counts_every_tenant_of_the_tier(platform: Platform) -> None:
    event = platform.tier_event("premium")
    assert progress(platform)["state"] == "Pending"

    share = open_share(event)
    assert share == {"go_on": True, "page": 1, "tenants": list(TENANTS), "after": None}
    assert progress(platform)["state"] == "Running"
    assert progress(platform)["total"] == 3
    ended = record_share(event, share, applied(share, failed=("stark",)))

    assert ended["go_on"] is False
    shown = progress(platform)
    assert (shown["state"], shown["done"], shown["failed"]) == ("Failed", 2, 1)
    [failure] = shown["failures"]
    assert failure["tenant"] == "stark"
    assert (failure["reason"]["code"], failure["reason"]["message"]) == (
        "ClusterRefusedError",
        "no",
    )
    assert failure["reason"]["remedy"]
    assert shown["started_at"] <= shown["ended_at"]
    announced = platform.stored_event("PLATFORM", "USE#premium")
    assert announced["detail-type"] == "TierPropagationEnded"
    assert announced["detail"]["data"]["failed"] == 1


def test_a_page_that_is_reported_again_is_counted_once(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propagation, "PAGE_SIZE", 2)
    event = platform.tier_event("premium")
    share = open_share(event)
    assert share["tenants"] == ["initech", "stark"]
    assert open_share(event) == share

    following = record_share(event, share, applied(share))
    again = record_share(event, share, applied(share))

    assert following == again
    assert following["tenants"] == ["umbrella"]
    assert progress(platform)["done"] == 2
    for _ in range(2):
        assert record_share(event, following, applied(following))["go_on"] is False
    assert (progress(platform)["done"], progress(platform)["state"]) == (3, "Succeeded")


def test_an_event_that_comes_twice_is_carried_out_once(platform: Platform) -> None:
    event = platform.tier_event("premium")
    share = open_share(event, "first")

    assert open_share(event, "second")["go_on"] is False
    assert record_share(event, share, applied(share), "second")["go_on"] is False
    assert progress(platform)["done"] == 0
    record_share(event, share, applied(share), "first")
    assert open_share(event, "third")["go_on"] is False


def test_a_newer_change_stops_the_older_one(platform: Platform) -> None:
    old = platform.tier_event("premium")
    share = open_share(old, "old")
    assert platform.call("PATCH", "/tiers/premium", {"limits": {"pods": 20}}).status == 200
    new = platform.tier_event("premium")

    assert record_share(old, share, applied(share), "old")["go_on"] is False
    assert (progress(platform)["state"], progress(platform)["generation"]) == ("Pending", 2)
    newer = open_share(new, "new")
    assert newer["go_on"] is True
    assert open_share(old, "late")["go_on"] is False
    assert record_share(old, share, applied(share), "old")["go_on"] is False
    record_share(new, newer, applied(newer), "new")
    assert (progress(platform)["generation"], progress(platform)["done"]) == (2, 3)


def test_a_long_propagation_goes_on_in_another_execution(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propagation, "PAGE_SIZE", 2)
    event = platform.tier_event("premium")
    share = open_share(event, "first")

    enough = record_share(event, share, applied(share), "first", propagation.PAGES_AN_EXECUTION)

    assert enough["go_on"] is False
    going_on = platform.stored_event("PLATFORM", "USE#premium")
    assert going_on["detail-type"] == "TierPropagationContinued"
    assert going_on["detail"]["data"]["needs_execution"] is True
    rest = open_share(going_on, "second")
    assert (rest["page"], rest["tenants"]) == (2, ["umbrella"])
    record_share(going_on, rest, applied(rest), "second")
    assert (progress(platform)["done"], progress(platform)["state"]) == (3, "Succeeded")


def test_a_retry_is_a_new_generation_over_all_tenants(platform: Platform) -> None:
    event = platform.tier_event("premium")
    share = open_share(event)
    record_share(event, share, applied(share, failed=TENANTS))
    assert progress(platform)["failed"] == 3

    asked = platform.call("POST", "/tiers/premium/propagation")

    assert (asked.status, asked.json["propagation"]["state"]) == (202, "Pending")
    again = platform.tier_event("premium")
    assert again["detail-type"] == "TierPropagationRequested"
    share = open_share(again, "e2")
    record_share(again, share, applied(share), "e2")
    assert (progress(platform)["state"], progress(platform)["failures"]) == ("Succeeded", [])


@pytest.mark.parametrize("opened", [True, False])
def test_an_execution_that_died_is_recorded_and_can_be_retried(
    platform: Platform, opened: bool
) -> None:
    event = platform.tier_event("premium")
    if opened:
        open_share(event, "dead")

    def ended(execution: str) -> None:
        change = execution_ended("execution_failed_model_rollout", execution, event, "TIMED_OUT")
        invoke("tiers/record_propagation", change)

    ended("dead")
    ended("dead")

    shown = progress(platform)
    assert (shown["state"], shown["reason"]["code"]) == ("Failed", "ExecutionEnded")
    assert "TIMED_OUT" in shown["reason"]["message"]
    assert platform.call("POST", "/tiers/premium/propagation").status == 202
    again = platform.tier_event("premium")
    assert open_share(again, "next")["go_on"] is True
    ended("dead")
    assert progress(platform)["state"] == "Running"


def test_a_tenant_gets_its_limits_in_table_and_cluster(
    platform: Platform, cluster: RunningServer
) -> None:
    place = Cluster(cluster, "umbrella")
    place.onboard()
    assert platform.tenant("umbrella")["limits"]["pods"] == 200

    assert apply_to("umbrella") == {"tenant_id": "umbrella", "outcome": "Applied"}

    assert platform.tenant("umbrella")["limits"]["pods"] == 10
    assert place.find(QUOTAS, "headrace")["spec"]["hard"]["pods"] == "5"
    subscription = platform.cloud.item("TENANT#umbrella", "SUBSCRIPTION#tenant")
    assert subscription["cluster"] == "Applied"
    event = platform.stored_event("TENANT#umbrella", "SUBSCRIPTION#tenant")
    assert event["detail-type"] == "TenantLimitsChanged"
    assert event["detail"]["data"]["limits"] == ["pods"]

    before = platform.cloud.items()
    apply_to("umbrella")
    assert platform.cloud.items() == before


def test_a_tenant_that_moves_to_dedicated_nodes_gets_them(
    platform: Platform, cluster: RunningServer
) -> None:
    Cluster(cluster, "stark").onboard()
    platform.create_tier("private", isolation="dedicated")
    platform.subscribe("stark", "private")

    apply_to("stark")

    pools = cluster.call("GET", "/apis/karpenter.sh/v1/nodepools").body["items"]
    assert "tenant-stark" in [pool["metadata"]["name"] for pool in pools]


@pytest.mark.parametrize("status", ["Onboarding", "OnboardingFailed"])
def test_a_tenant_that_is_being_made_is_changed_in_the_table_alone(
    platform: Platform, cluster: RunningServer, status: str
) -> None:
    platform.cloud.put(
        "TENANT#initech", "TENANT", **_without_keys(platform.tenant("initech")) | {"status": status}
    )

    assert apply_to("initech")["outcome"] == "Skipped"

    assert platform.tenant("initech")["limits"]["pods"] == 10


@pytest.mark.parametrize("status", ["Offboarding", "Offboarded"])
def test_a_tenant_that_goes_is_left_alone(
    platform: Platform, cluster: RunningServer, status: str
) -> None:
    leaving = _without_keys(platform.tenant("initech")) | {"status": status}
    platform.cloud.put("TENANT#initech", "TENANT", **leaving)
    before = platform.tenant("initech")

    assert apply_to("initech")["outcome"] == "Skipped"
    assert apply_to("nobody")["outcome"] == "Skipped"

    assert platform.tenant("initech") == before


def test_a_change_while_the_cluster_is_changed_is_taken_up_by_the_next_attempt(
    platform: Platform, cluster: RunningServer, wire: Wire
) -> None:
    """The tier changes between the read and the record: the task that applied old limits must not be the last."""
    place = Cluster(cluster, "umbrella")
    place.onboard()
    apply_to("umbrella")
    pending = [True]

    def change(call: Call) -> None:
        if call.name == "TransactWriteItems" and "cluster" in json.dumps(call.body) and pending:
            pending.clear()
            platform.call("PATCH", "/tiers/premium", {"limits": {"pods": 30}})

    wire.before = change
    with pytest.raises(ConcurrentChangeError):
        apply_to("umbrella")
    wire.before = None
    assert not pending

    apply_to("umbrella")
    assert place.find(QUOTAS, "headrace")["spec"]["hard"]["pods"] == "15"


def test_a_cluster_that_is_down_leaves_the_subscription_pending_until_it_is_recorded(
    platform: Platform, cloud: Cloud, cluster: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = asdict(accounts_of(cluster.kubeconfig).onboarding)
    nobody = json.dumps(access | {"server": f"https://127.0.0.1:{free_port()}"})
    cloud.clients.secrets.update_secret(SecretId=f"cluster-of-{cloud.table}", SecretString=nobody)
    forget_wiring()

    with pytest.raises(ClusterUnavailableError):
        apply_to("umbrella")
    pending = platform.cloud.item("TENANT#umbrella", "SUBSCRIPTION#tenant")
    failed = {"tenant_id": "umbrella", "error": "ClusterUnavailableError", "cause": "it is away"}
    invoke("tiers/record_propagation", {"step": "RecordTenant", "correlation_id": "c"} | failed)

    stored = platform.cloud.item("TENANT#umbrella", "SUBSCRIPTION#tenant")
    assert (pending["cluster"], stored["cluster"]) == ("Pending", "Failed")
    assert stored["reason"]["message"] == "it is away"
    assert stored["version"] == pending["version"]


def test_an_execution_about_one_tenant_that_died_is_recorded_with_it(platform: Platform) -> None:
    event = platform.stored_event("TENANT#umbrella", "SUBSCRIPTION#tenant")
    change = execution_ended("execution_failed_model_rollout", "dead", event, "ABORTED")

    invoke("tiers/record_propagation", change)

    stored = platform.cloud.item("TENANT#umbrella", "SUBSCRIPTION#tenant")
    assert (stored["cluster"], stored["reason"]["code"]) == ("Failed", "ExecutionEnded")


def _without_keys(item: Json) -> Json:
    return {name: value for name, value in item.items() if name not in ("pk", "sk")}
