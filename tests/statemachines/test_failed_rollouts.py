"""A version that cannot be served: why is recorded, what is served stays served, and the next good one goes through."""

from local.demo.traffic import LiveTraffic
from local.demo.training import Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.waiting import eventually

CORRUPT = b"this was never a scikit-learn model"


def assert_failed(deployment: Json, state: str, code: str, *words: str) -> None:
    last = deployment["last_rollout"]
    assert last["state"] == state, last
    assert last["reason"]["code"] == code
    assert last["reason"]["remedy"]
    for word in words:
        assert word in last["reason"]["message"]


def test_a_model_that_cannot_be_loaded_leaves_the_served_one_alone(
    training: Training, new_project: NewProject
) -> None:
    project = new_project("corrupt")
    first = project.serve("digits", training.first.file.read_bytes())
    models = {"first": training.first.predictions}
    with LiveTraffic(first["endpoints"]["v2"], training.rows, models) as traffic:
        version = project.publish("digits", CORRUPT)
        failed = project.settled("digits", version)
        assert_failed(failed, "Failed", "ModelLoadFailed", "model")
        project.wait_until_gone("digits", version)
        before = traffic.answers.count
        eventually(lambda: traffic.answers.count > before + 20, "callers to go on")

    assert traffic.answers.failures == []
    assert failed["status"] == "Ready"
    assert failed["stable"] == first["stable"]
    record = project.rollout("digits", failed["last_rollout"]["rollout"])
    assert record["reason"] == failed["last_rollout"]["reason"]
    eventually(
        lambda: project.version("digits", version)["served_by"] == [], "the version to be let go"
    )

    assert project.serve("digits", training.second.file.read_bytes())["stable"]["version"] == 3


def test_a_first_version_that_cannot_be_loaded_leaves_nothing_behind(
    training: Training, new_project: NewProject
) -> None:
    project = new_project("broken")

    version = project.publish("digits", CORRUPT)

    failed = project.settled("digits", version)
    assert_failed(failed, "Failed", "ModelLoadFailed")
    assert (failed["status"], failed["stable"]) == ("Failed", None)
    project.wait_until_gone("digits", version)
    eventually(lambda: project.route("digits") is None, "the route to go")

    served = project.serve("digits", training.first.file.read_bytes())
    assert served["stable"]["version"] == 2
    assert project.route("digits") is not None


def test_a_format_that_nothing_serves_is_registered_and_not_served(
    new_project: NewProject,
) -> None:
    project = new_project("tensorflow")
    project.inbox("digits").put("model.keras", b"a model of another kind")

    failed = project.settled("digits", 1)

    assert_failed(failed, "Failed", "NoSupportingRuntime", "tensorflow")
    assert failed["status"] == "Failed"
    assert "sklearn" in failed["last_rollout"]["reason"]["remedy"]
    assert project.version("digits", 1)["format"] == "tensorflow"
    assert project.revision("digits", 1) is None
    assert project.route("digits") is None


def test_rollouts_that_die_or_take_too_long_make_way_for_the_next(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("ended")
    content = training.first.file.read_bytes()
    rollout = stack.executions("ModelRollout")
    with stack.held_still("controller"):
        project.publish("digits", content)
        aborted = project.running_rollout("digits", 1)
        ((execution, _),) = rollout.started_by_project(project.name)
        project.publish("digits", content)
        _wait_for_waiting(project, 2)

        rollout.abort(execution)

        ended = project.ended_rollout("digits", aborted)
        assert (ended["state"], ended["reason"]["code"]) == ("Failed", "ExecutionEnded")
        assert "ABORTED" in ended["reason"]["message"]
        assert ended["reason"]["remedy"]

        late = project.running_rollout("digits", 2)
        stack.update_item(
            f"TENANT#acme#PROJECT#{project.name}",
            "DEPLOYMENT#digits",
            "SET active.deadline = :past",
            {":past": {"S": "2020-01-01T00:00:00Z"}},
        )
        failed = project.settled("digits", 2)
        assert_failed(failed, "TimedOut", "DeadlineExceeded", "not ready")
        assert project.rollout("digits", late)["state"] == "TimedOut"
        assert failed["status"] == "Failed"
    for version in (1, 2):
        project.wait_until_gone("digits", version)

    assert project.serve("digits", content)["stable"]["version"] == 3


def _wait_for_waiting(project: Project, version: int) -> None:
    def look() -> bool:
        found = project.deployment("digits")
        return bool(found and found["waiting"] and found["waiting"]["version"] == version)

    eventually(look, f"version {version} to wait")
