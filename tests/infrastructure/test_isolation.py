"""What each tenant's credentials open, decided on the synthesized policies by an evaluator of our own.

The embedded cloud and moto enforce no IAM, so nothing that runs proves it: these documents do, as far as they go.
Every question is asked twice, with wildcards in the tag's value as themselves and as wildcards, since AWS does not
say which they are.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from controlplane.adapters.s3_upload_authority import upload_policy
from tests.infrastructure.assembly import Assembly
from tests.infrastructure.iam import Decision, Request, decide, trusts
from tests.infrastructure.roles import ACCOUNT, REGION, Role, Roles

READS = ("GetItem", "BatchGetItem", "Query")
WRITES = ("PutItem", "UpdateItem", "ConditionCheckItem")
# What would look at items, or take them away, without naming one of the tenant's own.
NEVER = (
    "Scan",
    "PartiQLSelect",
    "PartiQLInsert",
    "PartiQLUpdate",
    "PartiQLDelete",
    "DeleteItem",
    "BatchWriteItem",
    "DeleteTable",
    "ExportTableToPointInTime",
    "GetRecords",
    "CreateBackup",
    "UpdateTable",
)
OWN_KEYS = ("TENANT#acme", "TENANT#acme#PROJECT#vision")
WRITER = "headrace:registry-writer"
AUDIT_KEY = "TENANT#acme#AUDIT"
# API functions that serve platform administrators as well: there their own role may work on any tenant.
OF_THE_PLATFORM_TOO = frozenset({"auditing/api", "onboarding/api", "quotas/api", "tiers/api"})
FOREIGN_KEYS = (
    "TENANT#globex",
    "TENANT#acme2",
    "TENANT#acme2#PROJECT#vision",
    "TENANT#acm",
    "TENANT#",
    "TENANT",
    "tenant#acme",
    " TENANT#acme",
    "TENANT#acme-runs",
    "PLATFORM",
    "PLATFORM#USER#u",
    "PLATFORM#AUDIT",
    "X#TENANT#acme",
    "",
)
# Names that no tenant bears, and what they would have to be tricked into.
NO_NAMES = ("", "*", "acm?", "a*", "acme#x", "acme#*", "?", "**", "acme/", "../globex", "${*}")
VICTIMS = ("TENANT#acme", "TENANT#acme#PROJECT#vision", "TENANT#globex", "TENANT#")


@pytest.fixture(scope="module")
def roles(on_aws: Assembly) -> Roles:
    return Roles(on_aws)


@pytest.fixture(scope="module")
def tenants(roles: Roles) -> Role:
    return roles.get("Data/TenantAccessTenantData")


@pytest.fixture(scope="module")
def api_roles(roles: Roles, on_aws: Assembly) -> list[Role]:
    """Those of functions that work for tenants: they are given the tenants' role."""
    entries = [f.entry for f in on_aws.functions() if "TENANT_ROLE_ARN" in f.settings]
    assert {"projects/api", "registry/api", "serving/api", "tenancy/api"} <= set(entries)
    return [roles.of_function(entry) for entry in entries]


class Session:
    """A session of the tenants' role with some tags."""

    def __init__(self, tenants: Role, **tags: str) -> None:
        self._policies = tenants.policies
        self._context = {f"aws:PrincipalTag/{name}": value for name, value in tags.items()}

    def asks(self, action: str, resource: str, **context: str | Sequence[str]) -> set[Decision]:
        """The decisions under both readings of wildcards."""
        keys = self._context | {name.replace("__", ":"): value for name, value in context.items()}
        return {
            decide(Request(action, resource, keys, "", as_patterns), self._policies)
            for as_patterns in (False, True)
        }

    def may(self, action: str, resource: str, keys: Sequence[str] | None = None) -> bool:
        """Whether a DynamoDB operation on these partitions is allowed, the same under both readings."""
        context = {} if keys is None else {"dynamodb__LeadingKeys": list(keys)}
        decisions = {
            d is Decision.ALLOWED for d in self.asks(f"dynamodb:{action}", resource, **context)
        }
        assert len(decisions) == 1, (action, keys)
        return decisions.pop()


@pytest.fixture(scope="module")
def places(roles: Roles) -> list[str]:
    """The table, and indexes of any name: there is none today, and one made tomorrow is held likewise."""
    table = roles.arn("AWS::DynamoDB::Table")
    return [table, f"{table}/index/by-status", f"{table}/index/anything"]


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_a_tenants_session_reaches_its_own_items(
    tenants: Role, places: list[str], operation: str
) -> None:
    acme = Session(tenants, tenant_id="acme")

    for place, key in itertools.product(places, OWN_KEYS):
        assert acme.may(operation, place, [key]), (place, key)
    assert acme.may(operation, places[0], OWN_KEYS)


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_a_tenants_session_reaches_no_other_items(
    tenants: Role, places: list[str], operation: str
) -> None:
    acme = Session(tenants, tenant_id="acme")

    for place, key in itertools.product(places, FOREIGN_KEYS):
        assert not acme.may(operation, place, [key]), (place, key)
        assert not acme.may(operation, place, [*OWN_KEYS, key]), (place, key)
        assert not acme.may(operation, place, [key, *OWN_KEYS]), (place, key)
    for place in places:
        assert not acme.may(operation, place), "a request without keys"
        assert not acme.may(operation, place, []), "a request with an empty list of keys"


def test_the_audit_trail_is_read_and_not_written(tenants: Role, places: list[str]) -> None:
    acme = Session(tenants, tenant_id="acme")

    for operation in READS:
        assert acme.may(operation, places[0], [AUDIT_KEY])
    for operation in ("PutItem", "UpdateItem"):
        assert not acme.may(operation, places[0], [AUDIT_KEY])
        assert not acme.may(operation, places[0], [*OWN_KEYS, AUDIT_KEY])


def test_names_that_begin_alike_are_two_tenants(tenants: Role, places: list[str]) -> None:
    names = ("acme", "acme2", "acme-2", "acm", "a", "ac", "globex", "acme-runs")
    for one, other in itertools.product(names, names):
        session = Session(tenants, tenant_id=one)
        for place, key in itertools.product(
            places, (f"TENANT#{other}", f"TENANT#{other}#PROJECT#p")
        ):
            assert session.may("GetItem", place, [key]) is (one == other), (one, key)


@pytest.mark.parametrize("operation", NEVER)
def test_nobody_scans_deletes_or_runs_statements(
    tenants: Role, places: list[str], operation: str
) -> None:
    acme = Session(tenants, tenant_id="acme")
    for place, keys in itertools.product(places, (None, OWN_KEYS)):
        assert not acme.may(operation, place, keys), place


def test_another_table_is_out_of_reach(tenants: Role) -> None:
    acme = Session(tenants, tenant_id="acme")
    other = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/another"

    assert not any(acme.may(operation, other, OWN_KEYS) for operation in (*READS, *WRITES))


@pytest.mark.parametrize("name", [None, *NO_NAMES])
def test_a_session_that_names_no_tenant_opens_nothing(
    tenants: Role, roles: Roles, places: list[str], name: str | None
) -> None:
    session = Session(tenants) if name is None else Session(tenants, tenant_id=name)
    bucket = roles.arn("AWS::S3::Bucket", "Models")

    for place, key in itertools.product(places, (*VICTIMS, f"TENANT#{name}", f"TENANT#{name}#x")):
        assert not session.may("GetItem", place, [key]), key
    for folder in ("acme", "globex", name or ""):
        key = f"{bucket}/models/{folder}/vision/digits/x"
        assert Decision.ALLOWED not in session.asks("s3:PutObject", key)


def test_tags_of_other_names_count_for_nothing(tenants: Role, places: list[str]) -> None:
    for tags in ({"tenant": "acme"}, {"TenantId": "acme"}, {"roles": "platform-admin"}):
        assert not Session(tenants, **tags).may("GetItem", places[0], ["TENANT#acme"])


def test_a_tenants_session_uploads_below_its_own_prefix_alone(tenants: Role, roles: Roles) -> None:
    bucket = roles.arn("AWS::S3::Bucket", "Models")
    acme = Session(tenants, tenant_id="acme")
    own = f"{bucket}/models/acme/vision/digits/uploads/u/model.joblib"

    assert acme.asks("s3:PutObject", own) == {Decision.ALLOWED}
    assert acme.asks("s3:PutObjectTagging", own) == {Decision.ALLOWED}
    for key in (
        "models/globex/vision/digits/x",
        "models/acme2/vision/x",
        "models/acme",
        "models/x",
        "registry/tenant-acme/vision/digits/1/x",
        "models//acme/x",
    ):
        assert Decision.ALLOWED not in acme.asks("s3:PutObject", f"{bucket}/{key}"), key
    for action in ("s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", "s3:ListBucket"):
        for place in (bucket, own, f"{bucket}/registry/tenant-acme/x"):
            assert Decision.ALLOWED not in acme.asks(action, place), (action, place)


def test_a_tenants_session_reads_the_evidence_of_its_own_rollouts_alone(
    tenants: Role, roles: Roles
) -> None:
    bucket = roles.arn("AWS::S3::Bucket", "Models")
    acme = Session(tenants, tenant_id="acme")
    own = f"{bucket}/evidence/tenant-acme/vision/digits/r-0190a1b2c3d4.json"

    assert acme.asks("s3:GetObject", own) == {Decision.ALLOWED}
    for action in ("GetObjectVersion", "GetObjectTagging", "PutObject", "DeleteObject"):
        assert Decision.ALLOWED not in acme.asks(f"s3:{action}", own), action
    for key in (
        "evidence/tenant-globex/vision/digits/r-1.json",
        "evidence/tenant-acme2/vision/digits/r-1.json",
        "evidence/tenant-acm/vision/digits/r-1.json",
        "evidence/tenant-acme",
        "evidence/acme/vision/digits/r-1.json",
        "evidence/tenant-",
        "models/acme/evidence/tenant-acme/r-1.json",
        "registry/tenant-acme/vision/digits/1/model.joblib",
        "other/evidence/tenant-acme/vision/digits/r-1.json",
    ):
        assert Decision.ALLOWED not in acme.asks("s3:GetObject", f"{bucket}/{key}"), key
    other = "arn:aws:s3:::another-bucket/evidence/tenant-acme/vision/digits/r-1.json"
    assert Decision.ALLOWED not in acme.asks("s3:GetObject", other)
    for nobody in (Session(tenants), *(Session(tenants, tenant_id=name) for name in NO_NAMES)):
        assert Decision.ALLOWED not in nobody.asks("s3:GetObject", own)


def test_the_key_serves_a_session_through_table_and_bucket_alone(
    tenants: Role, roles: Roles
) -> None:
    acme, key = Session(tenants, tenant_id="acme"), roles.arn("AWS::KMS::Key", "ModelsKey")

    for service in ("dynamodb", "s3"):
        via = f"{service}.{REGION}.amazonaws.com"
        assert acme.asks("kms:Decrypt", key, kms__ViaService=via) == {Decision.ALLOWED}
    assert Decision.ALLOWED not in acme.asks("kms:Decrypt", key)
    assert Decision.ALLOWED not in acme.asks(
        "kms:Decrypt", key, kms__ViaService="ec2.amazonaws.com"
    )


def trust_of(
    tenants: Role, principal: Role, action: str, tags: dict[str, str], account: str = ACCOUNT
) -> set[Decision]:
    context: dict[str, str | Sequence[str]] = {
        **{f"aws:PrincipalTag/{name}": value for name, value in principal.tags.items()},
        **{f"aws:RequestTag/{name}": value for name, value in tags.items()},
        "aws:TagKeys": list(tags),
    }
    arn = principal.arn.replace(ACCOUNT, account)
    return {
        trusts(Request(action, tenants.arn, context, arn, as_patterns), tenants.trust)
        for as_patterns in (False, True)
    }


@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession"])
def test_api_functions_take_the_role_on_for_one_tenant_each(
    tenants: Role, api_roles: list[Role], action: str
) -> None:
    for role in api_roles:
        asked = Request(action, tenants.arn)
        assert decide(asked, role.policies) is Decision.ALLOWED, role.name
        assert trust_of(tenants, role, action, {"tenant_id": "acme"}) == {Decision.ALLOWED}
        for tags in (
            {},
            {"tenant": "acme"},
            {"tenant_id": "acme", "headrace:tenant-data": "true"},
            {"tenant_id": "acme", "role": "admin"},
            *({"tenant_id": name} for name in NO_NAMES if name != "${*}"),
        ):
            assert Decision.ALLOWED not in trust_of(tenants, role, action, tags), tags


def test_nobody_else_takes_the_role_on(tenants: Role, roles: Roles, api_roles: list[Role]) -> None:
    named = {role.name for role in api_roles}
    others = [role for role in roles.all() if role.name not in named]
    assert len(others) > len(api_roles)
    for role in others:
        for tags in ({}, {"tenant_id": "acme"}):
            asked = trust_of(tenants, role, "sts:AssumeRole", tags)
            assert Decision.ALLOWED not in asked, role.name
        assert decide(Request("sts:AssumeRole", tenants.arn), role.policies) != "allowed", role.name
    stranger = trust_of(
        tenants, api_roles[0], "sts:AssumeRole", {"tenant_id": "acme"}, account="210987654321"
    )
    assert Decision.ALLOWED not in stranger


def entries_of(roles: Roles) -> set[str]:
    return {function.entry for function in roles.assembly.functions()}


def test_an_api_functions_own_role_reads_the_platforms_record_and_no_tenants_items(
    api_roles: list[Role], roles: Roles, places: list[str]
) -> None:
    of_both = {roles.of_function(entry).name for entry in entries_of(roles) & OF_THE_PLATFORM_TOO}
    for role in api_roles:
        operations = NEVER if role.name in of_both else (*READS, *WRITES, *NEVER)
        for operation, place in itertools.product(operations, places):
            asked = [("TENANT#acme",), ("TENANT#acme#PROJECT#p",), ("TENANT#*",), None]
            for keys in asked:
                context: dict[str, Any] = {} if keys is None else {"dynamodb:LeadingKeys": keys}
                request = Request(f"dynamodb:{operation}", place, context)
                assert decide(request, role.policies) != "allowed", (role.name, operation, keys)
        record = Request("dynamodb:GetItem", places[0], {"dynamodb:LeadingKeys": ["PLATFORM"]})
        assert decide(record, role.policies) is Decision.ALLOWED, role.name


def test_an_api_functions_own_role_reaches_no_models(api_roles: list[Role], roles: Roles) -> None:
    bucket = roles.arn("AWS::S3::Bucket", "Models")
    for role in api_roles:
        for action in ("GetObject", "PutObject", "DeleteObject", "ListBucket", "PutObjectTagging"):
            for place in (
                bucket,
                f"{bucket}/models/acme/p/m/x",
                f"{bucket}/registry/tenant-acme/x",
            ):
                request = Request(f"s3:{action}", place)
                assert decide(request, role.policies) != "allowed", (role.name, action)


class TestUploads:
    """Credentials for one model's prefix: bound by their tags, and by the session policy that is passed along."""

    TAGS = ("tenant", "project", "model")
    MODEL = ("acme", "vision", "digits")

    @pytest.fixture
    def bucket(self, roles: Roles) -> str:
        return roles.arn("AWS::S3::Bucket", "Models")

    @pytest.fixture
    def role(self, roles: Roles) -> Role:
        return roles.get("Registry/UploadRole")

    def decide(self, role: Role, action: str, resource: str, **more: Any) -> set[str]:
        """With the session policy alone, with the tags alone, and with both, under both readings."""
        tags = dict(zip(self.TAGS, self.MODEL, strict=True)) | more.pop("tags", {})
        context = {f"aws:PrincipalTag/{n}": v for n, v in tags.items()} | more.pop("context", {})
        bucket = resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        prefix = "/".join(("models", *self.MODEL, ""))
        session = more.pop("session", [upload_policy(bucket, prefix)])
        return {
            decide(Request(action, resource, context, "", p), role.policies, session)
            for p in (False, True)
        }

    def test_one_models_files_can_be_written(self, role: Role, bucket: str) -> None:
        for action in ("PutObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
            key = f"{bucket}/models/acme/vision/digits/model.joblib"
            assert self.decide(role, f"s3:{action}", key) == {"allowed"}
        listing = {"s3:prefix": "models/acme/vision/digits/"}
        assert self.decide(role, "s3:ListBucket", bucket, context=listing) == {"allowed"}

    @pytest.mark.parametrize(
        "key",
        [
            "models/globex/vision/digits/x",
            "models/acme/vision/digits2/x",
            "models/acme/vision/other/x",
            "models/acme2/vision/digits/x",
            "models/acme/vision/digits",
            "registry/tenant-acme/vision/digits/1/x",
            "x",
        ],
    )
    def test_nothing_else_can_even_if_one_of_the_two_bounds_were_missing(
        self, role: Role, bucket: str, key: str
    ) -> None:
        everything = [{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}]
        anything = [Role("any", "", everything, {}, {})]

        assert "allowed" not in self.decide(role, "s3:PutObject", f"{bucket}/{key}")
        by_tags = self.decide(role, "s3:PutObject", f"{bucket}/{key}", session=everything)
        by_policy = self.decide(anything[0], "s3:PutObject", f"{bucket}/{key}")
        assert "allowed" not in by_tags | by_policy

    def test_no_files_can_be_read_or_deleted(self, role: Role, bucket: str) -> None:
        key = f"{bucket}/models/acme/vision/digits/model.joblib"
        for action in ("GetObject", "GetObjectVersion", "DeleteObject", "PutObjectAcl"):
            assert "allowed" not in self.decide(role, f"s3:{action}", key), action

    @pytest.mark.parametrize(
        "prefix", ["", "models/", "models/globex/", "models/acme", "registry/"]
    )
    def test_nothing_else_can_be_listed(self, role: Role, bucket: str, prefix: str) -> None:
        context = {"s3:prefix": prefix}
        assert "allowed" not in self.decide(role, "s3:ListBucket", bucket, context=context)
        assert "allowed" not in self.decide(role, "s3:ListBucket", bucket)

    @pytest.mark.parametrize("missing", TAGS)
    def test_a_session_that_lacks_a_tag_is_not_issued(
        self, role: Role, roles: Roles, missing: str
    ) -> None:
        def asks(tags: dict[str, str]) -> Decision:
            context: dict[str, Any] = {f"aws:RequestTag/{n}": v for n, v in tags.items()}
            context["aws:TagKeys"] = list(tags)
            api = roles.of_function("registry/api").arn
            return trusts(Request("sts:AssumeRole", role.arn, context, api), role.trust)

        whole = dict(zip(self.TAGS, self.MODEL, strict=True))
        assert asks(whole) is Decision.ALLOWED
        assert asks({n: v for n, v in whole.items() if n != missing}) is not Decision.ALLOWED
        assert asks(whole | {missing: ""}) is not Decision.ALLOWED
        assert asks(whole | {"tenant_id": "acme"}) is not Decision.ALLOWED


class TestTasks:
    """Tasks work for whatever tenant their input names; what they may do at all is bounded by folder."""

    def writers(self, roles: Roles, on_aws: Assembly, action: str, place: str) -> set[str]:
        return {
            function.entry
            for function in on_aws.functions()
            if decide(Request(action, place), roles.of_function(function.entry).policies)
            is Decision.ALLOWED
        }

    def test_uploads_are_read_by_the_two_that_check_and_copy(
        self, roles: Roles, on_aws: Assembly
    ) -> None:
        upload = roles.arn("AWS::S3::Bucket", "Models") + "/models/acme/vision/digits/x"

        assert self.writers(roles, on_aws, "s3:GetObject", upload) == {
            "registry/check_upload",
            "registry/copy_file",
        }
        assert self.writers(roles, on_aws, "s3:PutObject", upload) == set()

    def test_registered_models_are_written_by_the_one_that_copies(
        self, roles: Roles, on_aws: Assembly
    ) -> None:
        model = roles.arn("AWS::S3::Bucket", "Models") + "/registry/tenant-acme/vision/digits/1/x"

        assert self.writers(roles, on_aws, "s3:PutObject", model) == {"registry/copy_file"}
        assert self.writers(roles, on_aws, "s3:GetObject", model) == {
            "registry/copy_file",
            "registry/scan_file",
            "serving/check_rollout",
        }

    def test_nobody_else_can_write_them_whatever_his_rights(self, on_aws: Assembly) -> None:
        """The bucket refuses, also an administrator: only a role with the tag is let through, and one has it."""
        [refusal] = [
            statement
            for policy in on_aws.resources("AWS::S3::BucketPolicy")
            for statement in policy.properties["PolicyDocument"]["Statement"]
            if statement.get("Sid") == "OnlyRegistrationWritesTheRegistry"
        ]
        assert refusal["Effect"] == "Deny"
        assert refusal["Principal"] == {"AWS": "*"}
        assert "s3:PutObject" in refusal["Action"]
        assert refusal["Resource"]["Fn::Join"][1][-1] == "/registry/*"
        assert refusal["Condition"] == {"StringNotEquals": {f"aws:PrincipalTag/{WRITER}": "true"}}
        bearers = {
            role.id
            for role in on_aws.resources("AWS::IAM::Role")
            if {"Key": WRITER, "Value": "true"} in role.properties.get("Tags", [])
        }
        assert {name.removesuffix(name[-8:]) for name in bearers} == {"CopyFileRole"}

    def test_what_looks_into_uploads_can_do_nothing_else(self, roles: Roles) -> None:
        """It opens what strangers wrote."""
        policies = roles.of_function("registry/scan_file").policies
        bucket = roles.arn("AWS::S3::Bucket", "Models")
        table = roles.arn("AWS::DynamoDB::Table")
        for action, resource in (
            ("s3:GetObject", f"{bucket}/models/acme/vision/digits/x"),
            ("s3:PutObject", f"{bucket}/registry/tenant-acme/vision/digits/1/x"),
            ("s3:DeleteObject", f"{bucket}/registry/tenant-acme/vision/digits/1/x"),
            ("s3:ListBucket", bucket),
            ("dynamodb:GetItem", table),
            ("dynamodb:PutItem", table),
        ):
            assert decide(Request(action, resource), policies) is not Decision.ALLOWED, action

    def test_no_function_scans_or_deletes_items(self, roles: Roles, on_aws: Assembly) -> None:
        table = roles.arn("AWS::DynamoDB::Table")
        for operation in ("Scan", "PartiQLSelect", "DeleteTable"):
            assert self.writers(roles, on_aws, f"dynamodb:{operation}", table) == set()
