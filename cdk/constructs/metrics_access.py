"""How functions reach the figures of rollouts."""

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.target import Target


def metric_settings(target: Target) -> dict[str, str]:
    """The settings of a function that reads them: METRICS_SOURCE, METRICS_GATEWAY and what the source needs."""
    origin = target.metrics
    settings = {
        "METRICS_SOURCE": origin.source,
        "METRICS_GATEWAY": origin.gateway,
        "METRICS_URL": origin.url,
        "METRICS_SECRET_ARN": origin.secret_arn,
    }
    return {name: value for name, value in settings.items() if value}


def tell_of_metrics(function: ControlPlaneFunction, target: Target) -> None:
    """Let a function know whether there are figures and whose, without any right to read them."""
    function.add_environment("METRICS_SOURCE", target.metrics.source)
    function.add_environment("METRICS_GATEWAY", target.metrics.gateway)


def allow_metrics(function: ControlPlaneFunction, target: Target) -> None:
    """Give a function these settings, and the rights to read: of one workspace, of one secret."""
    for name, value in metric_settings(target).items():
        function.add_environment(name, value)
    if target.metrics.workspace_arn:
        function.allow(["aps:QueryMetrics"], target.metrics.workspace_arn)
    if target.metrics.secret_arn:
        function.allow(["secretsmanager:GetSecretValue"], target.metrics.secret_arn)
