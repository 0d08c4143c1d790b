"""What may be believed of a cluster, and what may not. `docs/kserve-traps.md` lists all traps."""

import re

import pytest

from controlplane.adapters.cluster_facts import MODES, ClusterFacts
from controlplane.adapters.kserve_survey import survey_of
from controlplane.adapters.rollout_changes import MARKS
from controlplane.errors import ConcurrentChangeError
from controlplane.serving.cluster_ports import Mechanism, Traffic
from controlplane.serving.load_failures import DEFAULT_REMEDY, remedy_for
from controlplane.serving.ports import RevisionState
from tests.scripted_cluster.kserve import ROUTES, SERVICES, Release
from tests.scripted_cluster.trap_scenes import (
    GROUP,
    KNATIVE,
    PLANS,
    ROOT,
    SPEC_CANARY,
    prepared,
    serving,
)
from tests.scripted_cluster.world import GATEWAY, NAME, uri


@pytest.mark.parametrize("mechanism", [KNATIVE, SPEC_CANARY])
def test_trap_an_observed_generation_that_is_a_childs_is_not_believed(
    mechanism: Mechanism,
) -> None:
    """kserve#6081: it may be the object's own by accident, long before the object is seen."""
    with serving(mechanism) as world:
        wanted = world.next()
        world.rollouts.prepare(wanted)
        service = world.service()
        status = {**service["status"], "observedGeneration": service["metadata"]["generation"]}
        world.cluster.objects.put(SERVICES + NAME, {**service, "status": status})

        seen = world.observe(wanted)

        assert seen.canary.state is not RevisionState.READY
        assert not seen.canary_percent


@pytest.mark.parametrize("mechanism", [KNATIVE, SPEC_CANARY, GROUP])
def test_trap_ready_is_true_while_it_progresses(mechanism: Mechanism) -> None:
    """kserve#4626."""
    with serving(mechanism, Release(never_ready={uri(2)})) as world:
        wanted = prepared(world)

        assert world.observe(wanted).canary.state is RevisionState.PROGRESSING


def test_trap_ready_flips_to_unknown_and_nothing_follows() -> None:
    """kserve#5443: for half a minute, of a model that serves."""
    with serving(SPEC_CANARY) as world:
        wanted = prepared(world)
        flipped = set()
        for _ in range(8):
            world.cluster.step()
            (ready,) = [c["status"] for c in world.service()["status"]["conditions"]]
            flipped.add(ready)
            assert world.observe(wanted).canary.state is RevisionState.READY
        assert flipped == {"True", "Unknown"}


def test_trap_a_route_counts_when_the_gateway_has_taken_this_generation_over() -> None:
    with serving(SPEC_CANARY) as world:
        wanted = prepared(world)
        path = ROUTES + NAME
        stale = world.cluster.objects.found[path]
        newer = {**stale, "metadata": {**stale["metadata"], "generation": 99}}
        world.cluster.objects.put(path, newer)

        assert not world.observe(wanted).settled


def test_trap_every_reason_of_a_failed_load_has_a_remedy_of_its_own() -> None:
    reasons = (
        *("ModelLoadFailed", "RuntimeUnhealthy", "RuntimeDisabled"),
        *("NoSupportingRuntime", "RuntimeNotRecognized", "InvalidPredictorSpec"),
    )

    remedies = {remedy_for(reason) for reason in reasons}

    assert len(remedies) == len(reasons)
    assert DEFAULT_REMEDY not in remedies


@pytest.mark.parametrize("mechanism", [KNATIVE, SPEC_CANARY])
def test_trap_a_canary_that_cannot_load_fails_with_kserves_reason(mechanism: Mechanism) -> None:
    with serving(mechanism, Release(broken={uri(2)})) as world:
        wanted = prepared(world)

        seen = world.observe(wanted)

        assert seen.canary.state is RevisionState.FAILED
        assert seen.canary.reason in ("ModelLoadFailed", "RuntimeUnhealthy")
        assert world.shares() == {1: 100}


@pytest.mark.parametrize(("word", "mode"), [("Serverless", KNATIVE), ("Knative", KNATIVE)])
def test_trap_modes_go_by_their_legacy_names_too(word: str, mode: Mechanism) -> None:
    """What the cluster takes by default is read, and decides which of its own mechanisms comes first."""
    facts = ClusterFacts(
        frozenset({"InferenceService", "Service"}),
        has_spec_canary=True,
        uses_gateway_api=True,
        mode=MODES.get(word, word),
        left_out=frozenset(MARKS),
    )

    assert survey_of(facts, GATEWAY, frozenset()).mechanisms[0] is mode


def test_trap_a_cluster_that_can_split_nothing_is_refused_with_a_remedy() -> None:
    found = survey_of(ClusterFacts(frozenset()), GATEWAY, frozenset())

    assert found.mechanisms == ()
    assert set(found.refusals) == set(Mechanism)
    assert all(reason.remedy for reason in found.refusals.values())


def test_trap_what_may_not_be_read_is_said_and_not_taken_for_missing() -> None:
    facts = ClusterFacts(
        frozenset({"InferenceService", "HTTPRoute"}),
        hidden=frozenset({"gateways", "customresourcedefinitions"}),
    )

    found = survey_of(facts, GATEWAY, frozenset())

    for mechanism in (Mechanism.ROUTE, SPEC_CANARY):
        assert found.refusals[mechanism].code == "NotAllowedToRead"
        assert "roles.yaml" in str(found.refusals[mechanism].remedy)


@pytest.mark.parametrize("mechanism", [KNATIVE, SPEC_CANARY, GROUP])
def test_trap_a_write_that_is_held_up_does_not_bring_a_bad_canary_back(
    mechanism: Mechanism,
) -> None:
    """Sent before the rollback and done after it."""
    with serving(mechanism) as world:
        wanted = prepared(world)
        world.shift(wanted, 10)
        api = world.cluster.api.as_deployer("acme")
        (late,) = PLANS.shift(wanted, Traffic(50))
        world.rollouts.roll_back(wanted)

        with pytest.raises(ConcurrentChangeError):
            api.patch(late.path, late.body)

        world.cluster.settle()
        assert world.shares() == {1: 100}


def test_every_trap_has_a_test() -> None:
    """Each test that the list names is there, and each test of a trap is in the list."""
    listed = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/kserve-traps.md").read_text()))
    written = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    own = {name for name in written if name.startswith("test_trap_")}

    assert listed - written == set()
    assert own - listed == set()
