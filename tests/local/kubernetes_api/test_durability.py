"""What is told to a client is kept: over restarts, and over a SIGKILL in the middle of writes."""

import signal
import subprocess
import threading
import urllib.error
from pathlib import Path

from tests.local.kubernetes_api.running_server import MERGE, ROOT, RunningServer
from tests.local.kubernetes_api.test_definitions import definition
from tests.waiting import eventually

PATH = "/api/v1/namespaces/default/configmaps"


def test_a_restart_keeps_objects_tokens_kinds_and_watches(own_server: RunningServer) -> None:
    made = own_server.call("POST", PATH, {"metadata": {"name": "a"}, "data": {"v": "1"}})
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    token = own_server.call("POST", f"{account}/token", {}).body["status"]["token"]
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert own_server.call("POST", definitions, definition("kept.example.com")).code == 201
    kubeconfig = own_server.kubeconfig.read_bytes()
    assert own_server.stop() == 0
    own_server.start()
    assert own_server.kubeconfig.read_bytes() == kubeconfig
    assert own_server.call("GET", f"{PATH}/a").body == made.body
    assert own_server.call("GET", "/api/v1", token=token).code == 200
    queues = "/apis/kept.example.com/v1/namespaces/default/queues"
    assert own_server.call("GET", queues).body["kind"] == "QueueList"
    changed = own_server.call("PATCH", f"{PATH}/a", {"data": {"v": "2"}}, media=MERGE)
    assert changed.rv > made.rv
    query = f"watch=1&resourceVersion={made.rv}&timeoutSeconds=1"
    events = list(own_server.watch(f"{PATH}?{query}"))
    assert [event["object"]["data"]["v"] for event in events] == ["2"]


def test_a_taken_port_is_said_plainly(own_server: RunningServer, tmp_path: Path) -> None:
    second = RunningServer(tmp_path / "second", own_server.port)
    done = subprocess.run(
        second.command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert f"127.0.0.1:{own_server.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigint_ends_cleanly(own_server: RunningServer) -> None:
    assert own_server.stop(signal.SIGINT) == 0
    assert "Traceback" not in own_server.log


def test_a_killed_server_has_lost_nothing_it_confirmed(own_server: RunningServer) -> None:
    confirmed: list[int] = []

    def write() -> None:
        number = 0
        try:
            while True:
                body = {"metadata": {"name": f"n{number}"}, "data": {"v": str(number)}}
                confirmed.append(own_server.call("POST", PATH, body).rv)
                number += 1
        except (OSError, urllib.error.URLError):
            return

    writer = threading.Thread(target=write)
    writer.start()
    while len(confirmed) < 15:
        writer.join(0.01)
    own_server.stop(signal.SIGKILL)
    writer.join(5)
    own_server.start()
    items = own_server.call("GET", PATH).body["items"]
    kept = {int(item["metadata"]["resourceVersion"]) for item in items}
    assert set(confirmed) <= kept
    assert len(kept) <= len(confirmed) + 1  # one write may have been kept but not yet confirmed
    later = own_server.call("POST", PATH, {"metadata": {"name": "later"}})
    assert later.rv > max(kept)


def test_a_cascade_that_was_cut_off_goes_on(own_server: RunningServer) -> None:
    owner = own_server.call("POST", PATH, {"metadata": {"name": "owner"}}).body
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
    reference["uid"] = owner["metadata"]["uid"]
    held = {"name": "held", "ownerReferences": [reference], "finalizers": ["example.com/wait"]}
    own_server.call("POST", PATH, {"metadata": held})
    own_server.call("DELETE", f"{PATH}/owner?propagationPolicy=Foreground")
    own_server.stop(signal.SIGKILL)
    own_server.start()
    own_server.call("PATCH", f"{PATH}/held", {"metadata": {"finalizers": None}}, media=MERGE)
    eventually(lambda: own_server.call("GET", PATH).body["items"] == [], "both are gone")
