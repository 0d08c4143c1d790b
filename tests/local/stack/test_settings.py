import socket
from dataclasses import astuple
from pathlib import Path

import pytest

from local.settings import Ports, SettingsError, load, refuse_taken


def test_defaults_are_the_well_known_ports(tmp_path: Path) -> None:
    settings = load(tmp_path, environment={})

    assert settings.ports == Ports()
    assert settings.endpoint == "http://127.0.0.1:4566"
    assert settings.ingress_url == "http://127.0.0.1:8080"
    assert settings.kubeconfig == tmp_path / "kubeconfig"


def test_automatic_ports_differ_and_are_found_again(tmp_path: Path) -> None:
    chosen = load(tmp_path, "auto", environment={}).ports

    assert len(set(astuple(chosen))) == len(astuple(chosen))
    assert load(tmp_path, environment={}).ports == chosen
    assert load(tmp_path, "auto", environment={}).ports == chosen


def test_automatic_ports_take_the_place_of_remembered_defaults(tmp_path: Path) -> None:
    load(tmp_path, environment={})

    assert load(tmp_path, "auto", environment={}).ports != Ports()


def test_the_environment_overrules_what_is_remembered(tmp_path: Path) -> None:
    load(tmp_path, "auto", environment={})
    changed = load(tmp_path, environment={"HEADRACE_GATEWAY_METRICS_PORT": "12345"})

    assert changed.ports.gateway_metrics == 12345
    assert load(tmp_path, environment={}).ports == changed.ports


@pytest.mark.parametrize("value", ["", "http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused_by_its_variable(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_CLOUD_PORT"):
        load(tmp_path, environment={"HEADRACE_CLOUD_PORT": value})


def test_one_port_for_two_servers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_CLOUD_PORT and HEADRACE_GATEWAY_PORT"):
        load(tmp_path, environment={"HEADRACE_CLOUD_PORT": "8080"})


def test_a_taken_port_is_refused_by_its_variable() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError, match=f"{port}.*HEADRACE_KUBERNETES_PORT"):
            refuse_taken("kubernetes", port)
    refuse_taken("kubernetes", port)


def test_a_real_cluster_takes_the_place_of_the_embedded_one(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "real"
    kubeconfig.write_text("{}")
    settings = load(
        tmp_path, kubeconfig=kubeconfig, environment={"HEADRACE_INGRESS_URL": "https://models/"}
    )

    assert settings.kubeconfig == kubeconfig
    assert settings.ingress_url == "https://models"


def test_a_missing_kubeconfig_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no kubeconfig at"):
        load(tmp_path, kubeconfig=tmp_path / "nowhere", environment={})
