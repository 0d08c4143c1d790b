"""Any order, repetition and interruption of what moves a deployment, against what must come of it.

The promise: one rollout runs at a time, the newest position wins, no rollout is left behind, a version that the
deployment holds cannot be deleted, and what is stable never retires.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from controlplane.errors import ClusterRefusedError, ConcurrentChangeError, InUseError
from controlplane.registry.service import delete_version
from controlplane.requests import digest
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.model import RolloutState
from controlplane.serving.ports import RevisionObservation, RevisionState
from tests.fakes import MemoryInventory, MemoryModels, MemoryUse, clock_stopped
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.world import NAME, PLACE, PROJECT, TENANT, Execution, World, revision

PICK = st.integers(0, 30)
CLUSTER_CALLS = ("find_weights", "find_revision_mark", "delete_revision", "apply_route")
BROKEN = RevisionObservation(RevisionState.FAILED, "ModelLoadFailed", "no such layer")


class RolloutModel(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self._stopped = clock_stopped()
        self.clock = self._stopped.__enter__()
        self.world = World()
        self.registered: list[RegisteredVersion] = []
        self.executions: list[Execution] = []
        self.dead: list[Execution] = []
        self.delivered = 0
        self.calm = True
        self.positions: dict[str, str] = {}
        self._register(None)

    @rule(outcome=st.sampled_from([None, None, None, BROKEN, PROGRESSING]))
    def register(self, outcome: RevisionObservation | None) -> None:
        self._register(outcome)

    @precondition(lambda self: PLACE in self.world.table.deployments)
    @rule(which=PICK)
    def request(self, which: int) -> None:
        self.clock.advance(1)
        rollout = self.world.request(1 + which % len(self.registered))
        waiting = self.world.deployment.waiting
        assert waiting is not None
        self.positions[rollout.rollout_id] = waiting.position

    @rule(which=PICK)
    def deliver_registered(self, which: int) -> None:
        event = self.registered[-1 - which % len(self.registered)]
        self.executions.append(Execution(self.world, event))

    @precondition(lambda self: self.delivered < len(self.world.asking()))
    @rule()
    def deliver_next(self) -> None:
        self.delivered += 1
        self.executions.append(Execution(self.world, None))

    @precondition(lambda self: self.world.asking())
    @rule()
    def deliver_again(self) -> None:
        self.executions.append(Execution(self.world, None))

    @precondition(lambda self: self._alive())
    @rule(which=PICK, steps=st.integers(1, 7))
    def step(self, which: int, steps: int) -> None:
        execution = self._pick(which)
        for _ in range(steps):
            execution.step()

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def lose_answer(self, which: int) -> None:
        self._pick(which).repeat()

    @precondition(lambda self: len(self._alive()) > 1)
    @rule(which=PICK, steps=st.integers(1, 3), call=st.none() | st.sampled_from(CLUSTER_CALLS))
    def race(self, which: int, steps: int, call: str | None) -> None:
        """Another execution works between this one's read and its write, or before a call of the cluster."""
        first, second = self._pick(which), self._pick(which + 1)

        def interrupt() -> None:
            for _ in range(steps):
                second.step()

        if call is not None:
            self.world.cluster.interrupts[call] = interrupt
        else:
            self.world.table.interrupt = interrupt
        first.step()
        self.world.cluster.interrupts.clear()
        self.world.table.interrupt = None

    @rule(calls=st.integers(1, 3))
    def lose_cluster(self, calls: int) -> None:
        self.world.cluster.fail_next(calls)

    @rule()
    def refuse(self) -> None:
        self.calm = False
        self.world.cluster.faults.append(ClusterRefusedError("over quota"))

    @precondition(lambda self: self._alive())
    @rule(which=PICK)
    def abort(self, which: int) -> None:
        """The execution dies without a word; Step Functions' own event about it comes some time."""
        self.calm = False
        execution = self._pick(which)
        self.executions.remove(execution)
        self.dead.append(execution)

    @precondition(lambda self: self.dead)
    @rule(which=PICK)
    def report_dead(self, which: int) -> None:
        self._report(self.dead[which % len(self.dead)])

    @rule(seconds=st.sampled_from([1, 60, 400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(which=PICK)
    def delete_revision_behind_our_back(self, which: int) -> None:
        name = revision(1 + which % len(self.registered))
        self.world.cluster.revisions.pop((TENANT, name), None)

    @invariant()
    def one_rollout_runs(self) -> None:
        if not hasattr(self, "world") or PLACE not in self.world.table.deployments:
            return
        found = self.world.deployment
        states: dict[RolloutState, list[str]] = {state: [] for state in RolloutState}
        for rollout in self.world.table.rollouts.values():
            states[rollout.state].append(rollout.rollout_id)
        active, waiting = found.active, found.waiting
        assert states[RolloutState.RUNNING] == ([active.rollout_id] if active else [])
        assert states[RolloutState.WAITING] == ([waiting.rollout_id] if waiting else [])

    @invariant()
    def what_is_counted_is_what_there_is(self) -> None:
        if not hasattr(self, "world"):
            return
        counted = MemoryUse(self.world.table).get(TENANT).use
        there = MemoryInventory(self.world.table).count(TENANT)
        assert counted.deployments == there.deployments

    @invariant()
    def what_is_held_stays(self) -> None:
        if not hasattr(self, "world") or PLACE not in self.world.table.deployments:
            return
        found = self.world.deployment
        retiring = [leaving.model_version for leaving in found.retiring]
        assert len(set(retiring)) == len(retiring)
        assert found.stable is None or found.stable.model_version not in retiring
        assert found.active is None or found.active.model_version not in retiring
        for version in self.world.table.versions.values():
            assert bool(version.served_by) is (version.number in found.held_versions)
        for number in found.held_versions:
            self._cannot_delete(number)

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self._settle()
                self._check_outcome()
        finally:
            self._stopped.__exit__(None, None, None)

    def _settle(self) -> None:
        """In the end every event is delivered, every execution ends, and time passes."""
        self.world.cluster.faults.clear()
        for execution in self.dead:
            self._report(execution)
        for event in self.registered:
            self.executions.append(Execution(self.world, event))
        for _ in range(400):
            while self.delivered < len(self.world.asking()):
                self.deliver_next()
            alive = self._alive()
            if not alive:
                return
            for execution in alive:
                execution.step()
            self.clock.advance(20)
        raise AssertionError("an execution never ends")

    def _check_outcome(self) -> None:
        self.one_rollout_runs()
        self.what_is_held_stays()
        found = self.world.deployment
        assert (found.active, found.waiting, found.retiring) == (None, None, ())
        rollouts = self.world.table.rollouts.values()
        newest = next(r for r in rollouts if r.rollout_id == self._newest_rollout())
        assert newest.state is not RolloutState.SUPERSEDED
        assert all(rollout.ended_at for rollout in rollouts)
        assert all(r.reason for r in rollouts if r.state is not RolloutState.PROMOTED)
        self._check_newest(newest.model_version, newest.state)
        kept = {found.stable.name} if found.stable else set()
        present = {name for _, name in self.world.cluster.revisions}
        assert present <= kept
        weights = self.world.weights
        assert weights == ({found.stable.name: 100} if found.stable else None)

    def _check_newest(self, number: int, state: RolloutState) -> None:
        outcome = self.world.cluster.outcomes.get(number)
        expected = RolloutState.PROMOTED
        if outcome is not None:
            timed_out = outcome.state is RevisionState.PROGRESSING
            expected = RolloutState.TIMED_OUT if timed_out else RolloutState.FAILED
        if self.calm or state is RolloutState.PROMOTED:
            assert state is expected
        if state is RolloutState.PROMOTED:
            stable = self.world.deployment.stable
            assert stable is not None
            assert stable.model_version == number

    def _newest_rollout(self) -> str:
        return max(self.positions, key=lambda rollout_id: self.positions[rollout_id])

    def _register(self, outcome: RevisionObservation | None) -> None:
        self.clock.advance(1)
        number = len(self.registered) + 1
        if outcome is not None:
            self.world.cluster.outcomes[number] = outcome
        event = self.world.register(number)
        self.registered.append(event)
        identity = digest(TENANT, PROJECT, NAME, str(number))
        self.positions[f"r-{identity[:16]}"] = event.position

    def _report(self, execution: Execution) -> None:
        self.world.report_dead(execution.name)

    def _cannot_delete(self, number: int) -> None:
        models = MemoryModels(self.world.table)
        try:
            delete_version(TENANT, PROJECT, NAME, number, "ada", None, models=models)
        except InUseError:
            return
        except ConcurrentChangeError:
            pass
        raise AssertionError(f"version {number} is held and was deleted")

    def _alive(self) -> list[Execution]:
        return [execution for execution in self.executions if not execution.is_over]

    def _pick(self, which: int) -> Execution:
        alive = self._alive()
        return alive[which % len(alive)]


RolloutModel.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestRolloutModel = RolloutModel.TestCase
