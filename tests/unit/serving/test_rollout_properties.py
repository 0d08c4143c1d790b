"""Judged rollouts under any disturbance, against what must hold whatever happens.

Ticks, commands, crashes between any two effects, lost answers, outages of the cluster and of the metrics, events that
come twice, newer versions, an operator at the route, revisions that die: the traffic is never where it should not be,
and once the disturbances stop every rollout comes to an end.
"""

from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controlplane.errors import ConcurrentChangeError, ConflictError, UnavailableError
from controlplane.serving import advance
from controlplane.serving.analysis import AnalysisPolicy, ErrorRateCheck, Verdict
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.deployment_events import RolloutEnded
from controlplane.serving.model import RolloutState
from controlplane.serving.ports import RevisionObservation, RevisionState
from controlplane.serving.progress import Progress
from controlplane.serving.settings import Autoscaling, DeploymentSettings
from controlplane.serving.states import Command, Phase, RolloutKind
from controlplane.serving.strategy import (
    AllAtOnce,
    BlueGreen,
    Canary,
    CanaryStep,
    Capacity,
    OnInconclusive,
    RolloutPolicy,
)
from tests.counts import count
from tests.fakes import clock_stopped
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.world import PLACE, TENANT, Execution, World, revision

PICK = st.integers(0, 30)
REPLICAS = 4
PER_SECOND = 40
PARTLY = RevisionObservation(RevisionState.PROGRESSING, "Progressing", "it grows", serves=True)
DIED = RevisionObservation(RevisionState.FAILED, "RuntimeUnhealthy", "it was killed")
ENDS = frozenset(RolloutState) - {RolloutState.WAITING, RolloutState.RUNNING}
STRATEGIES = st.sampled_from(
    [
        AllAtOnce(),
        Canary(steps=(CanaryStep(percent=10, bake_seconds=0), CanaryStep(percent=50))),
        Canary(
            steps=(
                CanaryStep(percent=10, bake_seconds=10),
                CanaryStep(percent=50, bake_seconds=10),
            )
        ),
        Canary(
            steps=(
                CanaryStep(percent=5, bake_seconds=5),
                CanaryStep(percent=30, bake_seconds=5, approval=True),
                CanaryStep(percent=75, bake_seconds=5),
            )
        ),
        Canary(
            steps=(CanaryStep(percent=50, bake_seconds=5), CanaryStep(percent=80, bake_seconds=5))
        ),
        BlueGreen(bake_seconds=10),
    ]
)


class CrashError(UnavailableError):
    """The function died: the state machine does the task again."""


class JudgedRollouts(RuleBasedStateMachine):
    @initialize(
        strategy=STRATEGIES,
        capacity=st.sampled_from(Capacity),
        patience=st.sampled_from(OnInconclusive),
        bake=st.sampled_from([0, 10]),
        lag=st.integers(0, 3),
    )
    def begin(
        self,
        strategy: AllAtOnce | Canary | BlueGreen,
        capacity: Capacity,
        patience: OnInconclusive,
        bake: int,
        lag: int,
    ) -> None:
        self.stack = ExitStack()
        self.clock = self.stack.enter_context(clock_stopped())
        self.stack.enter_context(patch.object(advance, "MAX_TURNS", 12))
        self.world = World()
        self.world.roll_out(1)
        self.policy = RolloutPolicy(
            strategy=strategy,
            analysis=AnalysisPolicy(
                error_rate=ErrorRateCheck(max_increase=0.2, max_share=0.3), latency=None
            ),
            capacity=capacity,
            on_inconclusive=patience,
            tick_seconds=5,
            final_bake_seconds=bake,
            max_seconds=600,
            termination_wait_seconds=10,
        )
        scale = Autoscaling(min_replicas=REPLICAS, max_replicas=REPLICAS)
        wanted = DeploymentSettings(autoscaling=scale, rollout=self.policy)
        found = self.world.deployment
        stable = found.stable
        assert stable is not None
        self.world.table.deployments[PLACE] = found.with_changes(
            settings=wanted, stable=stable.model_copy(update={"settings": wanted})
        )
        self.world.cluster.replicas[TENANT, revision(1)] = REPLICAS
        self.world.cluster.lag = lag
        self.world.cluster.on_write = self._check_write
        self.bad: set[int] = set()
        self.by_hand: set[str] = set()
        self.lose_promotion = False
        self.executions: list[Execution] = []
        self.dead: list[Execution] = []
        self.registered: list[RegisteredVersion] = []
        self.delivered = len(self.world.asking())
        self.taken_away: set[str] = set()
        self._register(bad=False)

    # What moves it on

    @precondition(lambda self: self._alive())
    @rule(which=PICK, seconds=st.sampled_from([0, 1, 5, 5, 10]))
    def tick(self, which: int, seconds: int) -> None:
        self._pass(seconds)
        self._step(self._pick(which))

    @precondition(lambda self: self._alive())
    @rule(times=st.integers(3, 9))
    def tick_on(self, times: int) -> None:
        """Undisturbed for a while, so that later steps are reached."""
        for _ in range(times):
            for execution in self._alive():
                self._step(execution)
            self._pass(5)

    @rule(seconds=st.sampled_from([1, 5, 30, 200]))
    def wait(self, seconds: int) -> None:
        self._pass(seconds)

    @precondition(lambda self: self.delivered < len(self.world.asking()))
    @rule(again=st.booleans())
    def deliver(self, again: bool) -> None:
        """An event that asks for an execution is delivered, perhaps twice."""
        self.executions += [Execution(self.world, None) for _ in range(1 + again)]
        self.delivered += 1

    @rule(which=PICK)
    def deliver_registration_again(self, which: int) -> None:
        event = self.registered[which % len(self.registered)]
        self.executions.append(Execution(self.world, event))

    @rule(bad=st.booleans())
    def register(self, bad: bool) -> None:
        if len(self.registered) < 5:
            self._register(bad)

    @precondition(lambda self: self.world.deployment.active)
    @rule(command=st.sampled_from(Command))
    def command(self, command: Command) -> None:
        active = self.world.deployment.active
        assert active is not None
        try:
            self.world.command(active.rollout_id, command)
        except ConflictError as refused:
            if not refused.remedy:
                raise AssertionError("a refusal says what to do") from refused
            count("commands to rollouts that were refused")
            return
        count("commands to rollouts")
        if command in (Command.PROMOTE, Command.APPROVE):
            self.by_hand.add(active.rollout_id)

    @precondition(lambda self: self.world.deployment.previous and not self.world.deployment.active)
    @rule()
    def go_back(self) -> None:
        """To the previous revision, which nothing judges again, for as long as it is kept."""
        previous = self.world.deployment.previous
        assert previous is not None
        if previous.retire_at > self.clock.now():
            self.by_hand.add(self.world.roll_back().rollout_id)
            count("rollbacks that were asked for")

    # What disturbs it

    @precondition(lambda self: self._alive())
    @rule(which=PICK, writes=st.integers(1, 2))
    def crash_after_a_write(self, which: int, writes: int) -> None:
        """The function dies right after it has written to the cluster."""
        left = [writes]

        def crash() -> None:
            self._check_write()
            left[0] -= 1
            if not left[0]:
                count("crashes after a write to the cluster")
                raise CrashError("it died")

        self._step_with(crash, which)

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def crash_before_it_is_recorded(self, which: int) -> None:
        def crash() -> None:
            count("crashes before a record")
            raise CrashError("it died")

        self.world.table.interrupt = crash
        self._step(self._pick(which))

    @rule()
    def lose_the_record_of_a_promotion(self) -> None:
        """The next one, whenever it comes: the record says less than the canary has."""
        self.lose_promotion = True

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def crash_after_it_is_recorded(self, which: int) -> None:
        count("answers of tasks that were lost")
        self._pick(which).repeat()
        self.world.table.interrupt = None

    @rule(answers=st.integers(1, 2))
    def lose_answers(self, answers: int) -> None:
        count("answers of the cluster that were lost", answers)
        self.world.cluster.lose_next(answers)

    @rule(calls=st.integers(1, 4))
    def take_the_cluster_away(self, calls: int) -> None:
        self.world.cluster.fail_next(calls)

    @rule(readings=st.integers(1, 4))
    def take_the_metrics_away(self, readings: int) -> None:
        self.world.metrics.down += readings

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def abort_execution(self, which: int) -> None:
        execution = self._pick(which)
        self.executions.remove(execution)
        self.dead.append(execution)

    @precondition(lambda self: self.dead)
    @rule(which=PICK)
    def report_dead(self, which: int) -> None:
        self.world.report_dead(self.dead[which % len(self.dead)].name)

    @precondition(lambda self: self.world.deployment.active and self.world.weights)
    @rule(share=st.sampled_from([0, 0, 30]))
    def turn_the_route(self, share: int) -> None:
        """An operator, between the two revisions that may have traffic."""
        found = self.world.deployment
        assert found.active is not None
        assert found.stable is not None
        canary = revision(found.active.model_version)
        if canary == found.stable.name or self._others_with_traffic() - {canary}:
            return
        if share and (TENANT, canary) not in self.world.cluster.revisions:
            return
        count("routes that an operator turned")
        progress = self.world.rollout(found.active.rollout_id).progress
        if not share and progress and progress.percent:
            self.taken_away.add(found.active.rollout_id)
        elif share:
            self.taken_away.discard(found.active.rollout_id)
        self.world.cluster.turn(PLACE, {found.stable.name: 100 - share, canary: share})

    @rule(which=PICK, state=st.sampled_from([DIED, PROGRESSING, PARTLY, None, None]))
    def change_health(self, which: int, state: RevisionObservation | None) -> None:
        number = 1 + which % (1 + len(self.registered))
        self.world.cluster.outcomes.pop(number, None)
        if state is not None:
            self.world.cluster.outcomes[number] = state

    # What must hold

    @invariant()
    def traffic_is_where_it_may_be(self) -> None:
        if not hasattr(self, "world"):
            return
        weights = self.world.weights
        count("states of rollouts that were checked")
        assert weights is not None
        assert sum(weights.values()) == 100
        assert len(self._others_with_traffic()) <= 1

    @invariant()
    def stable_keeps_what_was_promised(self) -> None:
        if not hasattr(self, "world"):
            return
        stable = self.world.deployment.stable
        assert stable is not None
        present = self.world.cluster.replicas[TENANT, stable.name]
        if self.policy.capacity is Capacity.SAFE:
            assert present == REPLICAS
        assert present >= 1

    @invariant()
    def the_way_back_is_warm(self) -> None:
        """From when it was asked for, whatever time it takes until it begins, and however often it is asked for."""
        if not hasattr(self, "world"):
            return
        found = self.world.deployment
        for wanted in (found.waiting, found.active):
            if wanted is not None and wanted.kind is RolloutKind.ROLLBACK:
                assert (TENANT, revision(wanted.model_version)) in self.world.cluster.revisions
                count("states in which a rollback was under way")
        if found.active is not None and found.active.kind is RolloutKind.ROLLBACK:
            assert found.active.warm is not None

    @invariant()
    def records_and_events_agree(self) -> None:
        if not hasattr(self, "world"):
            return
        ended = self.world.ended()
        told = {event.rollout_id: event for event in ended}
        assert len(told) == len(ended)
        found = self.world.deployment
        for rollout in self.world.table.rollouts.values():
            is_active = found.active is not None and found.active.rollout_id == rollout.rollout_id
            assert is_active is (rollout.state is RolloutState.RUNNING)
            if rollout.state in ENDS and rollout.state is not RolloutState.SUPERSEDED:
                self._check_ended(told[rollout.rollout_id], rollout.state)

    def _check_ended(self, event: RolloutEnded, state: RolloutState) -> None:
        assert event.state is state
        if state is not RolloutState.PROMOTED:
            assert event.reason
        if state is RolloutState.ROLLED_BACK:
            assert event.stable_version != event.model_version

    def _check_write(self) -> None:
        """Right after each write to the cluster, before anything of it is recorded."""
        verb, _, what = self.world.cluster.writes[-1].partition(" ")
        active = self.world.deployment.active
        if verb not in ("shift", "promote") or active is None:
            return
        assert active.rollout_id not in self.taken_away
        if verb == "promote" and self.lose_promotion:
            self.lose_promotion = False
            self.world.table.interrupt = self._lose_record
        record = self.world.rollout(active.rollout_id)
        progress, plan = record.progress or Progress(), record.plan
        assert plan is not None
        steps = [step.percent for step in plan.policy.steps]
        if verb == "shift":
            at = -1 if progress.phase is Phase.PREPARING else progress.step
            share = int(what.split()[0])
            allowed = steps[min(at + 1, len(steps) - 1)]
            going_back = progress.phase is Phase.ROLLING_BACK
            assert share <= (progress.percent if going_back else max(allowed, progress.percent))
            return
        passed = progress.phase is not Phase.PREPARING and progress.step >= len(steps) - 1
        assert passed or not steps or record.rollout_id in self.by_hand

    def _lose_record(self) -> None:
        count("promotions whose record was lost")
        raise CrashError("it died")

    def _step(self, execution: Execution) -> None:
        before = len(self.world.table.ticks)
        execution.step()
        self.world.table.interrupt = None  # a record that was not tried cannot be lost
        new = list(self.world.table.ticks.values())[before:]
        for tick in new:
            count("ticks of rollouts")
            has_stable = self.world.deployment.stable is not None
            if tick.verdict is Verdict.FAIL and has_stable and tick.stable:
                self._check_turned_back()

    def _check_turned_back(self) -> None:
        count("ticks that saw a breach")
        stable = self.world.deployment.stable
        assert stable is not None
        if self.policy.capacity is Capacity.SAFE:
            assert self.world.weights == {stable.name: 100}

    def _step_with(self, on_write: Callable[[], None], which: int) -> None:
        self.world.cluster.on_write = on_write
        self._step(self._pick(which))
        self.world.cluster.on_write = self._check_write

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.stack:
            self._settle()
            self._check_outcome()

    def _settle(self) -> None:
        """Nothing disturbs it any more."""
        cluster = self.world.cluster
        cluster.faults.clear()
        cluster.lost.clear()
        cluster.outcomes.clear()
        self.world.metrics.down = 0
        for execution in self.dead:
            self.world.report_dead(execution.name)
        for event in self.registered:
            self.executions.append(Execution(self.world, event))
        for _ in range(600):
            while self.delivered < len(self.world.asking()):
                self.deliver(again=False)
            alive = self._alive()
            if not alive:
                return
            for execution in alive:
                self._step(execution)
            self._pass(5)
        raise AssertionError("a rollout never ends")

    def _check_outcome(self) -> None:
        found = self.world.deployment
        assert (found.active, found.waiting) == (None, None)
        assert found.stable is not None
        assert self.world.weights == {found.stable.name: 100}
        present = {name for _, name in self.world.cluster.revisions}
        assert present == {found.stable.name}
        assert self.world.cluster.replicas[TENANT, found.stable.name] == REPLICAS
        assert (TENANT, found.stable.name) not in self.world.cluster.held
        for rollout in self.world.table.rollouts.values():
            assert rollout.state in ENDS
            # A task that is refused however often it looks again has been decided against what the cluster says.
            assert not rollout.reason or rollout.reason.code != ConcurrentChangeError.__name__
            count(f"rollouts that ended as {rollout.state}")
            if rollout.state is RolloutState.PROMOTED:
                self._check_promoted(rollout.rollout_id, rollout.model_version)

    def _check_promoted(self, rollout_id: str, number: int) -> None:
        """Each judged step was passed with a Pass of its own, unless somebody said otherwise."""
        plan = self.world.rollout(rollout_id).plan
        if plan is None or rollout_id in self.by_hand:
            return
        ticks = self.world.ticks(rollout_id)
        assert not any(tick.verdict is Verdict.FAIL for tick in ticks)
        if not plan.policy.steps:
            return
        assert number not in self.bad
        steps = (Phase.STEPPING, Phase.AWAITING_APPROVAL)
        for before, after in pairwise(ticks):
            # A tick that wrote nothing has learnt of it from the route: the one that decided it lost its record.
            if before.phase in steps and after.percent > before.percent and after.changes:
                assert after.verdict is Verdict.PASS

    # The world

    def _register(self, bad: bool) -> None:
        self.clock.advance(1)
        number = len(self.registered) + 2
        if bad:
            self.bad.add(number)
        event = self.world.register(number)
        self.registered.append(event)
        self.executions.append(Execution(self.world, event))

    def _pass(self, seconds: int) -> None:
        """Time passes, and with it requests by what the gateway does, with copies for whom they are sent to."""
        self.clock.advance(seconds)
        route = self.world.cluster.routes[PLACE]
        for name, share in (*route.in_effect.items(), *route.mirrored.items()):
            number = int(name.rpartition("--v")[2])
            requests = PER_SECOND * seconds * share // 100
            self.world.metrics.answer(name, requests, requests // 2 if number in self.bad else 0)

    def _others_with_traffic(self) -> set[str]:
        stable = self.world.deployment.stable
        return set(self.world.weights or {}) - {stable.name if stable else ""}

    def _alive(self) -> list[Execution]:
        return [execution for execution in self.executions if not execution.is_over]

    def _pick(self, which: int) -> Execution:
        alive = self._alive()
        return alive[which % len(alive)]


JudgedRollouts.TestCase.settings = settings(max_examples=150, stateful_step_count=50)
TestJudgedRollouts = JudgedRollouts.TestCase
