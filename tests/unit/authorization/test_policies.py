"""The policies as files: valid against the schema, complete, explained, and deciding as their table says."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cedarpy import Entities, PolicySet, Schema, format_policies, validate_policies

from controlplane.adapters.cedar_checker import CedarChecker
from controlplane.adapters.cedar_policies import (
    POLICIES,
    CedarPolicies,
    policies_text,
    schema_text,
)
from controlplane.authorization.decision import NOT_PERMITTED
from controlplane.authorization.model import EXAMPLE
from controlplane.tenancy.model import Role, Scope
from tools.policy_table import COLUMNS, permitted, read_table

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads((ROOT / "functions/docs/openapi.json").read_text())
OPERATIONS: dict[str, Any] = {
    operation["operationId"]: operation
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
}
SCHEMA = Schema.from_str(schema_text())
FILES = {file.name: file.read_text() for file in POLICIES.iterdir() if file.name.endswith(".cedar")}
PARSED = list(PolicySet.from_str(policies_text()).to_pst().static_policies.values())
NO_TOKEN = COLUMNS[0]


def actions_with_groups() -> dict[str, set[str]]:
    """The actions of the schema that can be asked about, with their groups; as Cedar itself has read it."""
    found = json.loads(str(Entities.from_json_str("[]", SCHEMA)))
    groups = {e["uid"]["id"]: {parent["id"] for parent in e["parents"]} for e in found}
    return {name: of for name, of in groups.items() if name not in set().union(*groups.values())}


def test_policies_are_valid_against_the_schema() -> None:
    result = validate_policies(policies_text(), SCHEMA)

    assert result.validation_passed, result.errors


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('Action::"read"', 'Action::"raed"'),
        ('Role::"viewer"', 'Role::"veiwer"'),
        ("principal.scopes", "principal.scope"),
        ("context.mfa_required", "context.mfa_needed"),
    ],
)
def test_the_validation_finds_what_the_schema_does_not_know(right: str, wrong: str) -> None:
    assert right in policies_text()

    assert not validate_policies(policies_text().replace(right, wrong, 1), SCHEMA)


def test_every_operation_is_an_action_and_every_action_an_operation() -> None:
    assert set(actions_with_groups()) == set(OPERATIONS)
    assert len(OPERATIONS) > 50


def test_every_action_is_in_a_group_that_some_policy_is_about() -> None:
    """Else nobody may ever carry it out."""
    engine = CedarPolicies()
    for action in actions_with_groups():
        assert any(permitted(engine, column, action) for column in COLUMNS), action


def test_operations_without_a_token_are_those_that_the_policies_open() -> None:
    """The gateway's routes are made of the document, so it lets exactly these through."""
    engine = CedarPolicies()
    opened = {action for action in OPERATIONS if permitted(engine, NO_TOKEN, action)}

    assert opened == {name for name, found in OPERATIONS.items() if found.get("security") == []}
    assert "getHealth" in opened


def test_reading_operations_are_those_that_only_read() -> None:
    """What a suspended tenant may still do is told by groups: a change that is in a reading one would slip through."""
    reading = {"read", "readAdministration", "introspect", "open", "platform"}
    changing = {
        "change",
        "upload",
        "deploy",
        "approve",
        "administer",
        "subscribe",
        "platform",
        "open",
    }
    methods = {
        operation["operationId"]: method
        for found in DOCUMENT["paths"].values()
        for method, operation in found.items()
    }
    for action, groups in actions_with_groups().items():
        only_reads = methods[action] == "get" or action in ("validatePolicy", "planRollout")
        assert groups & (reading if only_reads else changing), (action, groups)


def test_roles_and_scopes_are_those_of_the_code() -> None:
    text = schema_text()
    for role in Role:
        assert f'"{role.value}"' in text.partition("entity Platform")[0]
    asked = {word for word in Scope if f'contains("{word.value}")' in policies_text()}
    assert asked == set(Scope) - {Scope.INFER}


def test_every_policy_has_an_id_of_its_own_and_a_comment() -> None:
    ids = [policy.annotations.get("id", "") for policy in PARSED]

    assert all(ids)
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert not any(name.startswith("tenant/") for name in ids)
    for text in FILES.values():
        for name in (line for line in text.splitlines() if line.startswith("@id(")):
            before = text.partition(name)[0].splitlines()
            assert before[-1].startswith("// "), f"say why before {name}"


def test_every_forbidding_policy_explains_its_refusals() -> None:
    forbidding = [policy for policy in PARSED if policy.effect == "forbid"]

    assert len(forbidding) >= 4
    for policy in forbidding:
        assert policy.annotations["reason"].replace("_", "").isalpha()
        assert policy.annotations["reason"] != NOT_PERMITTED
        assert policy.annotations["remedy"].endswith(".")


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_are_formatted(name: str) -> None:
    assert format_policies(FILES[name], 100, 2) == FILES[name]


def test_table_in_the_documents_is_what_the_policies_say() -> None:
    table = read_table((ROOT / "docs/policies.md").read_text())
    engine = CedarPolicies()

    for column in COLUMNS:
        for action in OPERATIONS:
            assert table[column.title, action] is permitted(engine, column, action), action
    assert len(table) == len(COLUMNS) * len(OPERATIONS)


def test_examples_in_the_documents_are_accepted() -> None:
    document = (ROOT / "docs/policies.md").read_text()
    blocks = document.split("```")[1::2]
    texts = [EXAMPLE]
    for block in blocks:
        found = (
            json.loads(block.partition("\n")[2].partition("\n")[2])["text"]
            if "POST" in block
            else block
        )
        texts += [f"{text};" for text in found.strip().split(";") if text.strip()]

    assert len(texts) >= 5
    for text in texts:
        assert list(CedarChecker().faults("acme", text)) == [], text
