"""Bringing an embedded stack up and down, and what it tells about itself."""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import services
from local.audit import AuditClient
from local.deploy.clients import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, EmbeddedCloud
from local.deploy.deployment import deploy
from local.deploy.identity import sign_in
from local.deploy.synthesis import synthesise
from local.private_files import write_private
from local.processes import Processes, Service
from local.seed import User, seed
from local.settings import Settings, refuse_taken


class StackError(Exception):
    """The stack cannot be brought up or down now; the message says what to do."""


@dataclass(frozen=True)
class Step:
    """Something that `up` or `down` has done, and how long it took, in seconds."""

    title: str
    seconds: float


@dataclass(frozen=True)
class ServiceStatus:
    name: str
    pid: int | None
    state: str  # running, not answering, stopped
    url: str
    log: Path


Report = Callable[[Step], None]


def up(settings: Settings, report: Report) -> dict[str, Any]:
    """Start what does not run, deploy what has changed, seed, and write `stack.json`.

    Returns the content of that file. Raises StackError, SettingsError, ProcessError, ClusterError,
    PlatformError and the errors of `local.deploy`.
    """
    with _alone(settings):
        return _up(settings, _Timer(report))


def down(settings: Settings, report: Report) -> None:
    """Stop every process of the stack; its state stays."""
    with _alone(settings):
        timer = _Timer(report)
        processes = Processes(settings.state, settings.project)
        settings.stack_file.unlink(missing_ok=True)
        for name in reversed(services.NAMES):
            if processes.stop(name):
                timer.done(f"stopped {name}")


def status(settings: Settings) -> list[ServiceStatus]:
    processes = Processes(settings.state, settings.project)
    found = []
    for service in _services(settings):
        record = processes.running(service.name)
        state = "stopped"
        if record is not None:
            state = "running" if processes.is_current(service) else "not answering"
        found.append(
            ServiceStatus(
                name=service.name,
                pid=record.pid if record else None,
                state=state,
                url=record.url if record else service.ready_url,
                log=processes.log(service.name),
            )
        )
    return found


def access_token(settings: Settings, username: str) -> str:
    """The Cognito access token of one of the stack's users. Raises StackError."""
    described = _running(settings)
    users = {user["username"]: user for user in described["users"]}
    if username not in users:
        raise StackError(f"there is no user {username}; there are {', '.join(users)}")
    cloud = EmbeddedCloud(settings.endpoint)
    return sign_in(cloud, described["client_id"], username, users[username]["password"])


def redrive(settings: Settings, limit: int) -> dict[str, dict[str, int]]:
    """Deliver what each of the stream's consumers had to give up on; batches that went and were `kept`.

    Raises StackError.
    """
    described = _running(settings)
    cloud = EmbeddedCloud(settings.endpoint)
    functions = {"events": "redrive_function", "audit": "audit_redrive_function"}
    return {what: _redrive(cloud, described[name], limit) for what, name in functions.items()}


def _redrive(cloud: EmbeddedCloud, function: str, limit: int) -> dict[str, int]:
    payload = json.dumps({"limit": limit})
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=payload)
    content: dict[str, int] = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise StackError(f"the redrive failed: {content}")
    return content


def audit_client(settings: Settings) -> AuditClient:
    """Verifies every chain of the stack, as its platform administrator. Raises StackError."""
    described = _running(settings)
    root = next(user for user in described["users"] if user["role"] == "platform-admin")
    return AuditClient(described["api_url"], access_token(settings, root["username"]))


def unrecorded_changes(settings: Settings) -> int:
    """Changes that lie among the dead letters instead of in their chain."""
    url = _running(settings)["audit_dead_letters_url"]
    counted = (
        EmbeddedCloud(settings.endpoint)
        .client("sqs")
        .get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    )
    return int(counted["Attributes"]["ApproximateNumberOfMessages"])


def api_url(settings: Settings, api_id: str) -> str:
    """The HTTP API by its path, since `<id>.execute-api.localhost` does not resolve everywhere."""
    return f"{settings.endpoint}/_aws/execute-api/{api_id}/$default"


def _up(settings: Settings, timer: "_Timer") -> dict[str, Any]:
    processes = Processes(settings.state, settings.project)
    embedded_cluster = settings.real_kubeconfig is None
    if not embedded_cluster:
        for name in ("gateway", "controller", "kubernetes"):
            processes.stop(name)
    first = [services.cloud(settings)]
    then: list[Service] = []
    if embedded_cluster:
        first.append(services.kubernetes(settings))
        then += [services.controller(settings), services.gateway(settings)]

    first = _start(settings, processes, first)
    if first:
        settings.stack_file.unlink(missing_ok=True)  # until it is true again
    # Node is busy for seconds with this; the servers start meanwhile.
    assembly = settings.state / "cdk.out"
    if synthesise(settings.project, assembly, _context(settings)):
        timer.done("synthesised the stacks")
    _wait(processes, first, timer)
    then = _start(settings, processes, then)

    cloud = EmbeddedCloud(settings.endpoint)
    outputs = deploy(cloud, assembly, timer.done)
    _wait(processes, then, timer)
    users = seed(cloud, settings, outputs, api_url(settings, outputs["ApiId"]))
    timer.done("made tenants and their people")
    described = _described(settings, outputs, users)
    write_private(settings.stack_file, json.dumps(described, indent=2) + "\n")
    return described


def _running(settings: Settings) -> dict[str, Any]:
    """What the running stack tells about itself. Raises StackError."""
    if not settings.stack_file.is_file():
        raise StackError(f"no stack runs in {settings.state}: start it with `make up`")
    described: dict[str, Any] = json.loads(settings.stack_file.read_text())
    return described


def _services(settings: Settings) -> list[Service]:
    known = [services.cloud(settings)]
    if settings.real_kubeconfig is None:
        known += [
            services.kubernetes(settings),
            services.controller(settings),
            services.gateway(settings),
        ]
    return known


def _start(settings: Settings, processes: Processes, wanted: list[Service]) -> list[Service]:
    """Start those that do not run as wanted, and return them."""
    started = []
    for service in wanted:
        if processes.is_current(service):
            continue
        processes.stop(service.name)
        for name in PORTS_OF[service.name]:
            refuse_taken(name, getattr(settings.ports, name))
        processes.start(service)
        started.append(service)
    return started


PORTS_OF = {
    "cloud": ("cloud",),
    "kubernetes": ("kubernetes",),
    "controller": ("controller_health",),
    "gateway": ("gateway", "gateway_metrics"),
}


def _wait(processes: Processes, started: list[Service], timer: "_Timer") -> None:
    for service in started:
        processes.wait_ready(service)
        timer.done(f"started {service.name}")


def _context(settings: Settings) -> dict[str, str]:
    context = {
        "headrace:target": "embedded",
        "headrace:ingress-url": settings.ingress_url,
        "headrace:metrics-url": settings.metrics_url,
    }
    if settings.real_kubeconfig is not None and settings.metrics_url:
        context |= {
            "headrace:metrics-source": "Prometheus",
            "headrace:metrics-gateway": "envoy_gateway",
        }
    return context


def _described(settings: Settings, outputs: dict[str, str], users: list[User]) -> dict[str, Any]:
    suffix = "StateMachineArn"
    return {
        "api_url": api_url(settings, outputs["ApiId"]),
        "aws_endpoint_url": settings.endpoint,
        "region": REGION,
        "aws_access_key_id": ACCESS_KEY_ID,
        "aws_secret_access_key": SECRET_ACCESS_KEY,
        "user_pool_id": outputs["UserPoolId"],
        "client_id": outputs["ClientId"],
        "models_bucket": outputs["ModelsBucketName"],
        "table_name": outputs["TableName"],
        "event_bus_name": outputs["EventBusName"],
        "state_machines": {
            name.removesuffix(suffix): arn for name, arn in outputs.items() if name.endswith(suffix)
        },
        "redrive_function": outputs["RedriveFunctionName"],
        "audit_redrive_function": outputs["AuditRedriveFunctionName"],
        "audit_dead_letters_url": outputs["AuditDeadLettersUrl"],
        "kubeconfig": str(settings.kubeconfig),
        "ingress_url": settings.ingress_url,
        "pipelines_url": None,  # there is no pipelines API in the embedded mode yet
        "users": [user.described() for user in users],
    }


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the state folder's lock: a second `up` or `down` is refused, not interleaved."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"another command is bringing the stack in {settings.state} up or down: wait for it"
            ) from error
        yield


class _Timer:
    """Reports each step with the time since the one before."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = time.monotonic()

    def done(self, title: str) -> None:
        now = time.monotonic()
        self._report(Step(title, now - self._last))
        self._last = now
