"""A canary from step to step: judged, promoted, turned back, and held where nobody knows enough."""

from dataclasses import dataclass

import pytest

from controlplane.errors import RolloutFailedError
from controlplane.serving.analysis import ErrorRateCheck, Unanswered, Verdict
from controlplane.serving.decision import Next
from controlplane.serving.model import RolloutState
from controlplane.serving.ports import RevisionObservation, RevisionState
from controlplane.serving.rollout import RolloutReference
from controlplane.serving.rollout_events import (
    RolloutAwaitsApproval,
    RolloutHandedOver,
    RolloutRollingBack,
    RolloutStepStarted,
)
from controlplane.serving.settings import Autoscaling, Probe
from controlplane.serving.states import Command, Phase
from controlplane.serving.strategy import (
    AllAtOnce,
    BlueGreen,
    Canary,
    CanaryStep,
    Capacity,
    OnInconclusive,
    RolloutPolicy,
)
from tests.fakes import Clock
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.world import PLACE, TENANT, World, revision

STEPS = Canary(
    steps=(CanaryStep(percent=10, bake_seconds=20), CanaryStep(percent=50, bake_seconds=20))
)
POLICY = RolloutPolicy(strategy=STEPS, tick_seconds=5, final_bake_seconds=10)
DEAD = RevisionObservation(RevisionState.FAILED, "RuntimeUnhealthy", "it was killed")
PROBE = Probe(path="/v1/models/digits:predict", body="{}")


@dataclass
class Road:
    """A rollout of version 2 on its way, with live traffic by what the route says."""

    world: World
    clock: Clock
    reference: RolloutReference
    errors: int = 0

    def tick(self, per_second: int = 100) -> str:
        """A tick, and then as much traffic as comes until the next."""
        turn = self.world.tick(self.reference)
        for name, share in (self.world.weights or {}).items():
            requests = per_second * turn.seconds * share // 100
            bad = requests * self.errors // 10 if name == revision(2) else 0
            self.world.metrics.answer(name, requests, bad)
        self.clock.advance(turn.seconds)
        return turn.next

    def until(self, percent: int) -> None:
        """Tick until the canary has that share."""
        for _ in range(60):
            if self.share == percent:
                return
            assert self.tick() == Next.TICK
        raise AssertionError(f"the canary never has {percent} %")

    def end(self) -> RolloutState:
        for _ in range(400):
            if self.tick() == Next.END:
                return self.world.last.state
        raise AssertionError("the rollout does not end")

    @property
    def share(self) -> int:
        return (self.world.weights or {}).get(revision(2), 0)

    @property
    def phase(self) -> Phase:
        return self.world.progress(self.reference.rollout_id).phase

    @property
    def code(self) -> str:
        reason = self.world.last.reason
        return reason.code if reason else ""

    def tell(self, command: Command) -> None:
        self.world.command(self.reference.rollout_id, command)


@pytest.fixture
def begin(world: World, clock: Clock) -> "Begin":
    return Begin(world, clock)


@dataclass
class Begin:
    """Version 1 serves, version 2 is brought up by a policy."""

    world: World
    clock: Clock

    def __call__(self, policy: RolloutPolicy = POLICY, **settings: object) -> Road:
        self.world.roll_out(1)
        self.world.metrics.answer(revision(1), 1000)
        self.world.set(policy, **settings)
        reference = self.world.start(self.world.register(2))
        self.world.apply(reference)
        return Road(self.world, self.clock, reference)


def test_it_goes_step_by_step_and_is_promoted(begin: Begin) -> None:
    road = begin()
    shares = []
    while road.tick() != Next.END:
        shares.append(road.share)
        assert len(shares) < 60

    assert sorted(set(shares)) == [10, 50, 100]
    assert shares == sorted(shares)
    assert road.world.last.state is RolloutState.PROMOTED
    told = road.world.table.events_of(RolloutStepStarted)
    assert [event.percent for event in told if isinstance(event, RolloutStepStarted)][-3:] == [
        10,
        50,
        100,
    ]


def test_a_silent_tick_writes_no_event_and_leaves_the_deployment_alone(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.tick()
    events, deployment = len(road.world.table.events), road.world.deployment

    assert road.tick() == Next.TICK

    assert len(road.world.table.events) == events
    assert road.world.deployment == deployment


def test_a_bad_one_is_rolled_back_by_the_tick_that_sees_it(begin: Begin) -> None:
    road = begin()
    road.errors = 5
    road.until(10)

    assert road.tick() == Next.END

    assert road.world.weights == {revision(1): 100}
    assert (road.world.last.state, road.code) == (RolloutState.ROLLED_BACK, "ErrorRateHigher")
    (event,) = [e for e in road.world.ended() if e.model_version == 2]
    assert (event.state, event.stable_version) == ("RolledBack", 1)
    assert event.rolled_back_seconds is not None
    assert event.evidence == (
        f"evidence/tenant-acme/vision/digits/{road.reference.rollout_id}.json"
    )
    assert road.world.ticks(road.reference.rollout_id)[-1].verdict is Verdict.FAIL


@pytest.mark.parametrize("bakes", [False, True])
def test_a_gateway_that_does_not_settle_is_looked_at_no_more_often_than_anything_else(
    begin: Begin, bakes: bool
) -> None:
    """At once at first, since it usually takes a second; every look is kept as evidence."""
    road = begin()
    road.until(100 if bakes else 10)
    road.world.cluster.lag = 10_000
    weights = {revision(1): 0, revision(2): 100} if bakes else {revision(1): 90, revision(2): 10}
    road.world.cluster.turn(PLACE, weights)
    pauses = []
    for _ in range(60):
        turn = road.world.tick(road.reference)
        pauses.append(turn.seconds)
        road.clock.advance(turn.seconds)

    assert pauses == [1] * 30 + [5] * 30
    assert road.share == (100 if bakes else 10)


def test_a_look_that_finds_nothing_new_and_judges_nothing_is_not_kept(begin: Begin) -> None:
    road = begin(POLICY.model_copy(update={"strategy": AllAtOnce(), "final_bake_seconds": 0}))
    road.world.cluster.lag = 10_000
    for _ in range(60):
        assert road.tick() == Next.TICK

    ticks = road.world.ticks(road.reference.rollout_id)
    # The preparation, the promotion, and thirty-one looks until it is known that this takes long.
    assert [tick.number for tick in ticks] == list(range(1, 34))
    road.world.cluster.lag = 0
    road.world.cluster.turn(PLACE, {revision(1): 0, revision(2): 100})
    assert road.end() is RolloutState.PROMOTED


def test_a_gateway_that_settled_after_all_is_looked_at_at_once_again(begin: Begin) -> None:
    road = begin(POLICY.model_copy(update={"tick_seconds": 60}))
    road.until(10)
    road.world.cluster.lag = 33
    road.world.cluster.turn(PLACE, {revision(1): 90, revision(2): 10})
    pauses = [road.world.tick(road.reference).seconds for _ in range(32)]
    assert (pauses[29], pauses[30]) == (1, 60)

    road.world.cluster.lag = 3
    road.until(50)
    assert road.world.tick(road.reference).seconds == 1


def test_whoever_turns_the_route_again_and_again_is_not_answered_every_second(
    begin: Begin,
) -> None:
    road = begin(POLICY.model_copy(update={"max_seconds": 3600}))
    road.until(10)
    pauses = []
    for _ in range(40):
        road.world.cluster.turn(PLACE, {revision(1): 70, revision(2): 30})
        turn = road.world.tick(road.reference)
        pauses.append(turn.seconds)
        road.clock.advance(turn.seconds)

    assert pauses == [1] * 30 + [5] * 10
    assert road.share == 10


def test_a_rollback_is_the_first_write_and_ends_when_it_is_seen(begin: Begin) -> None:
    road = begin()
    road.errors = 5
    road.until(10)
    road.world.cluster.lag = 3
    before = len(road.world.cluster.writes)

    assert road.tick() == Next.TICK
    assert road.world.cluster.writes[before].startswith("roll_back")
    assert road.phase is Phase.ROLLING_BACK
    assert len(road.world.table.events_of(RolloutRollingBack)) == 1
    assert road.end() is RolloutState.ROLLED_BACK
    (event,) = [e for e in road.world.ended() if e.model_version == 2]
    assert event.rolled_back_seconds is not None
    assert event.rolled_back_seconds > 0


def test_a_share_that_is_not_in_effect_does_not_bake(begin: Begin) -> None:
    road = begin()
    road.world.cluster.lag = 10**6
    road.until(10)
    for _ in range(40):
        road.tick()
    assert road.share == 10
    assert road.world.progress(road.reference.rollout_id).since is None


@pytest.mark.parametrize(
    ("patience", "state", "code"),
    [
        (OnInconclusive.WAIT, RolloutState.TIMED_OUT, "DeadlineExceeded"),
        (OnInconclusive.ABORT, RolloutState.ROLLED_BACK, "Inconclusive"),
        (OnInconclusive.ASK, RolloutState.TIMED_OUT, "DeadlineExceeded"),
    ],
)
def test_a_canary_that_nobody_asked_is_never_passed(
    begin: Begin, patience: OnInconclusive, state: RolloutState, code: str
) -> None:
    road = begin(POLICY.model_copy(update={"on_inconclusive": patience, "max_seconds": 300}))
    while road.tick(per_second=0) != Next.END:
        assert road.share <= 10

    assert (road.world.last.state, road.code) == (state, code)
    assert road.world.weights == {revision(1): 100}
    waits = road.world.table.events_of(RolloutAwaitsApproval)
    assert len(waits) == (1 if patience is OnInconclusive.ASK else 0)


def test_metrics_that_do_not_come_are_inconclusive(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.metrics.down = 3
    for _ in range(3):
        assert road.tick() == Next.TICK
        tick = road.world.ticks(road.reference.rollout_id)[-1]
        assert (tick.verdict, tick.checks[0].code) == (Verdict.INCONCLUSIVE, "MetricsUnavailable")
    assert road.end() is RolloutState.PROMOTED


def test_trouble_of_the_stable_revision_is_not_the_canarys_fault(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.outcomes[1] = PROGRESSING
    for _ in range(10):
        assert road.tick() == Next.TICK
    assert road.share == 10
    del road.world.cluster.outcomes[1]

    assert road.end() is RolloutState.PROMOTED


def test_a_canary_that_dies_is_rolled_back_at_once(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.outcomes[2] = DEAD

    assert road.tick() == Next.END
    assert (road.world.last.state, road.code) == (RolloutState.ROLLED_BACK, "RevisionUnhealthy")
    assert road.world.weights == {revision(1): 100}


def test_a_canary_may_be_unready_for_one_tick_and_not_for_two(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.outcomes[2] = PROGRESSING
    assert road.tick() == Next.TICK
    del road.world.cluster.outcomes[2]
    assert road.tick() == Next.TICK
    road.world.cluster.outcomes[2] = PROGRESSING
    assert road.tick() == Next.TICK

    assert road.tick() == Next.END
    assert road.code == "RevisionUnhealthy"


def test_a_revision_that_is_not_ready_gets_nothing(begin: Begin) -> None:
    road = begin()
    road.world.cluster.outcomes[2] = PROGRESSING
    for _ in range(5):
        assert road.tick() == Next.TICK
    assert road.world.weights == {revision(1): 100}


def test_a_route_that_somebody_turned_away_ends_the_rollout(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.turn(PLACE, {revision(1): 100})

    assert road.tick() == Next.END
    assert (road.world.last.state, road.code) == (RolloutState.ROLLED_BACK, "TrafficTakenAway")


def test_a_route_that_somebody_gave_more_is_set_right(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.turn(PLACE, {revision(1): 20, revision(2): 80})

    assert road.tick() == Next.TICK
    assert road.world.weights == {revision(1): 90, revision(2): 10}


def test_a_pause_holds_the_step_and_a_breach_still_rolls_back(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.tell(Command.PAUSE)
    for _ in range(20):
        assert road.tick() == Next.TICK
    assert road.share == 10
    assert road.world.deployment.active is not None
    assert road.world.deployment.active.paused
    road.errors = 5
    road.tick()

    assert road.tick() == Next.END
    assert road.world.last.state is RolloutState.ROLLED_BACK


def test_a_resumed_rollout_goes_on(begin: Begin) -> None:
    road = begin()
    road.tell(Command.PAUSE)
    for _ in range(5):
        road.tick()
    assert road.share == 0
    road.tell(Command.RESUME)

    assert road.end() is RolloutState.PROMOTED


def test_promotion_by_hand_skips_what_is_left_but_not_the_last_bake(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.tell(Command.PROMOTE)
    assert road.tick(per_second=0) == Next.TICK
    assert (road.share, road.phase) == (100, Phase.BAKING)

    assert road.end() is RolloutState.PROMOTED


def test_an_aborted_rollout_gives_everything_back(begin: Begin) -> None:
    road = begin()
    road.until(50)
    road.tell(Command.ABORT)

    assert road.tick() == Next.END
    assert (road.world.last.state, road.code) == (RolloutState.ABORTED, "Aborted")
    assert road.world.weights == {revision(1): 100}


def test_a_step_with_approval_waits_for_somebody(begin: Begin) -> None:
    steps = Canary(steps=(CanaryStep(percent=10, bake_seconds=5, approval=True),))
    road = begin(POLICY.model_copy(update={"strategy": steps}))
    road.until(10)
    while road.phase is not Phase.AWAITING_APPROVAL:
        assert road.tick() == Next.TICK
    for _ in range(5):
        assert road.tick() == Next.TICK
    assert road.share == 10
    road.tell(Command.APPROVE)

    assert road.end() is RolloutState.PROMOTED


def test_an_inconclusive_step_may_be_passed_by_whoever_is_asked(begin: Begin) -> None:
    road = begin(POLICY.model_copy(update={"on_inconclusive": OnInconclusive.ASK}))
    road.until(10)
    while road.phase is not Phase.AWAITING_APPROVAL:
        assert road.tick(per_second=0) == Next.TICK
    road.tell(Command.APPROVE)
    road.tick(per_second=0)
    assert road.share == 50


def test_blue_green_gives_no_request_before_the_verdict(begin: Begin) -> None:
    strategy = BlueGreen(bake_seconds=10)
    road = begin(POLICY.model_copy(update={"strategy": strategy}))
    road.tick()
    assert road.share == 0
    assert road.world.cluster.routes[PLACE].mirrored == {revision(2): 100}
    for _ in range(2):
        road.world.metrics.answer(revision(2), 500)
        road.tick()
        assert road.world.metrics.asked[-1].mirrored

    road.until(100)
    assert road.world.cluster.routes[PLACE].mirrored == {}


def test_old_copies_to_the_same_version_are_not_judged_again(begin: Begin) -> None:
    """The gateway counts from its own start: what an earlier rollout's copies came to is in its figures still."""
    road = begin(POLICY.model_copy(update={"strategy": BlueGreen(bake_seconds=10)}))
    metrics = road.world.metrics
    metrics.counts_copies = True
    metrics.answer_copies(revision(2), 500, 400)
    for _ in range(3):
        road.tick()
        metrics.answer_copies(revision(2), 500)
    # From before the step on, so that its first figures count.
    assert all(request.mirrored for request in metrics.asked)

    assert road.end() is RolloutState.PROMOTED


def test_what_callers_asked_the_canary_before_is_not_judged_after_its_copies(begin: Begin) -> None:
    guarded = POLICY.analysis.model_copy(update={"error_rate": ErrorRateCheck(max_share=0.2)})
    road = begin(
        POLICY.model_copy(update={"strategy": BlueGreen(bake_seconds=10), "analysis": guarded})
    )
    metrics = road.world.metrics
    metrics.counts_copies = True
    metrics.answer(revision(2), 5000, 4000)
    road.tick()
    for _ in range(2):
        metrics.answer_copies(revision(2), 500)
        road.tick()

    assert road.end() is RolloutState.PROMOTED


def test_probes_are_sent_at_each_tick_of_a_step_that_is_judged_on_them(begin: Begin) -> None:
    strategy = BlueGreen(bake_seconds=30, judged_on="Probes")
    road = begin(POLICY.model_copy(update={"strategy": strategy}), probe=PROBE)
    road.tick()
    road.world.prober.down = 1
    for _ in range(3):
        road.tick()

    assert [probe for _, probe in road.world.prober.sent] == [PROBE] * 2


@pytest.mark.parametrize("known", [True, False])
def test_a_canary_that_answers_no_probe_in_time_is_rolled_back(begin: Begin, known: bool) -> None:
    """Whether the source knows the canary (by a few answers) or has never seen one."""
    strategy = BlueGreen(bake_seconds=30, judged_on="Probes")
    road = begin(POLICY.model_copy(update={"strategy": strategy}), probe=PROBE)
    if known:
        road.world.metrics.answer(revision(2), 100)
    road.world.prober.unanswered = Unanswered(canary=4)

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "ErrorRateHigher"
    assert {tick.percent for tick in road.world.ticks(road.reference.rollout_id)} == {0}


def test_probes_that_both_revisions_owe_speak_against_neither(begin: Begin) -> None:
    """A gateway that hangs: no verdict, and nobody is promoted."""
    strategy = BlueGreen(bake_seconds=30, judged_on="Probes")
    road = begin(POLICY.model_copy(update={"strategy": strategy, "max_seconds": 600}), probe=PROBE)
    road.world.prober.unanswered = Unanswered(canary=4, stable=4)
    while road.tick(per_second=0) != Next.END:
        assert road.share == 0

    assert road.code == "DeadlineExceeded"


def test_a_breach_in_the_last_bake_goes_back_to_a_stable_revision_at_full_size(
    begin: Begin,
) -> None:
    analysis = POLICY.analysis.model_copy(
        update={"error_rate": ErrorRateCheck(max_increase=1, max_share=0.2)}
    )
    road = begin(POLICY.model_copy(update={"analysis": analysis, "final_bake_seconds": 60}))
    road.until(100)
    road.errors = 8

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "ErrorRateTooHigh"
    assert road.world.weights == {revision(1): 100}


def test_lean_shrinks_behind_the_steps_and_grows_before_it_goes_back(begin: Begin) -> None:
    road = begin(
        POLICY.model_copy(update={"capacity": Capacity.LEAN}),
        autoscaling=Autoscaling(min_replicas=4, max_replicas=4),
    )
    sizes = road.world.cluster.replicas
    sizes[TENANT, revision(1)] = 4
    road.until(10)
    assert sizes[TENANT, revision(1)] == 4
    road.until(50)
    assert sizes[TENANT, revision(1)] == 4  # 90 % of four copies are four
    road.until(100)
    road.world.cluster.lag = 2
    road.tell(Command.ABORT)
    before = len(road.world.cluster.writes)

    assert road.end() is RolloutState.ABORTED
    assert sizes[TENANT, revision(1)] == 4
    assert road.world.weights == {revision(1): 100}
    assert "roll_back" in " ".join(road.world.cluster.writes[before:])


def test_lean_gives_back_only_what_the_copies_can_carry_until_they_are_there(begin: Begin) -> None:
    steps = Canary(steps=(CanaryStep(percent=50, bake_seconds=5), CanaryStep(percent=75)))
    road = begin(
        POLICY.model_copy(update={"capacity": Capacity.LEAN, "strategy": steps}),
        autoscaling=Autoscaling(min_replicas=4, max_replicas=4),
    )
    sizes = road.world.cluster.replicas
    sizes[TENANT, revision(1)] = 4
    road.until(75)
    assert sizes[TENANT, revision(1)] == 2
    road.world.cluster.lag = 4
    road.tell(Command.ABORT)
    before = len(road.world.cluster.writes)
    road.tick()

    done = road.world.cluster.writes[before:]
    assert [write.split()[:2] for write in done[:2]] == [
        ["resize_stable", "4"],
        ["shift", "50"],
    ]
    assert road.end() is RolloutState.ABORTED
    assert (sizes[TENANT, revision(1)], road.world.weights) == (4, {revision(1): 100})


@pytest.mark.parametrize(("lag", "end"), [(0, RolloutState.ROLLED_BACK), (4, RolloutState.ABORTED)])
def test_lean_gives_nothing_again_to_a_canary_that_somebody_took_everything_from(
    begin: Begin, lag: int, end: RolloutState
) -> None:
    steps = Canary(steps=(CanaryStep(percent=50, bake_seconds=5), CanaryStep(percent=75)))
    road = begin(
        POLICY.model_copy(update={"capacity": Capacity.LEAN, "strategy": steps}),
        autoscaling=Autoscaling(min_replicas=4, max_replicas=4),
    )
    road.world.cluster.replicas[TENANT, revision(1)] = 4
    road.until(75)
    road.world.cluster.lag = lag
    road.tell(Command.ABORT)
    road.world.cluster.turn(PLACE, {revision(1): 100, revision(2): 0})
    before = len(road.world.cluster.writes)

    assert road.end() is end

    verbs = [write.split()[0] for write in road.world.cluster.writes[before:]]
    assert "shift" not in verbs
    assert road.share == 0


def test_a_cluster_that_is_away_changes_nothing_and_is_waited_for(begin: Begin) -> None:
    road = begin()
    road.until(10)
    before = road.world.rollout(road.reference.rollout_id)
    road.world.cluster.fail_next(1)

    assert road.tick() == Next.TICK
    assert road.world.rollout(road.reference.rollout_id) == before
    assert road.end() is RolloutState.PROMOTED


def test_a_cluster_that_stays_away_until_long_after_the_deadline_ends_it(
    begin: Begin, clock: Clock
) -> None:
    road = begin(POLICY.model_copy(update={"max_seconds": 120}))
    road.until(10)
    clock.advance(120 + 601)
    road.world.cluster.fail_next(1)

    with pytest.raises(RolloutFailedError) as failed:
        road.tick()
    assert failed.value.reason == "ClusterUnavailable"


def test_a_long_rollout_is_handed_over_and_carried_on(begin: Begin) -> None:
    road = begin()
    road.until(10)
    world = road.world

    assert world.tick(road.reference, 1000).next == "HandOver"

    (event,) = world.table.events_of(RolloutHandedOver)
    assert isinstance(event, RolloutHandedOver)
    assert event.needs_execution
    opened, reference = world.open()
    assert (opened.action, opened.rollout_id) == ("Continue", road.reference.rollout_id)
    road.reference = reference
    assert road.end() is RolloutState.PROMOTED


def test_a_hand_over_that_nobody_took_up_is_asked_for_again(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.tick(road.reference, 1000)

    road.world.report_dead(road.world.next_execution())

    first, second = road.world.table.events_of(RolloutHandedOver)
    assert first.event_id != second.event_id


def test_a_dead_execution_leaves_no_traffic_at_its_canary(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.report_dead(road.reference.execution)
    assert road.world.weights == {revision(1): 90, revision(2): 10}

    road.world.open()
    assert road.world.retire() is not None

    assert road.world.last.state is RolloutState.FAILED
    assert road.world.weights == {revision(1): 100}


def test_the_next_rollout_takes_the_traffic_off_what_a_dead_one_left(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.clock.advance(1)
    road.world.open(road.world.register(3))
    road.world.report_dead(road.reference.execution)

    _, reference = road.world.open()
    road.world.apply(reference)

    assert road.world.weights == {revision(1): 100}


def test_the_revision_goes_only_when_its_last_requests_are_answered(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.tell(Command.ABORT)
    road.end()

    (leaving,) = [r for r in road.world.deployment.retiring if r.model_version == 2]
    ended = road.world.last.ended_at
    assert (leaving.retire_at - ended).total_seconds() == POLICY.termination_wait_seconds


def test_its_evidence_tells_all_of_it(begin: Begin) -> None:
    road = begin()
    road.errors = 5
    road.end()
    road.world.close(road.reference)

    bundle = road.world.evidence.bundles[*PLACE, road.reference.rollout_id]
    assert bundle["state"] is RolloutState.ROLLED_BACK
    assert bundle["plan"].policy == POLICY
    assert [tick.number for tick in bundle["ticks"]] == list(range(1, len(bundle["ticks"]) + 1))
    verbs = [change.path.split("/")[0] for tick in bundle["ticks"] for change in tick.changes]
    assert verbs == ["prepare", "shift", "roll_back", "finish"]
    *_, breach, closing = bundle["ticks"]
    assert breach.checks[0].samples_canary > 0
    assert closing.note == "after the end"
