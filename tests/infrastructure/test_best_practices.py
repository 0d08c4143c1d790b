"""cdk-nag's AWS Solutions rules: nothing is found that is not explained where it is made."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from cdk.constructs import acknowledgments
from cdk.paths import ROOT
from cdk.stacks.application import add_stacks
from cdk.target import Target

SET_ASIDE = "test:acknowledged-rules"


@pytest.fixture
def application(built_layers: None) -> Callable[..., App]:
    """The stacks for AWS, not synthesized: findings are named by what a stack itself refers to."""

    def make(**values: str) -> App:
        context = json.loads((ROOT / "cdk.json").read_text())["context"] | values
        app = App(context=context, analytics_reporting=False)
        add_stacks(app, Target.from_context(app.node))
        return app

    return make


def findings(app: App) -> dict[str, set[str]]:
    """Paths of resources by the finding about them."""
    report = AwsSolutionsChecks(app).validate_scope(app)
    return {
        violation.rule_name: {resource.construct_path for resource in violation.violating_resources}
        for violation in report.violations
    }


@pytest.mark.parametrize("cluster", ["", "tenants"])
def test_no_finding_is_left_unexplained(application: Callable[..., App], cluster: str) -> None:
    assert findings(application(**{"headrace:cluster-name": cluster})) == {}


def test_a_careless_resource_is_found(application: Callable[..., App]) -> None:
    app = application()
    s3.Bucket(Stack(app, "Careless"), "Bucket")

    found = findings(app)

    assert "Careless/Bucket/Resource" in found["AwsSolutions-S10"]


def test_no_explanation_has_outlived_its_finding(
    application: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledgments, "_METADATA_KEY", SET_ASIDE)
    app = application()

    found = findings(app)

    assert len(found) > 5
    explained = [(c.node.path, rule, reason) for c, rule, reason in _explanations(app)]
    assert len(explained) > 20
    for path, rule, reason in explained:
        assert any(resource.startswith(path) for resource in found.get(rule, ())), (path, rule)
        assert len(reason) > 30, (path, rule)


def _explanations(app: App) -> list[tuple[Any, str, str]]:
    return [
        (construct, rule, reason)
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == SET_ASIDE
        for rule, reason in entry.data.items()
    ]
