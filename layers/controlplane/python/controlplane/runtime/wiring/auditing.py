"""What auditing works with."""

from functools import cache
from typing import TYPE_CHECKING

from controlplane.auditing.chain import ChainKeys
from controlplane.auditing.ports import (
    Anchors,
    AuditLedger,
    AuditTrail,
    ChangeQueue,
    DeadLetters,
    DenialLog,
)
from controlplane.identifiers import PLATFORM
from controlplane.runtime.settings import (
    AuditQueueSettings,
    AuditSettings,
    DeadLetterSettings,
    load,
)
from controlplane.runtime.wiring import aws, tables

if TYPE_CHECKING:
    from controlplane.adapters.dynamodb_audit import DynamoDBAudit


@cache
def _audit() -> "DynamoDBAudit":
    from controlplane.adapters.dynamodb_audit import DynamoDBAudit

    return DynamoDBAudit(tables.table())


def audit_trail() -> AuditTrail:
    return _audit()


def audit_ledger() -> AuditLedger:
    return _audit()


@cache
def chain_keys() -> ChainKeys:
    """The keys of the chains, read once per container."""
    from controlplane.adapters.secretsmanager_secrets import read_secret

    secret = read_secret(aws.client("secretsmanager"), load(AuditSettings).audit_secret_arn)
    return ChainKeys.parse(secret)


@cache
def audit_anchors() -> Anchors:
    from controlplane.adapters.s3_audit_anchors import S3AuditAnchors

    return S3AuditAnchors(aws.client("s3"), load(AuditSettings).audit_anchors_bucket)


@cache
def change_queue() -> ChangeQueue:
    from controlplane.adapters.sqs_audit_queue import SqsAuditQueue

    return SqsAuditQueue(aws.client("sqs"), load(AuditQueueSettings).audit_queue_url)


@cache
def dead_letters() -> DeadLetters:
    from controlplane.adapters.sqs_audit_queue import SqsDeadLetters

    return SqsDeadLetters(aws.client("sqs"), load(DeadLetterSettings).dead_letters_url)


def denial_log(*, tenant_id: str) -> DenialLog:
    """Where refusals of that tenant's principals are written, with the tenant's own credentials."""
    from controlplane.adapters.dynamodb_denials import DynamoDBDenials

    if tenant_id == PLATFORM:
        return DynamoDBDenials(tables.own_table())
    tables.use_tenant(tenant_id)
    return DynamoDBDenials(tables.table())
