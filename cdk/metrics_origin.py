"""Where the figures of rollouts come from: the context values about it, read and checked once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NONE = "None"
GATEWAY = "Gateway"
PROMETHEUS = "Prometheus"
MANAGED_PROMETHEUS = "ManagedPrometheus"
SOURCES = (NONE, GATEWAY, PROMETHEUS, MANAGED_PROMETHEUS)
# Whose series tell of the requests of a deployment behind its own HTTPRoute: a file of adapters/queries.
GATEWAYS = ("envoy_gateway", "istio", "embedded")
KEYS = (
    "metrics-source",
    "metrics-url",
    "metrics-gateway",
    "metrics-workspace-arn",
    "metrics-secret-arn",
)
_WORKSPACE = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):aps:(?P<region>[a-z0-9-]+):[0-9]{12}:workspace/(?P<id>ws-[0-9a-z-]+)"
)
_SECRET = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+")


class MetricsContextError(ValueError):
    """A `headrace:metrics-*` value cannot be used; the message says which and what it may be."""


@dataclass(frozen=True)
class MetricsOrigin:
    """`workspace_arn` is of Amazon Managed Prometheus, `secret_arn` of a secret with `token` or `username`, `password`.

    Without a source a rollout that is judged is refused, unless its policy lets people decide.
    """

    source: str = NONE
    url: str = ""
    gateway: str = "envoy_gateway"
    workspace_arn: str = ""
    secret_arn: str = ""

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, embedded: bool) -> "MetricsOrigin":
        """Raises MetricsContextError."""
        given = {key: str(values.get(key) or "").strip() for key in KEYS}
        arn = given["metrics-workspace-arn"]
        source = given["metrics-source"] or _implied(given, embedded)
        gateway = given["metrics-gateway"] or ("embedded" if embedded else "envoy_gateway")
        _refuse_unknown("metrics-source", source, SOURCES)
        _refuse_unknown("metrics-gateway", gateway, GATEWAYS)
        url = given["metrics-url"].rstrip("/")
        if source == MANAGED_PROMETHEUS:
            url = _workspace_url(arn)
        elif arn:
            raise MetricsContextError(
                f"headrace:metrics-workspace-arn goes with headrace:metrics-source={MANAGED_PROMETHEUS}"
            )
        elif source != NONE and not re.match(r"https?://[^/]", url):
            raise MetricsContextError(
                f"headrace:metrics-url is {url!r}: {source} needs an http:// or https:// address"
            )
        secret = given["metrics-secret-arn"]
        if secret and not _SECRET.fullmatch(secret):
            raise MetricsContextError(
                f"headrace:metrics-secret-arn is {secret!r}: use the ARN of a secret"
            )
        return cls(source, url, gateway, arn, secret)


def _implied(given: Mapping[str, str], embedded: bool) -> str:
    if given["metrics-workspace-arn"]:
        return MANAGED_PROMETHEUS
    if not given["metrics-url"]:
        return NONE
    return GATEWAY if embedded else PROMETHEUS


def _refuse_unknown(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise MetricsContextError(f"headrace:{key} is {value!r}: use one of {', '.join(known)}")


def _workspace_url(arn: str) -> str:
    """https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-APIReference-Prometheus-Compatible-Apis.html"""
    found = _WORKSPACE.fullmatch(arn)
    if found is None:
        raise MetricsContextError(
            f"headrace:metrics-workspace-arn is {arn!r}: use arn:aws:aps:<region>:<account>:workspace/<id>"
        )
    suffix = "amazonaws.com.cn" if found["partition"] == "aws-cn" else "amazonaws.com"
    return f"https://aps-workspaces.{found['region']}.{suffix}/workspaces/{found['id']}"
