"""Probes go to both revisions; what comes of them is the gateway's to count, but for those that are given up."""

import json
from collections import Counter
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from time import monotonic

import pytest

from controlplane.adapters.http_prober import CONCURRENCY, HttpProber
from controlplane.errors import RolloutFailedError, UnavailableError
from controlplane.serving.analysis import Unanswered
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import runtime_for
from controlplane.serving.settings import Probe
from tests.ports import free_port
from tests.unit.metrics.http_servers import Received, Reply, broken_off, dripping, serving

PROBE = Probe(path="/v1/models/digits:predict", body='{"instances": ["é"]}', count=6)


def spec(number: int) -> RevisionSpec:
    version = ServedVersion(
        model="digits", number=number, uri="s3://models/x", format="sklearn", files={}
    )
    return RevisionSpec("acme", "vision", "digits", "r-1", version, runtime_for("sklearn"))


def transition(*, first: bool = False) -> Transition:
    return Transition(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        rollout_id="r-1",
        mechanism=Mechanism.ROUTE,
        canary=spec(2),
        stable=None if first else spec(1),
    )


def test_each_revision_gets_the_probe_as_often_as_it_is_set() -> None:
    with serving(lambda _: Reply("{}")) as server:
        HttpProber(f"{server.url}/").send(transition(), PROBE)

        requests = server.received
    assert Counter(one.headers["x-headrace-probe"] for one in requests) == {
        "canary": 6,
        "stable": 6,
    }
    assert {(one.method, one.path, one.body) for one in requests} == {
        (
            "POST",
            "/serving/tenant-acme/vision--digits/v1/models/digits:predict",
            '{"instances": ["é"]}'.encode(),
        )
    }
    assert all(one.headers["Content-Type"] == "application/json" for one in requests)
    json.loads(requests[0].body)


def test_a_first_revision_is_probed_alone() -> None:
    with serving(lambda _: Reply("{}")) as server:
        HttpProber(server.url).send(transition(first=True), PROBE)

        assert {one.headers["x-headrace-probe"] for one in server.received} == {"canary"}


@pytest.mark.parametrize("status", [302, 404, 500, 503])
def test_an_answer_that_says_no_is_no_error(status: int) -> None:
    with serving(
        lambda _: Reply("", status, {"Location": "/elsewhere"} if status == 302 else {})
    ) as server:
        assert HttpProber(server.url).send(transition(), PROBE) == Unanswered()

        # Neither asked again nor followed: each would count twice.
        assert len(server.received) == 12


@pytest.mark.parametrize("hanging", ["canary", "stable"])
def test_no_answer_in_time_is_told_of_the_revision_that_owes_it(hanging: str) -> None:
    held = Barrier(100)

    def wait(request: Received) -> Reply:
        if request.headers["x-headrace-probe"] == hanging:
            with suppress(BrokenBarrierError):
                held.wait(30)
        return Reply("{}")

    with serving(wait) as server:
        found = HttpProber(server.url, answer_seconds=0.3).send(
            transition(), PROBE.model_copy(update={"count": 3})
        )
        held.abort()

    assert found == (Unanswered(canary=3) if hanging == "canary" else Unanswered(stable=3))


def test_a_connection_that_breaks_off_is_the_gateways_to_count() -> None:
    with broken_off() as url:
        assert HttpProber(url).send(transition(), PROBE) == Unanswered()


def test_few_are_under_way_at_once() -> None:
    together = Barrier(CONCURRENCY)

    def meet(_: Received) -> Reply:
        # Passes in rounds of exactly as many as are under way at once: 12 probes are three rounds of 4.
        together.wait(10)
        return Reply("{}")

    with serving(meet) as server:
        HttpProber(server.url).send(transition(), PROBE)

        assert len(server.received) == 12


def test_a_gateway_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="could not be reached with 12 probes") as refused:
        HttpProber(f"http://127.0.0.1:{free_port()}").send(transition(), PROBE)
    assert "INGRESS_URL" in str(refused.value.remedy)


@pytest.mark.parametrize(
    "path",
    [
        "/../../tenant-other/vision--digits/v1/models/digits:predict",
        "/v1/../../../tenant-other/vision--digits/v1/models/digits:predict",
        "/./v1",
        "/v1/..",
        "//v1",
    ],
)
def test_a_stored_path_that_leads_to_another_tenant_is_never_sent(path: str) -> None:
    stored = PROBE.model_copy(update={"path": path})
    with serving(lambda _: Reply("{}")) as server:
        with pytest.raises(RolloutFailedError) as refused:
            HttpProber(server.url).send(transition(), stored)

        assert server.received == []
    assert refused.value.reason == "ProbeRefused"


@pytest.mark.parametrize("path", ["/v1/models/digits:predict", "/v2/a.b/..c/...", "/v2/"])
def test_a_path_below_the_deployment_arrives_as_it_is_set(path: str) -> None:
    probe = Probe(path=path, body="{}", count=1)
    with serving(lambda _: Reply("{}")) as server:
        HttpProber(server.url).send(transition(first=True), probe)

        assert [one.path for one in server.received] == [
            f"/serving/tenant-acme/vision--digits{path}"
        ]


def test_a_canary_that_hangs_takes_no_longer_than_all_probes_may() -> None:
    held = Barrier(100)

    def hang(request: Received) -> Reply:
        if request.headers["x-headrace-probe"] == "canary":
            with suppress(BrokenBarrierError):
                held.wait(30)
        return Reply("{}")

    with serving(hang) as server:
        prober = HttpProber(server.url, answer_seconds=0.4, total_seconds=1)
        began = monotonic()
        found = prober.send(transition(), PROBE.model_copy(update={"count": 100}))
        lasted = monotonic() - began
        held.abort()

        # Four at once of 0.4 s, 100 hanging ones would take 10 s.
        assert lasted < 3
        hung = sum(one.headers["x-headrace-probe"] == "canary" for one in server.received)
        # Those that began at 0.8 s had no time of their own left to answer in.
        assert 4 <= found.canary < hung
        assert found.stable == 0


def test_an_answer_that_drips_ends_with_the_time_of_all_probes() -> None:
    with dripping(every=0.05) as url:
        began = monotonic()
        found = HttpProber(url, answer_seconds=5, total_seconds=0.5).send(
            transition(first=True), PROBE.model_copy(update={"count": 1})
        )
        assert monotonic() - began < 3
    assert found == Unanswered()


def test_an_answer_that_drips_longer_than_its_time_is_none() -> None:
    with dripping(every=0.05) as url:
        found = HttpProber(url, answer_seconds=0.5).send(
            transition(first=True), PROBE.model_copy(update={"count": 1})
        )
    assert found == Unanswered(canary=1)
