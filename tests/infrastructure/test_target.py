"""Context values: defaults, and refusals that say what to write instead."""

from pathlib import Path
from typing import Any

import pytest

from cdk.paths import Sources
from cdk.target import ContextValueError, Target
from tests.infrastructure.assembly import Assembly

SOURCES = Sources()


def test_without_context_the_target_is_aws() -> None:
    target = Target.parse({}, SOURCES)

    assert target == Target()
    assert target.on_aws
    assert target.layer_platform == "lambda"
    assert (target.retire_after_seconds, target.rollout_timeout_seconds) == (300, 1800)


def test_the_embedded_target_is_in_a_hurry() -> None:
    target = Target.parse({"target": "embedded"}, SOURCES)

    assert not target.on_aws
    assert target.layer_platform == "host"
    assert (target.retire_after_seconds, target.rollout_timeout_seconds) == (5, 120)


def test_values_may_come_as_text() -> None:
    target = Target.parse(
        {"retire-after-seconds": "0", "ingress-url": "https://serving.example/"}, SOURCES
    )

    assert target.retire_after_seconds == 0
    assert target.ingress_url == "https://serving.example"


def test_address_ranges_are_checked_and_brought_into_one_form() -> None:
    target = Target.parse({"storage-cidrs": " 52.216.0.0/15, 3.5.0.0/19 "}, SOURCES)

    assert target.storage_cidrs == "52.216.0.0/15,3.5.0.0/19"
    assert target.cluster_api_cidrs == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "azure"}, "headrace:target is 'azure': use 'aws' or 'embedded'"),
        ({"retire-after-seconds": "soon"}, "headrace:retire-after-seconds is 'soon'"),
        ({"rollout-timeout-seconds": -1}, "headrace:rollout-timeout-seconds is -1"),
        ({"storage-cidrs": "52.216.0.0/15,s3"}, "headrace:storage-cidrs holds 's3'"),
        ({"target": "embedded", "cluster-name": "x"}, "headrace:cluster-name names an EKS cluster"),
    ],
)
def test_values_that_cannot_be_used_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ContextValueError, match=message):
        Target.parse(values, SOURCES)


def test_the_settings_reach_the_functions(on_aws: Assembly, embedded: Assembly) -> None:
    def settings(assembly: Assembly, entry: str) -> dict[str, Any]:
        return next(f.settings for f in assembly.functions() if f.entry == entry)

    assert settings(embedded, "serving/advance_rollout")["RETIRE_AFTER_SECONDS"] == "5"
    assert settings(on_aws, "serving/open_rollout")["ROLLOUT_TIMEOUT_SECONDS"] == "1800"
    for sending in ("serving/api", "serving/advance_rollout"):
        assert settings(embedded, sending)["INGRESS_URL"] == "http://127.0.0.1:8080"
    for telling in ("advance_rollout", "check_rollout", "rollouts_api"):
        assert settings(on_aws, f"serving/{telling}")["METRICS_SOURCE"] == "None"
    assert settings(on_aws, "serving/prepare_revision")["GATEWAY_NAMESPACE"] == "headrace-system"
    assert settings(on_aws, "docs/api") == {
        "POWERTOOLS_SERVICE_NAME": "docs",
        "POWERTOOLS_METRICS_NAMESPACE": "Headrace",
    }


def test_outputs_name_what_launchers_and_operators_need(
    on_aws: Assembly, embedded: Assembly
) -> None:
    shared = {
        "ApiId",
        "AuditDeadLettersUrl",
        "AuditQueueUrl",
        "AuditRedriveFunctionName",
        "CheckKeyFunctionName",
        "ClientId",
        "EventBusName",
        "FailedRecordsBucketName",
        "FailedRecordsQueueUrl",
        "ModelRolloutStateMachineArn",
        "ModelsBucketName",
        "ModelsKeyArn",
        "QuotaReconciliationStateMachineArn",
        "RedriveFunctionName",
        "TableName",
        "TenantOffboardingStateMachineArn",
        "TenantOnboardingStateMachineArn",
        "TierPropagationStateMachineArn",
        "UserPoolId",
        "VersionRegistrationStateMachineArn",
        "WebhookDeliveriesQueueUrl",
    }

    assert set(embedded.outputs) == shared | {"ClusterSecretArn", "OnboardingClusterSecretArn"}
    assert set(on_aws.outputs) == shared | {"ApiUrl", "AlarmTopicArn", "ModelReaderRoleArn"}


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    from aws_cdk import App, Stack  # noqa: PLC0415 - CDK must find its Node, see conftest.py

    from cdk.constructs.control_plane_function import (  # noqa: PLC0415 - see above
        ControlPlaneFunction,
    )

    target = Target(sources=Sources(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"serving/start\.py does not exist"):
        ControlPlaneFunction(
            Stack(App(), "Test"), "Start", entry="serving/start", target=target, layers=[]
        )


def test_a_missing_layer_names_the_command_that_builds_it(tmp_path: Path) -> None:
    from aws_cdk import App, Stack  # noqa: PLC0415 - CDK must find its Node, see conftest.py

    from cdk.constructs.function_layers import FunctionLayers  # noqa: PLC0415 - see above

    (tmp_path / "layers" / "controlplane").mkdir(parents=True)
    target = Target(name="embedded", sources=Sources(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"python -m cdk\.layers host"):
        FunctionLayers(Stack(App(), "Test"), "Layers", target=target)


def test_tasks_that_the_definition_does_not_name_are_refused(tmp_path: Path) -> None:
    from aws_cdk import App, Stack  # noqa: PLC0415 - CDK must find its Node, see conftest.py

    from cdk.constructs.workflow import Workflow  # noqa: PLC0415 - see above

    (tmp_path / "statemachines").mkdir()
    (tmp_path / "statemachines" / "rollout.asl.json").write_text('{"Resource": "${OpenRollout}"}')
    target = Target(sources=Sources(tmp_path))
    with pytest.raises(ValueError, match=r"only in the file \['OpenRollout'\]"):
        Workflow(Stack(App(), "Test"), "Rollout", definition="rollout", tasks={}, target=target)
