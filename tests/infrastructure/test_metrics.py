"""Where rollouts' figures come from is told by the context, and functions may read there alone."""

from typing import Any

import pytest

from cdk.constructs.metrics_access import metric_settings
from cdk.paths import Sources
from cdk.target import ContextValueError, Target

ARN = "arn:aws:aps:eu-west-1:123456789012:workspace/ws-0a1b2c3d-4e5f"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prometheus-AbCdEf"


def settings(**values: str) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in values.items()}
    return metric_settings(Target.parse(named, Sources()))


def test_without_a_word_there_is_no_source() -> None:
    assert settings() == {"METRICS_SOURCE": "None", "METRICS_GATEWAY": "envoy_gateway"}
    assert settings(target="embedded")["METRICS_SOURCE"] == "None"


def test_the_embedded_target_asks_its_gateway() -> None:
    assert settings(target="embedded", metrics_url="http://127.0.0.1:9090/metrics") == {
        "METRICS_SOURCE": "Gateway",
        "METRICS_GATEWAY": "embedded",
        "METRICS_URL": "http://127.0.0.1:9090/metrics",
    }


def test_an_address_on_aws_is_a_prometheus() -> None:
    url = "https://prometheus.example/base/"
    assert settings(metrics_url=url, metrics_gateway="istio", metrics_secret_arn=SECRET) == {
        "METRICS_SOURCE": "Prometheus",
        "METRICS_GATEWAY": "istio",
        "METRICS_URL": "https://prometheus.example/base",
        "METRICS_SECRET_ARN": SECRET,
    }


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        (ARN, "aps-workspaces.eu-west-1.amazonaws.com"),
        (
            ARN.replace("arn:aws:aps:eu-west-1", "arn:aws-cn:aps:cn-north-1"),
            "aps-workspaces.cn-north-1.amazonaws.com.cn",
        ),
    ],
)
def test_a_workspace_tells_its_own_address(arn: str, host: str) -> None:
    found = settings(metrics_workspace_arn=arn)

    assert found["METRICS_SOURCE"] == "ManagedPrometheus"
    assert found["METRICS_URL"] == f"https://{host}/workspaces/ws-0a1b2c3d-4e5f"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics-source": "Graphite"}, "headrace:metrics-source is 'Graphite': use one of None"),
        ({"metrics-source": "Prometheus"}, "headrace:metrics-url is ''"),
        ({"metrics-url": "prometheus:9090"}, "headrace:metrics-url is 'prometheus:9090'"),
        (
            {"metrics-gateway": "nginx"},
            "headrace:metrics-gateway is 'nginx': use one of envoy_gateway",
        ),
        ({"metrics-workspace-arn": "ws-1"}, "headrace:metrics-workspace-arn is 'ws-1'"),
        ({"metrics-workspace-arn": f"{ARN}*"}, "headrace:metrics-workspace-arn is"),
        (
            {"metrics-workspace-arn": ARN, "metrics-source": "Prometheus"},
            "goes with headrace:metrics-source=ManagedPrometheus",
        ),
        (
            {
                "metrics-url": "https://p",
                "metrics-secret-arn": "arn:aws:secretsmanager:x:y:secret:*",
            },
            "headrace:metrics-secret-arn is",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ContextValueError, match=message):
        Target.parse(values, Sources())
