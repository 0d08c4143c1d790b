"""What the embedded cloud is given is what it can make."""

import json
import subprocess
from pathlib import Path

import pytest

from cdk.paths import ROOT
from tests.infrastructure.assembly import Assembly

CLOUD_PYTHON = ROOT / ".venvs" / "cloud" / "bin" / "python"
# Reached only through CloudFormation's own bookkeeping.
ASK = """
import json
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS
print(json.dumps(sorted(t for t, h in _RESOURCE_HANDLERS.items() if "create" in h)))
"""
# What only AWS gets: docs/adr/0006-resources-only-aws-gets.md lists the reasons.
AWS_ONLY = {
    "AWS::Events::Archive",
    "AWS::CloudWatch::Alarm",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::EKS::AccessEntry",
}


@pytest.fixture(scope="module")
def known_types(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Resource types that the embedded cloud's CloudFormation makes."""
    if not CLOUD_PYTHON.is_file():
        pytest.skip("the environment .venvs/cloud is not installed: run `make environments`")
    folder = tmp_path_factory.mktemp("cloud")
    answer = subprocess.run(
        [str(CLOUD_PYTHON), "-c", ASK],
        cwd=folder,
        env={"HOME": str(folder), "TMPDIR": str(folder), "STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(answer.stdout.splitlines()[-1]))


def test_the_embedded_cloud_knows_every_resource_it_is_given(
    embedded: Assembly, known_types: set[str]
) -> None:
    used = {resource.type for resource in embedded.resources()}

    assert used - known_types == set()
    assert len(used) > 15


def test_it_would_refuse_what_only_aws_is_given(on_aws: Assembly, known_types: set[str]) -> None:
    used = {resource.type for resource in on_aws.resources()}

    assert "AWS::Events::Archive" in used - known_types


def test_both_targets_are_the_same_stacks_but_for_what_only_aws_gets(
    on_aws: Assembly, embedded: Assembly
) -> None:
    given = {r.type for r in on_aws.resources()} - {r.type for r in embedded.resources()}

    assert given == AWS_ONLY
    assert set(on_aws.templates) - set(embedded.templates) == {"Operations"}


def test_no_resource_needs_a_function_of_cdk_itself(assembly: Assembly) -> None:
    assert [r.name for r in assembly.resources() if r.type.startswith("Custom::")] == []


def test_the_reasons_are_written_down() -> None:
    text = (Path(ROOT) / "docs" / "adr" / "0006-resources-only-aws-gets.md").read_text()

    assert [kind for kind in AWS_ONLY if f"`{kind}`" not in text] == []
