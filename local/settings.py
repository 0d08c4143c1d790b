"""Where an embedded stack keeps its state, and which ports it uses.

A port comes from HEADRACE_<NAME>_PORT, else from what the state folder remembers, else from the
default; `auto` chooses free ones in place of the defaults. All are bound to 127.0.0.1.
"""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
AUTO = "auto"


class SettingsError(Exception):
    """A setting that cannot be used; the message says which and what to do."""


@dataclass(frozen=True)
class Ports:
    """The defaults are those under which the real things are known."""

    cloud: int = 4566
    kubernetes: int = 6443
    gateway: int = 8080
    gateway_metrics: int = 9090
    controller_health: int = 9091

    @staticmethod
    def variable(name: str) -> str:
        """The environment variable that sets a port: `HEADRACE_GATEWAY_METRICS_PORT`."""
        return f"HEADRACE_{name.upper()}_PORT"


@dataclass(frozen=True)
class Settings:
    """One embedded stack. `kubeconfig` is given when a real cluster takes the embedded one's place.

    `real_ingress_url` is that cluster's gateway as callers reach it (HEADRACE_INGRESS_URL).
    """

    state: Path
    ports: Ports
    real_kubeconfig: Path | None = None
    real_ingress_url: str = ""
    real_metrics_url: str = ""
    project: Path = PROJECT

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.ports.cloud}"

    @property
    def ingress_url(self) -> str:
        if self.real_kubeconfig is not None:
            return self.real_ingress_url
        return f"http://{HOST}:{self.ports.gateway}"

    @property
    def metrics_url(self) -> str:
        """The gateway's own figures; with a real cluster its Prometheus (HEADRACE_METRICS_URL), if there is one."""
        if self.real_kubeconfig is not None:
            return self.real_metrics_url
        return f"http://{HOST}:{self.ports.gateway_metrics}/metrics"

    @property
    def kubeconfig(self) -> Path:
        return self.real_kubeconfig or self.state / "kubeconfig"

    @property
    def stack_file(self) -> Path:
        return self.state / "stack.json"

    @property
    def logs(self) -> Path:
        return self.state / "logs"


def load(
    state: Path,
    ports: str = "",
    kubeconfig: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings of the stack whose state folder that is; remembers its ports there.

    `ports` is empty or `auto`. Raises SettingsError.
    """
    if ports not in ("", AUTO):
        raise SettingsError(
            f"--ports takes only {AUTO!r}: set single ports with HEADRACE_<NAME>_PORT"
        )
    if kubeconfig is not None and not kubeconfig.is_file():
        raise SettingsError(f"there is no kubeconfig at {kubeconfig}")
    state = state.absolute()
    file = state / "ports.json"
    chosen = _remembered(file)
    if ports == AUTO and chosen in ({}, asdict(Ports())):
        chosen = free_ports()
    chosen |= _from_environment(environment)
    settings = Settings(
        state=state,
        ports=Ports(**chosen),
        real_kubeconfig=kubeconfig.absolute() if kubeconfig else None,
        real_ingress_url=environment.get("HEADRACE_INGRESS_URL", "").rstrip("/"),
        real_metrics_url=environment.get("HEADRACE_METRICS_URL", "").rstrip("/"),
    )
    _refuse_repeated(settings.ports)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_text(json.dumps(asdict(settings.ports), indent=2) + "\n")
    return settings


def free_ports() -> dict[str, int]:
    """A free port for each name; held together until all are known, so that they differ."""
    with ExitStack() as held:
        chosen = {}
        for field in fields(Ports):
            listener = held.enter_context(socket.socket())
            listener.bind((HOST, 0))
            chosen[field.name] = int(listener.getsockname()[1])
        return chosen


def refuse_taken(name: str, port: int) -> None:
    """Raise SettingsError when something listens on the port already."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            raise SettingsError(
                f"port {port} of the {name.replace('_', ' ')} is taken by another program: end "
                f"that, or set {Ports.variable(name)}, or let free ones be chosen: HEADRACE_PORTS={AUTO}"
            )


def _remembered(file: Path) -> dict[str, int]:
    if not file.is_file():
        return {}
    known = {field.name for field in fields(Ports)}
    saved = json.loads(file.read_text())
    return {name: port for name, port in saved.items() if name in known}


def _from_environment(environment: Mapping[str, str]) -> dict[str, int]:
    chosen = {}
    for field in fields(Ports):
        variable = Ports.variable(field.name)
        value = environment.get(variable)
        if value is None:
            continue
        if not value.isdecimal() or not 0 < int(value) < 65536:
            raise SettingsError(f"{variable} must be a port from 1 to 65535, not {value!r}")
        chosen[field.name] = int(value)
    return chosen


def _refuse_repeated(ports: Ports) -> None:
    used: dict[int, str] = {}
    for name, port in asdict(ports).items():
        if port in used:
            raise SettingsError(
                f"{Ports.variable(used[port])} and {Ports.variable(name)} are both {port}"
            )
        used[port] = name
