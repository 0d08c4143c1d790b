"""What the PodMonitors make of a pod: the addresses that are scraped, by the rules of Prometheus' relabeling."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

MONITORS = Path("cluster/monitoring/podmonitors.yaml")


def endpoints() -> list[dict[str, Any]]:
    monitors = {each["metadata"]["name"]: each for each in yaml.safe_load_all(MONITORS.read_text())}
    found: list[dict[str, Any]] = monitors["headrace-revisions"]["spec"]["podMetricsEndpoints"]
    return found


def address(endpoint: Mapping[str, Any], target: Mapping[str, str]) -> str | None:
    """Where a discovered target is scraped by an endpoint; None where it is dropped.

    The operator keeps the targets whose container declares `portNumber`; then come the endpoint's own rules.
    """
    declared = target.get("__meta_kubernetes_pod_container_port_number")
    if "portNumber" in endpoint and str(endpoint["portNumber"]) != declared:
        return None
    labels = dict(target)
    for rule in endpoint.get("relabelings", ()):
        value = ";".join(labels.get(name, "") for name in rule["sourceLabels"])
        fits = re.fullmatch(rule["regex"], value)
        if rule.get("action", "replace") == "keep":
            if fits is None:
                return None
        elif fits is not None:
            labels[rule["targetLabel"]] = fits.expand(rule["replacement"].replace("$", "\\"))
    return labels["__address__"]


def pod(ip: str, container: str, *declared: int) -> list[dict[str, str]]:
    """The targets that Prometheus discovers: one for each declared port, or one without any."""
    host = f"[{ip}]" if ":" in ip else ip
    common = {
        "__meta_kubernetes_pod_ip": ip,
        "__meta_kubernetes_pod_container_name": container,
    }
    if not declared:
        return [{**common, "__address__": host}]
    return [
        {
            **common,
            "__address__": f"{host}:{port}",
            "__meta_kubernetes_pod_container_port_number": str(port),
        }
        for port in declared
    ]


def scraped(targets: list[dict[str, str]]) -> set[str]:
    found = {address(endpoint, target) for endpoint in endpoints() for target in targets}
    return {each for each in found if each is not None}


@pytest.mark.parametrize(("ip", "host"), [("10.0.3.7", "10.0.3.7"), ("fd00::7", "[fd00::7]")])
@pytest.mark.parametrize("declared", [(), (8080,), (8080, 9000)])
def test_a_model_server_is_scraped_also_where_it_declares_no_port(
    ip: str, host: str, declared: tuple[int, ...]
) -> None:
    assert scraped(pod(ip, "kserve-container", *declared)) == {f"{host}:8080", f"{host}:8082"}


def test_queue_proxy_is_scraped_where_it_tells_of_requests() -> None:
    assert scraped(pod("10.0.3.7", "queue-proxy", 8022, 9090, 9091, 8012)) == {"10.0.3.7:9091"}


def test_other_containers_are_not_scraped() -> None:
    assert not scraped(pod("10.0.3.7", "istio-proxy", 15090))
