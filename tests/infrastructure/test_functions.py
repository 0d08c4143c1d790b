"""Every function: its own role and log group, and no more rights than it needs."""

import pytest

from tests.infrastructure.assembly import Assembly

# AWS gives these actions no narrower resource.
WITHOUT_RESOURCE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
# Operations on the table: of a transaction that counts and marks, and of one that stores how far a rollout is.
WRITES = {"PutItem", "UpdateItem"}
PROGRESS = {"BatchGetItem", "PutItem", "ConditionCheckItem"}


def test_every_function_has_its_own_role_and_log_group(assembly: Assembly) -> None:
    functions = assembly.resources("AWS::Lambda::Function")
    roles = {f"{f.stack}/{f.properties['Role']['Fn::GetAtt'][0]}" for f in functions}
    log_groups = {
        f"{f.stack}/{f.properties['LoggingConfig']['LogGroup']['Ref']}" for f in functions
    }

    assert len(functions) == 56
    assert len(roles) == len(log_groups) == len(functions)


def test_every_function_runs_the_module_that_it_is_named_after(assembly: Assembly) -> None:
    for function in assembly.resources("AWS::Lambda::Function"):
        module = function.properties["Description"].rsplit("/", 1)[-1].removesuffix(".py")
        assert function.properties["Handler"] == f"{module}.lambda_handler"
        assert function.properties["Runtime"] == "python3.13"
        assert function.properties["TracingConfig"] == {"Mode": "Active"}
        assert function.properties["LoggingConfig"]["LogFormat"] == "JSON"


def test_functions_run_on_arm64_on_aws(on_aws: Assembly) -> None:
    architectures = {
        tuple(f.properties["Architectures"]) for f in on_aws.resources("AWS::Lambda::Function")
    }

    assert architectures == {("arm64",)}


def test_only_functions_that_reach_the_cluster_carry_its_client(assembly: Assembly) -> None:
    reaching = {f.entry for f in assembly.functions() if f.holds("kubernetes")}

    assert reaching == {
        "serving/check_rollout",
        "serving/prepare_revision",
        "serving/advance_rollout",
        "serving/finish_rollout",
        "serving/retire_revision",
        "serving/switch_deployment",
        "onboarding/cluster_step",
        "onboarding/switch_serving",
        "tiers/apply_limits",
    }
    assert {len(f.layers) for f in assembly.functions()} == {2, 3}


def test_no_role_may_do_anything_by_a_wildcard_action(assembly: Assembly) -> None:
    wide = [s for s in assembly.role_statements() if any("*" in action for action in s.actions)]

    assert wide == []


def test_every_resource_is_named_unless_aws_knows_none(assembly: Assembly) -> None:
    anywhere = {
        action for s in assembly.role_statements() if "*" in s.resources for action in s.actions
    }

    assert anywhere <= WITHOUT_RESOURCE


def test_no_managed_policy_is_borrowed(assembly: Assembly) -> None:
    assert [
        r for r in assembly.resources("AWS::IAM::Role") if "ManagedPolicyArns" in r.properties
    ] == []


@pytest.mark.parametrize(
    ("role", "operations"),
    [
        ("Identity/IssueClaimsRole", {"GetItem", "BatchGetItem", "UpdateItem"}),
        ("Api/TenancyRole", {"GetItem"}),
        ("Api/ProjectsRole", {"GetItem"}),
        ("Registry/ApiRole", {"GetItem"}),
        ("Registry/GovernanceApiRole", {"GetItem"}),
        ("Registry/GovernanceAliasesApiRole", {"GetItem"}),
        ("Registry/GovernanceSigningApiRole", {"GetItem"}),
        ("Registry/GovernanceFollowPromotionRole", {"BatchGetItem", *WRITES}),
        ("Registry/CopyFileRole", set()),
        ("Registry/ScanFileRole", set()),
        ("Registry/DeleteArtifactsRole", set()),
        ("Serving/ApiRole", {"GetItem"}),
        ("Serving/RolloutsApiRole", {"GetItem"}),
        ("Serving/OpenRolloutRole", {"GetItem", "BatchGetItem", *WRITES}),
        ("Serving/CheckRolloutRole", {"GetItem", *PROGRESS}),
        ("Serving/PrepareRevisionRole", PROGRESS),
        ("Serving/AdvanceRolloutRole", PROGRESS),
        ("Serving/AwaitTickRole", {"BatchGetItem", "PutItem"}),
        ("Serving/WakeRolloutRole", {"GetItem"}),
        ("Serving/FinishRolloutRole", {"BatchGetItem", *WRITES}),
        ("Serving/WriteEvidenceRole", {"BatchGetItem", "Query", "UpdateItem"}),
        ("Serving/FailRolloutRole", {"BatchGetItem", "PutItem"}),
        ("Serving/RetireRevisionRole", {"BatchGetItem", *WRITES}),
        ("Serving/SwitchDeploymentRole", {"BatchGetItem", "PutItem"}),
        (
            "Serving/RecordEndedExecutionRole",
            {"GetItem", "BatchGetItem", "Query", *WRITES},
        ),
        ("Webhooks/ApiRole", {"GetItem"}),
        ("Api/DocsRole", set()),
        ("Events/RedriveRole", set()),
    ],
)
def test_table_rights_are_the_least(on_aws: Assembly, role: str, operations: set[str]) -> None:
    actions = {action for s in on_aws.statements_of(role) for action in s.actions}

    assert {a for a in actions if a.startswith("dynamodb:")} == {
        f"dynamodb:{operation}" for operation in operations
    }


def test_no_function_may_delete_or_scan_items_but_those_that_take_a_tenant_away(
    on_aws: Assembly,
) -> None:
    final = {"dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
    statements = on_aws.role_statements()
    deleting = {s.holder.split("Default")[0] for s in statements if final & set(s.actions)}

    assert not [s.holder for s in statements if "dynamodb:Scan" in s.actions]
    assert deleting == {"Onboarding/DataStepRole"}


def test_claims_are_made_of_memberships_and_principals(on_aws: Assembly) -> None:
    (reading,) = [
        s
        for s in on_aws.statements_of("Identity/IssueClaimsRole")
        if "dynamodb:GetItem" in s.actions
    ]

    assert reading.conditions == {
        "ForAllValues:StringLike": {
            "dynamodb:LeadingKeys": ["PLATFORM", "PLATFORM#USER#*", "TENANT#*"]
        },
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


def test_nobody_but_the_copying_function_writes_to_the_registry(on_aws: Assembly) -> None:
    writers = {
        s.holder.split("Default")[0]
        for s in on_aws.role_statements()
        if "s3:PutObject" in s.actions and any("/registry/*" in str(r) for r in s.resources)
    }

    assert [w for w in writers if not w.startswith("Registry/CopyFileRole")] == []
    assert len(writers) == 1


def test_the_function_that_opens_what_strangers_wrote_reads_the_registry_alone(
    on_aws: Assembly,
) -> None:
    reaching = {
        action: str(s.resources)
        for s in on_aws.statements_of("Registry/ScanFileRole")
        for action in s.actions
        if not action.startswith(("logs:", "xray:"))
    }

    assert set(reaching) == {"s3:GetObject", "s3:GetObjectVersion", "kms:Decrypt"}
    assert "/registry/*" in reaching["s3:GetObject"]
    assert reaching["s3:GetObject"] == reaching["s3:GetObjectVersion"]


def test_evidence_is_written_below_its_prefix_by_two_functions_alone(on_aws: Assembly) -> None:
    writing = [
        s
        for s in on_aws.role_statements()
        if any("/evidence/" in str(r) for r in s.resources) and s.actions != ["s3:GetObject"]
    ]
    # A tenant that goes takes its evidence along.
    removing = [s for s in writing if s.holder.startswith("Onboarding/DataStep")]
    assert [set(s.actions) for s in removing] == [
        {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"}
    ]
    writing = [s for s in writing if s not in removing]

    assert {s.holder.split("Default")[0].rpartition("Role")[0] for s in writing} == {
        "Serving/WriteEvidence",
        "Serving/RecordEndedExecution",
    }
    assert {action for s in writing for action in s.actions} == {"s3:PutObject"}


def test_only_those_who_answer_ticks_wake_executions(on_aws: Assembly) -> None:
    (answering,) = [
        p
        for p in on_aws.resources("AWS::IAM::Policy")
        if "states:SendTaskSuccess" in str(p.properties["PolicyDocument"])
    ]
    (statement,) = answering.properties["PolicyDocument"]["Statement"]

    assert {role["Ref"].partition("Role")[0] for role in answering.properties["Roles"]} == {
        "AwaitTick",
        "WakeRollout",
    }
    assert statement["Action"] == "states:SendTaskSuccess"
    assert statement["Resource"]["Ref"].startswith("ModelRolloutStateMachine")


def test_upload_credentials_reach_uploads_only_and_come_from_the_api_alone(
    on_aws: Assembly,
) -> None:
    (role,) = [r for r in on_aws.resources("AWS::IAM::Role") if r.id.startswith("UploadRole")]
    (trust,) = role.properties["AssumeRolePolicyDocument"]["Statement"]
    statements = on_aws.statements_of("Registry/UploadRole")
    actions = {action for s in statements for action in s.actions}
    listing = next(s for s in statements if "s3:ListBucket" in s.actions)
    writing = next(s for s in statements if "s3:PutObject" in s.actions)

    assert trust["Principal"]["AWS"]["Fn::GetAtt"][0].startswith("ApiRole")
    assert set(trust["Action"]) == {"sts:AssumeRole", "sts:TagSession"}
    assert actions == {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
        "s3:ListBucket",
        "kms:GenerateDataKey",
        "kms:Decrypt",
    }
    model = (
        "models/${aws:PrincipalTag/tenant}/${aws:PrincipalTag/project}/${aws:PrincipalTag/model}/*"
    )
    assert listing.conditions == {"StringLike": {"s3:prefix": [model]}}
    assert str(writing.resources).count(f"/{model}") == 1


def test_the_encryption_key_is_used_through_its_services_alone(on_aws: Assembly) -> None:
    direct = [
        s.holder
        for s in on_aws.role_statements()
        if any(action.startswith("kms:") for action in s.actions)
        and "kms:ViaService" not in str(s.conditions)
    ]

    # Lambda's poller decrypts the table's stream in the name of its two readers.
    readers = ("Events/PublishRole", "Auditing/ForwardRole")
    assert [holder for holder in direct if not holder.startswith(readers)] == []
