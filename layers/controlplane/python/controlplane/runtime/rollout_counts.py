"""What CloudWatch is told of rollouts."""

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from controlplane.serving.states import RolloutState


def count_ended_rollout(state: RolloutState) -> None:
    """One more in the metric `RolloutsEnded`, by the state in which it ended."""
    with single_metric(name="RolloutsEnded", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="state", value=state)
