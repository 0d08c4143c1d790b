"""What KServe makes pods of, and when they are the ones that were asked for. `docs/kserve-traps.md` lists all traps."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controlplane.adapters.cluster_facts import ClusterFacts, read_facts
from controlplane.adapters.kserve_predictors import PODS, predictor
from controlplane.adapters.kserve_survey import survey_of
from controlplane.adapters.revision_stores import store_of
from controlplane.adapters.rollout_changes import MARKS
from controlplane.adapters.shared_revisions import VERSION
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.ports import RevisionState
from controlplane.serving.settings import Autoscaling, DeploymentSettings, Resources
from tests.scripted_cluster.kserve import SERVICES, Release
from tests.scripted_cluster.objects import MERGE
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.trap_scenes import KNATIVE, SPEC_CANARY, prepared, serving
from tests.scripted_cluster.workloads import DEPLOYMENTS
from tests.scripted_cluster.world import GATEWAY, NAME, REPLICAS, World, transition, uri

LATER = "r-00000009"
CONFIGURATION = "api/v1/namespaces/kserve/configmaps/inferenceservice-config"


@pytest.fixture(params=list(Mechanism))
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with serving(request.param) as made:
        yield made


def with_memory(wanted: Transition, memory: str) -> Transition:
    size = Autoscaling(min_replicas=REPLICAS, max_replicas=REPLICAS)
    settings = DeploymentSettings(autoscaling=size, resources=Resources(memory=memory))
    return replace(wanted, canary=replace(wanted.canary, settings=settings))


def later(wanted: Transition) -> Transition:
    """The same by a rollout that begins after it."""
    canary = replace(wanted.canary, rollout_id=LATER)
    return replace(wanted, rollout_id=LATER, began="2026-01-01T01:00:00Z", canary=canary)


def in_place(world: World) -> Transition:
    return later(replace(transition(1, world.mechanism), in_place=True))


@pytest.mark.parametrize("mechanism", [KNATIVE, SPEC_CANARY])
def test_trap_a_note_on_an_object_renews_all_its_pods(mechanism: Mechanism) -> None:
    """Seen first, where KServe's configuration does not leave our notes out. So such a cluster is refused."""
    with serving(mechanism, Release(left_out=set())) as world:
        before = dict(world.cluster.kserve.made)
        note = {"metadata": {"annotations": {"headrace.dev/traffic": "RolledBack"}}}
        world.cluster.objects.write(SERVICES + NAME, MERGE, note)
        world.cluster.settle()
        assert world.cluster.kserve.made != before

    kinds = frozenset({"InferenceService", "Service"})
    for missing in MARKS:
        facts = ClusterFacts(
            kinds,
            has_spec_canary=True,
            uses_gateway_api=True,
            left_out=frozenset(MARKS) - {missing},
        )
        refusal = survey_of(facts, GATEWAY, frozenset()).refusals[mechanism]
        assert refusal.code == "MarksReachPods"
        assert missing in str(refusal.remedy)


def test_what_is_meant_for_the_pods_must_reach_them() -> None:
    kinds = frozenset({"InferenceService", "Service", "HTTPRoute"})
    ready = [{"type": kind, "status": "True"} for kind in ("Accepted", "Programmed")]
    facts = ClusterFacts(
        kinds,
        has_spec_canary=True,
        uses_gateway_api=True,
        gateway={"status": {"conditions": ready}},
        left_out=frozenset(MARKS),
    )
    usable = survey_of(facts, GATEWAY, frozenset()).mechanisms
    assert set(usable) == {Mechanism.ROUTE, SPEC_CANARY, KNATIVE}

    without = replace(facts, left_out=facts.left_out | {PODS})

    found = survey_of(without, GATEWAY, frozenset())
    assert found.mechanisms == ()
    assert {found.refusals[each].code for each in usable} == {"PodsNotTold"}


def test_what_kserve_leaves_out_is_read_in_its_configuration() -> None:
    with scripted_cluster() as cluster:
        content = '{"serviceAnnotationDisallowedList": ["a.example/b"]}'
        found = {"metadata": {"name": "c"}, "data": {"inferenceService": content}}
        cluster.objects.put(CONFIGURATION, found)

        assert read_facts(cluster.api, GATEWAY, "kserve").left_out == {"a.example/b"}


def test_trap_pods_of_a_canary_have_the_label_of_their_own_version() -> None:
    """By which their figures are told apart; and which must not change under them with a promotion."""
    with serving(SPEC_CANARY) as world:
        wanted = prepared(world)

        def versions() -> dict[str, str]:
            found = world.cluster.objects.found.items()
            templates = {p: d["spec"]["template"] for p, d in found if p.startswith(DEPLOYMENTS)}
            return {
                path.removeprefix(f"{DEPLOYMENTS}{NAME}-"): template["metadata"]["labels"][VERSION]
                for path, template in templates.items()
            }

        assert versions() == {"v1-predictor": "1", "v2-predictor": "2"}
        before = dict(world.cluster.kserve.made)
        world.rollouts.promote(wanted)
        world.cluster.settle()
        assert versions() == {"v2-predictor": "2"}
        assert world.cluster.kserve.made == before


def test_trap_a_rollout_makes_each_revisions_pods_once(world: World) -> None:
    """From the canary's first pod to the end: no step, promotion, rollback or end replaces a pod."""
    made = world.cluster.kserve.made
    wanted = prepared(world)
    before = dict(made)
    for percent in (10, 50):
        world.shift(wanted, percent)
        world.cluster.settle()
    world.rollouts.promote(wanted)
    world.cluster.settle()
    world.rollouts.finish(wanted, promoted=True)
    world.cluster.settle()
    assert made == before

    third = world.next(3, stable=2)
    world.rollouts.prepare(third)
    world.cluster.settle()
    before = dict(made)
    world.shift(third, 50)
    world.cluster.settle()
    world.rollouts.roll_back(third)
    world.cluster.settle()
    assert made == before


@pytest.mark.parametrize("mechanism", [Mechanism.ROUTE, SPEC_CANARY, Mechanism.GROUP])
def test_trap_a_rollout_that_changes_no_pod_replaces_none(mechanism: Mechanism) -> None:
    """The same version with the same settings, and with another size."""
    with serving(mechanism) as world:
        before = dict(world.cluster.kserve.made)
        again = in_place(world)
        world.rollouts.prepare(again)
        world.cluster.settle()
        size = Autoscaling(min_replicas=REPLICAS + 1, max_replicas=REPLICAS + 1)
        larger = replace(again.canary, settings=DeploymentSettings(autoscaling=size))
        world.rollouts.prepare(replace(again, canary=larger))
        world.cluster.settle()

        assert world.pods(1) == REPLICAS + 1
        assert world.cluster.kserve.made == before


def test_an_end_in_place_that_changes_no_pod_replaces_none() -> None:
    with serving(Mechanism.ROUTE) as world:
        before = dict(world.cluster.kserve.made)
        again = in_place(world)
        size = Autoscaling(min_replicas=REPLICAS + 1, max_replicas=REPLICAS + 1)
        larger = replace(again.canary, settings=DeploymentSettings(autoscaling=size))
        world.rollouts.prepare(replace(again, canary=larger))
        world.cluster.settle()

        assert world.rollouts.restore(replace(again, in_place=False))
        world.cluster.settle()

        assert world.pods(1) == REPLICAS
        assert world.cluster.kserve.made == before


def test_a_tenants_own_nodes_are_no_other_pods() -> None:
    """They are brought there apart from any rollout; the next one would bring them a second time."""
    spec = transition(1, Mechanism.ROUTE).canary
    on_gpus = DeploymentSettings(resources=Resources(gpus=1, gpu_type="l4"))
    shared, own = predictor(spec), predictor(spec, Placement(dedicated=True))

    assert own["nodeSelector"]
    assert own["annotations"] == shared["annotations"]
    assert predictor(replace(spec, settings=on_gpus))["annotations"] != shared["annotations"]


def test_trap_a_revision_that_is_warm_keeps_its_pods() -> None:
    with serving(Mechanism.ROUTE) as world:
        wanted = prepared(world)
        world.rollouts.promote(wanted)
        world.rollouts.finish(wanted, promoted=True)
        world.cluster.settle()
        before = dict(world.cluster.kserve.made)
        back = later(replace(world.next(1, stable=2), warm=True))

        world.rollouts.prepare(back)
        assert world.observe(back).canary.state is RevisionState.READY
        world.cluster.settle()

        assert world.cluster.kserve.made == before


def test_what_is_taken_up_again_to_be_rolled_out_is_told_from_what_was_left_to_retire() -> None:
    """Its pods have no traffic; a deletion that was decided on before is refused."""
    with serving(Mechanism.ROUTE) as world:
        wanted = prepared(world)
        world.rollouts.roll_back(wanted)
        world.rollouts.finish(wanted, promoted=False)
        store = store_of(Mechanism.ROUTE, world.cluster.api, GATEWAY)
        mark = store.find_revision_mark("acme", wanted.canary.name)

        world.rollouts.prepare(later(wanted))

        assert store.find_revision_mark("acme", wanted.canary.name) != mark


def test_trap_what_is_ready_may_be_what_was_there_before(world: World) -> None:
    """Until KServe has seen what was written, everything else in the cluster is about the pods of before."""
    wanted = with_memory(in_place(world), "900Gi")
    world.rollouts.prepare(wanted)

    assert world.observe(wanted).canary.state is RevisionState.PROGRESSING

    world.rollouts.prepare(wanted)  # as after an answer that was lost
    world.cluster.settle()
    assert world.observe(wanted).canary.state is RevisionState.READY


def test_a_version_that_is_rolled_out_again_is_ready_by_its_new_pods(world: World) -> None:
    first = prepared(world)
    world.rollouts.roll_back(first)
    world.cluster.settle()
    if world.mechanism is not SPEC_CANARY:
        world.rollouts.finish(first, promoted=False)
    again = with_memory(later(world.next()), "900Gi")
    if world.mechanism is KNATIVE:
        world.cluster.settle()
    world.rollouts.prepare(again)
    assert world.observe(again).canary.state is RevisionState.PROGRESSING

    world.cluster.settle()

    assert world.observe(again).canary.state is RevisionState.READY


@pytest.mark.parametrize("mechanism", [Mechanism.ROUTE, KNATIVE, SPEC_CANARY])
def test_trap_a_failed_load_may_be_that_of_before(mechanism: Mechanism) -> None:
    with serving(mechanism, Release(broken={uri(2)})) as world:
        first = prepared(world)
        assert world.observe(first).canary.state is RevisionState.FAILED
        again = with_memory(later(first), "900Gi")

        world.rollouts.prepare(again)
        assert world.observe(again).canary.state is RevisionState.PROGRESSING

        world.cluster.settle()
        assert world.observe(again).canary.state is RevisionState.FAILED


def test_a_revision_of_before_this_was_written_down_is_ready_all_the_same() -> None:
    with serving(Mechanism.ROUTE) as world:
        wanted = prepared(world)
        for number in (1, 2):
            path = f"{SERVICES}{NAME}--v{number}"
            gone = {"spec": {"predictor": {"annotations": {PODS: None}}}}
            world.cluster.objects.write(path, MERGE, gone)
        world.cluster.settle()
        deployment = world.cluster.objects.found[f"{DEPLOYMENTS}{NAME}--v1-predictor"]
        assert PODS not in deployment["spec"]["template"]["metadata"]["annotations"]

        seen = world.observe(wanted)

        assert seen.stable is not None
        assert {seen.canary.state, seen.stable.state} == {RevisionState.READY}


def test_what_was_stopped_stays_so_when_the_end_comes_late() -> None:
    """Knative's end writes the object whole, in which it is said to run."""
    with serving(KNATIVE) as world:
        wanted = prepared(world)
        world.rollouts.roll_back(wanted)
        world.rollouts.finish(wanted, promoted=False)
        world.cluster.settle()
        store = store_of(KNATIVE, world.cluster.api, GATEWAY)
        store.set_stopped("acme", [f"{NAME}--v1"], stopped=True)

        world.rollouts.finish(wanted, promoted=False)
        world.cluster.settle()

        assert world.pods(1) == 0
        store.set_stopped("acme", [f"{NAME}--v1"], stopped=False)
        world.cluster.settle()
        assert world.pods(1) == REPLICAS
