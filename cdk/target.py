"""What the stacks are synthesized for: the context values, read and checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from aws_cdk import Environment, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Node

from cdk.metrics_origin import KEYS as METRICS_KEYS
from cdk.metrics_origin import MetricsContextError, MetricsOrigin
from cdk.paths import Sources

AWS = "aws"
EMBEDDED = "embedded"
# The account and region that the embedded cloud has for every caller.
_EMBEDDED_ENVIRONMENT = Environment(account="000000000000", region="us-east-1")
# Seconds that a retired revision keeps running, and that a rollout may take at most.
_RETIRE_AFTER = {AWS: 300, EMBEDDED: 5}
_ROLLOUT_TIMEOUT = {AWS: 1800, EMBEDDED: 120}
# Where the embedded mode's S3 and cluster are. Those of an account on AWS have to be told: see cluster/README.md.
_NEIGHBOURS = {AWS: "", EMBEDDED: "127.0.0.1/32"}
_KEYS = (
    "target",
    "ingress-url",
    "cluster-name",
    "storage-cidrs",
    "cluster-api-cidrs",
    "retire-after-seconds",
    "rollout-timeout-seconds",
    "stack-prefix",
    *METRICS_KEYS,
)


class ContextValueError(ValueError):
    """A context value of cdk.json, of `--context` or of CDK_CONTEXT_JSON cannot be used."""


@dataclass(frozen=True)
class Target:
    """AWS or the embedded cloud, and the settings that differ between deployments."""

    name: str = AWS
    stack_prefix: str = "Headrace"
    ingress_url: str = ""
    cluster_name: str = ""
    storage_cidrs: str = ""
    cluster_api_cidrs: str = ""
    retire_after_seconds: int = _RETIRE_AFTER[AWS]
    rollout_timeout_seconds: int = _ROLLOUT_TIMEOUT[AWS]
    metrics: MetricsOrigin = field(default_factory=MetricsOrigin)
    sources: Sources = field(default_factory=Sources)

    @classmethod
    def from_context(cls, node: Node, sources: Sources | None = None) -> "Target":
        """Read the `headrace:*` context values that a construct tree was given.

        Raises ContextValueError naming the value and what it may be.
        """
        return cls.parse(
            {key: node.try_get_context(f"headrace:{key}") for key in _KEYS}, sources or Sources()
        )

    @classmethod
    def parse(cls, values: Mapping[str, Any], sources: Sources) -> "Target":
        """The same of plain values, keyed without the prefix; None and "" mean the default."""
        name = values.get("target") or AWS
        if name not in (AWS, EMBEDDED):
            raise ContextValueError(f"headrace:target is {name!r}: use {AWS!r} or {EMBEDDED!r}")
        cluster_name = str(values.get("cluster-name") or "")
        if cluster_name and name == EMBEDDED:
            raise ContextValueError(
                "headrace:cluster-name names an EKS cluster, which only the target 'aws' reaches: "
                "leave it out, the embedded target reads its cluster from the secret"
            )
        return cls(
            name=name,
            stack_prefix=str(values.get("stack-prefix") or "Headrace"),
            ingress_url=str(values.get("ingress-url") or "").rstrip("/"),
            cluster_name=cluster_name,
            storage_cidrs=_ranges(values, "storage-cidrs", _NEIGHBOURS[name]),
            cluster_api_cidrs=_ranges(values, "cluster-api-cidrs", _NEIGHBOURS[name]),
            retire_after_seconds=_seconds(values, "retire-after-seconds", _RETIRE_AFTER[name]),
            rollout_timeout_seconds=_seconds(
                values, "rollout-timeout-seconds", _ROLLOUT_TIMEOUT[name]
            ),
            metrics=_metrics(values, embedded=name == EMBEDDED),
            sources=sources,
        )

    @property
    def on_aws(self) -> bool:
        return self.name == AWS

    @property
    def environment(self) -> Environment | None:
        """Where stacks are deployed: on AWS, the account and region of whoever deploys them."""
        return None if self.on_aws else _EMBEDDED_ENVIRONMENT

    @property
    def layer_platform(self) -> str:
        """The argument of `python -m cdk.layers` that builds this target's layers."""
        return "lambda" if self.on_aws else "host"

    @property
    def architecture(self) -> lambda_.Architecture:
        return lambda_.Architecture.ARM_64 if self.on_aws else lambda_.Architecture.X86_64

    @property
    def removal(self) -> RemovalPolicy:
        """State on AWS outlives its stack; the embedded cloud's state is its folder."""
        return RemovalPolicy.RETAIN if self.on_aws else RemovalPolicy.DESTROY

    @property
    def log_retention(self) -> logs.RetentionDays:
        return logs.RetentionDays.THREE_MONTHS if self.on_aws else logs.RetentionDays.ONE_WEEK


def _metrics(values: Mapping[str, Any], *, embedded: bool) -> MetricsOrigin:
    try:
        return MetricsOrigin.parse(values, embedded=embedded)
    except MetricsContextError as refused:
        raise ContextValueError(str(refused)) from None


def _ranges(values: Mapping[str, Any], key: str, default: str) -> str:
    """Address ranges parted by commas, such as `52.216.0.0/15,3.5.0.0/19`; none means that nothing is opened."""
    given = str(values.get(key) or default)
    ranges = [part.strip() for part in given.split(",") if part.strip()]
    for each in ranges:
        try:
            ip_network(each)
        except ValueError:
            raise ContextValueError(
                f"headrace:{key} holds {each!r}: use CIDR ranges parted by commas, such as 10.0.0.0/16"
            ) from None
    return ",".join(ranges)


def _seconds(values: Mapping[str, Any], key: str, default: int) -> int:
    value = values.get(key)
    if value is None or value == "":
        return default
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        seconds = -1
    if seconds < 0:
        raise ContextValueError(
            f"headrace:{key} is {value!r}: use a whole number of seconds, 0 or more"
        )
    return seconds
