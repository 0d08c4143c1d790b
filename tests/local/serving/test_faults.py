"""Faults on purpose: a real model server that errs, dawdles, falls silent and dies as its file says."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.serving.faults import (
    DEATH,
    Fault,
    FaultFile,
    FaultInvalidError,
    described,
    read_fault,
)
from tests.local.serving.running_server import RunningServer, Start
from tests.local.serving.trained_models import TrainedModel
from tests.waiting import eventually

Inject = Callable[..., None]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "revision.json"


@pytest.fixture(scope="module")
def server(start: Start, folders: Callable[..., Path], file: Path) -> RunningServer:
    return start(folders(model_joblib="digits"), f"--faults_file={file}").wait_until_ready()


@pytest.fixture
def inject(file: Path) -> Iterator[Inject]:
    """Puts a fault in place at once; the server is healthy again after the test."""

    def put(**fault: Any) -> None:
        write(file, fault)

    yield put
    file.unlink(missing_ok=True)


def write(file: Path, fault: dict[str, Any]) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(fault))
    draft.replace(file)


def predict(
    server: RunningServer, models: dict[str, TrainedModel], timeout: float = 10
) -> requests.Response:
    return requests.post(
        f"{server.url}/v1/models/m:predict",
        json={"instances": models["digits"].rows[:1]},
        timeout=timeout,
    )


def statuses(server: RunningServer, models: dict[str, TrainedModel], count: int) -> list[int]:
    with requests.Session() as session:
        body = {"instances": models["digits"].rows[:1]}
        url = f"{server.url}/v1/models/m:predict"
        return [session.post(url, json=body, timeout=10).status_code for _ in range(count)]


def is_ready(server: RunningServer, timeout: float = 5) -> bool:
    return requests.get(f"{server.url}/v2/models/m/ready", timeout=timeout).status_code == 200


def test_without_a_fault_it_answers_as_ever(
    server: RunningServer, models: dict[str, TrainedModel]
) -> None:
    assert statuses(server, models, 20) == [200] * 20


def test_a_share_of_the_predictions_fails_and_readiness_does_not(
    server: RunningServer, models: dict[str, TrainedModel], inject: Inject
) -> None:
    inject(errorRate=0.5)
    codes = statuses(server, models, 200)

    assert set(codes) == {200, 500}
    # Binomial: less than one run in 10^9 lies outside of six standard deviations.
    assert 58 <= codes.count(500) <= 142
    assert is_ready(server)


def test_a_fault_that_is_removed_is_over_at_the_next_request(
    server: RunningServer, models: dict[str, TrainedModel], inject: Inject, file: Path
) -> None:
    inject(errorRate=1)
    assert statuses(server, models, 5) == [500] * 5

    file.unlink()

    assert statuses(server, models, 5) == [200] * 5


def test_latency_is_added_within_its_jitter(
    server: RunningServer, models: dict[str, TrainedModel], inject: Inject
) -> None:
    quick = max(predict(server, models).elapsed.total_seconds() for _ in range(3))
    inject(latencyMs=400, latencyJitterMs=100)
    slow = [predict(server, models).elapsed.total_seconds() for _ in range(6)]

    assert min(slow) >= 0.3
    assert max(slow) <= 0.5 + quick + 1.0  # one second for a busy machine
    assert len({round(seconds, 3) for seconds in slow}) > 1


def test_one_that_is_never_ready_says_so_and_predicts_nothing(
    server: RunningServer, models: dict[str, TrainedModel], inject: Inject, file: Path
) -> None:
    inject(neverReady=True)
    assert not is_ready(server)
    assert predict(server, models).status_code == 503

    file.unlink()

    assert is_ready(server)


def test_hanging_predictions_are_answered_once_the_fault_is_over(
    server: RunningServer, models: dict[str, TrainedModel], inject: Inject, file: Path
) -> None:
    answers: list[requests.Response] = []
    asking = threading.Thread(target=lambda: answers.append(predict(server, models, 30)))
    inject(hang="requests")
    with pytest.raises(requests.ReadTimeout):
        predict(server, models, timeout=0.5)
    assert is_ready(server)
    asking.start()

    file.unlink()
    asking.join()

    assert [answer.status_code for answer in answers] == [200]


def test_one_that_hangs_altogether_answers_no_probe_either(
    server: RunningServer, inject: Inject
) -> None:
    inject(hang="all")

    with pytest.raises(requests.ReadTimeout):
        is_ready(server, timeout=0.5)


def test_it_dies_in_the_midst_of_that_prediction_and_leaves_the_reason(
    start: Start, folders: Callable[..., Path], models: dict[str, TrainedModel], tmp_path: Path
) -> None:
    file = tmp_path / "revision.json"
    write(file, {"dieAfterRequests": 3})
    server = start(folders(model_joblib="digits"), f"--faults_file={file}").wait_until_ready()

    assert statuses(server, models, 2) == [200, 200]
    with pytest.raises(requests.ConnectionError):
        predict(server, models)

    assert server.process.wait(timeout=10) == DEATH
    log = server.temporary / "termination-log"
    assert log.read_text() == "injected fault: died in prediction 3"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"errorRate": 1.5}, "errorRate must be"),
        ({"errorRate": float("nan")}, "errorRate must be"),
        ({"errorRate": True}, "errorRate must be"),
        ({"latencyMs": -1}, "latencyMs must be"),
        ({"latencyJitterMs": "much"}, "latencyJitterMs must be"),
        ({"neverReady": "yes"}, "neverReady must be"),
        ({"dieAfterRequests": 1.5}, "dieAfterRequests must be"),
        ({"hang": "sometimes"}, "hang must be"),
        ({"errorrate": 0.5}, "unknown: errorrate; there are errorRate"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_its_field(values: dict[str, Any], told: str) -> None:
    with pytest.raises(FaultInvalidError, match=told):
        read_fault(values)


def test_a_fault_is_written_by_what_it_changes() -> None:
    values = {"errorRate": 0.2, "hang": "all"}

    assert described(read_fault(values)) == values
    assert described(Fault()) == {}


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "fault.json"
    path.write_text('{"errorRate": 1}')
    file = FaultFile(path)
    first = file.current()

    assert file.current() is first
    path.unlink()
    assert file.current() == Fault()


def test_a_replaced_file_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "fault.json"
    write(path, {"errorRate": 1})
    file = FaultFile(path)
    file.current()

    write(path, {"errorRate": 0})

    assert eventually(lambda: file.current() == Fault(), "the new content", 2)
