"""The evaluator of policies itself, on examples of AWS's own documentation: a judge must be judged first.

User guide pages `reference_policies_multi-value-conditions`, `reference_policies_elements_condition_operators`,
`reference_policies_variables`, `reference_policies_evaluation-logic`, and DynamoDB's `specifying-conditions`.
"""

from typing import Any

import pytest

from tests.infrastructure.iam import Decision, Request, UnknownElementError, decide, trusts

BUCKET = "arn:aws:s3:::amzn-s3-demo-bucket"


def policy(**statement: Any) -> dict[str, Any]:
    whole = {"Effect": "Allow", "Action": "*", "Resource": "*"} | statement
    return {"Version": "2012-10-17", "Statement": whole}


def holds(condition: dict[str, Any], **context: Any) -> bool:
    """Whether a condition applies to a request with these context keys, `__` standing for `:`."""
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    request = Request("s3:GetObject", f"{BUCKET}/x", keys)
    return decide(request, [policy(Condition=condition)]) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        # All keys of the request among the policy's: true, and true without any key at all.
        ("ForAllValues:StringEquals", ["environment"], True),
        ("ForAllValues:StringEquals", ["environment", "cost-center"], True),
        ("ForAllValues:StringEquals", ["environment", "owner"], False),
        ("ForAllValues:StringEquals", [], True),
        ("ForAllValues:StringEquals", None, True),
        # At least one of them: false without any.
        ("ForAnyValue:StringEquals", ["environment", "owner"], True),
        ("ForAnyValue:StringEquals", ["owner"], False),
        ("ForAnyValue:StringEquals", None, False),
        ("ForAnyValue:StringNotEquals", ["environment", "owner"], True),
        ("ForAnyValue:StringNotEquals", ["environment"], False),
        ("ForAnyValue:StringNotEquals", None, False),
    ],
)
def test_operators_for_several_values(operator: str, given: Any, expected: bool) -> None:
    condition = {operator: {"aws:TagKeys": ["environment", "cost-center"]}}
    context = {} if given is None else {"aws__TagKeys": given}

    assert holds(condition, **context) is expected


@pytest.mark.parametrize(
    ("operator", "values", "given", "expected"),
    [
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringLike", "home/*", "home/me/x", True),
        ("StringLike", "home/?", "home/me", False),
        ("StringLike", "a.c", "abc", False),
        ("StringNotLike", "home/*", "etc", True),
        ("StringEqualsIgnoreCase", "Ab", "aB", True),
        ("Bool", "true", "true", True),
        ("Bool", "true", None, False),
        ("Null", "true", None, True),
        ("Null", "true", "here", False),
        ("Null", "false", "here", True),
        ("Null", "false", None, False),
    ],
)
def test_operators_for_one_value(operator: str, values: Any, given: Any, expected: bool) -> None:
    context = {} if given is None else {"aws__RequestTag/x": given}

    assert holds({operator: {"aws:RequestTag/x": values}}, **context) is expected


def test_all_keys_and_operators_of_a_condition_must_hold() -> None:
    both = {"StringEquals": {"a:x": "1", "a:y": "2"}, "StringLike": {"a:z": "3*"}}

    assert holds(both, a__x="1", a__y="2", a__z="34")
    assert not holds(both, a__x="1", a__y="0", a__z="34")
    assert not holds(both, a__x="1", a__y="2", a__z="4")


def test_a_variable_is_replaced_and_one_without_a_value_matches_nothing() -> None:
    document = policy(Resource=f"{BUCKET}/${{aws:PrincipalTag/department}}/*")

    def asks(key: str, **tags: str) -> Decision:
        context = {f"aws:PrincipalTag/{name}": value for name, value in tags.items()}
        return decide(Request("s3:GetObject", f"{BUCKET}/{key}", context), [document])

    assert asks("finance/report", department="finance") is Decision.ALLOWED
    assert asks("legal/report", department="finance") is Decision.IMPLICITLY_DENIED
    assert asks("finance/report") is Decision.IMPLICITLY_DENIED
    assert asks("/report", department="") is Decision.ALLOWED


def test_defaults_and_special_characters_of_variables() -> None:
    default = policy(Resource=f"{BUCKET}/${{aws:PrincipalTag/team, 'company-wide'}}/*")
    star = policy(Resource=f"{BUCKET}/${{*}}/x")

    assert decide(Request("s3:GetObject", f"{BUCKET}/company-wide/a"), [default]) == "allowed"
    assert decide(Request("s3:GetObject", f"{BUCKET}/*/x"), [star]) == "allowed"
    assert decide(Request("s3:GetObject", f"{BUCKET}/any/x"), [star]) == "implicitly denied"


@pytest.mark.parametrize(("as_patterns", "expected"), [(False, False), (True, True)])
def test_wildcards_in_a_variables_value_can_be_read_both_ways(
    as_patterns: bool, expected: bool
) -> None:
    document = policy(Resource=f"{BUCKET}/${{aws:PrincipalTag/t}}/*")
    request = Request("s3:GetObject", f"{BUCKET}/a/b", {"aws:PrincipalTag/t": "*"}, "", as_patterns)

    assert (decide(request, [document]) is Decision.ALLOWED) is expected


def test_a_refusal_wins_wherever_it_stands() -> None:
    request = Request("s3:GetObject", f"{BUCKET}/x")
    allow, deny = policy(), policy(Effect="Deny", Action="s3:Get*")

    assert decide(request, [allow]) is Decision.ALLOWED
    assert decide(request, [allow, deny]) is Decision.EXPLICITLY_DENIED
    assert decide(request, [allow], [deny]) is Decision.EXPLICITLY_DENIED
    assert decide(request, []) is Decision.IMPLICITLY_DENIED


def test_a_session_has_what_its_policy_and_its_role_both_allow() -> None:
    request = Request("s3:GetObject", f"{BUCKET}/x")

    assert decide(request, [policy()], [policy(Action="s3:GetObject")]) is Decision.ALLOWED
    assert decide(request, [policy()], [policy(Action="s3:Put*")]) is Decision.IMPLICITLY_DENIED
    assert decide(request, [policy(Action="s3:Put*")], [policy()]) is Decision.IMPLICITLY_DENIED
    assert decide(request, [policy()], []) is Decision.IMPLICITLY_DENIED


def test_actions_are_not_case_sensitive_and_exceptions_are_what_they_name() -> None:
    request = Request("S3:getobject", f"{BUCKET}/x")
    but_get = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}
    ]}  # fmt: skip

    assert decide(request, [policy(Action="s3:GetObject")]) is Decision.ALLOWED
    assert decide(request, [but_get]) is Decision.IMPLICITLY_DENIED
    assert decide(Request("s3:PutObject", "x"), [but_get]) is Decision.ALLOWED


def test_dynamodbs_example_of_leading_keys() -> None:
    """Rows whose partition key is the user's own; the condition without `Null` lets keyless requests in."""
    table = "arn:aws:dynamodb:us-west-2:123456789012:table/GameScores"
    condition = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${www.amazon.com:user_id}"]}
    }
    document = policy(Action=["dynamodb:*"], Resource=table, Condition=condition)

    def asks(keys: list[str] | None) -> Decision:
        context: dict[str, Any] = {"www.amazon.com:user_id": "u1"}
        if keys is not None:
            context["dynamodb:LeadingKeys"] = keys
        return decide(Request("dynamodb:BatchGetItem", table, context), [document])

    assert asks(["u1"]) is Decision.ALLOWED
    assert asks(["u1", "u2"]) is Decision.IMPLICITLY_DENIED
    assert asks(None) is Decision.ALLOWED


def test_an_accounts_root_trusts_its_principals_alone() -> None:
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    }]}  # fmt: skip

    def asks(principal: str) -> Decision:
        return trusts(Request("sts:AssumeRole", "", {}, principal), trust)

    assert asks("arn:aws:iam::123456789012:role/any") is Decision.ALLOWED
    assert asks("arn:aws:iam::210987654321:role/any") is Decision.IMPLICITLY_DENIED


def test_what_it_does_not_know_it_does_not_judge() -> None:
    request = Request("s3:GetObject", f"{BUCKET}/x", {"a:x": "1", "a:many": ["1", "2"]})

    for condition in ({"StringAlike": {"a:x": "1"}}, {"StringEquals": {"a:many": "1"}}):
        with pytest.raises(UnknownElementError):
            decide(request, [policy(Condition=condition)])
    with pytest.raises(UnknownElementError):
        decide(request, [policy(Principle="*")])
