"""One example of each thing that the table holds."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

from controlplane.auditing.chain import ChainKeys, link_changes, link_of
from controlplane.auditing.model import START, AuditRecord, Change
from controlplane.authorization.model import Policy, PolicyBook
from controlplane.limits import Limits
from controlplane.onboarding.model import (
    Suspension,
    TenantRecord,
    TenantStatus,
    TenantSummary,
)
from controlplane.people.keys import mint
from controlplane.people.model import ApiKey, Machine, Person, PersonStatus
from controlplane.projects.model import Project
from controlplane.reasons import Reason
from controlplane.registry.aliases import Aliases, AliasRecord, AliasState
from controlplane.registry.model import Model, ModelVersion, RegisteredFile, VersionSource
from controlplane.registry.signing_keys import SigningKey
from controlplane.registry.upload import RejectedUpload, Upload, UploadOrigin, UploadState
from controlplane.serving.analysis import Verdict
from controlplane.serving.model import (
    ActiveRollout,
    Deployment,
    RetiringRevision,
    Revision,
    Rollout,
    RolloutState,
    ServingState,
)
from controlplane.serving.progress import Progress, Tick
from controlplane.serving.states import Phase
from controlplane.tiers.model import Subscription, Tier
from controlplane.webhooks.model import Delivery, DeliveryState, SecretVersion, Webhook

TENANT, PROJECT, MODEL, DEPLOYMENT = "acme", "vision", "digits", "digits"
# What lookups ask for. It is none of the numbered items, which requests may delete.
VERSION, UPLOAD, ROLLOUT = 1, "u-0", "r-00000000"
# Beyond those that are numbered: where an alias can move to and back again.
OTHER_VERSION, ALIAS = 99_999_999, "staging"
PERSON, MACHINE, API_KEY, POLICY, TIER = "ada", "ci", "kffffffffffff", "freeze", "gold"
SIGNING_KEY = "release"
# The first key of RFC 8032's test vectors.
PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
WEBHOOK, DELIVERY = "pager", "d-ffffffffffffffffffff"
# Who asks: the subject of an administrator of the tenant, and of one of the platform.
ADMINISTRATOR, OPERATOR = "sub-root", "sub-operator"
# The tenant that platform administrators work on: what they do to it must not lock the others' caller out.
MANAGED = "globex"
CHAIN_KEYS = '{"1": "a key for chains"}'
RESTRICTION = 'forbid (principal is Key, action in Action::"deploy", resource);'
MOMENT = datetime.now(UTC)
_FILE = RegisteredFile(path="model.joblib", size=1_000_000, sha256="5e" * 32)
_PLENTY = 10**12  # of every quota: no request is refused for want of room


def tenant(tenant_id: str) -> TenantRecord:
    quotas = ("projects", "models", "stored_bytes", "deployments", "concurrent_runs")
    return TenantRecord(
        tenant_id=tenant_id,
        display_name="A tenant",
        limits=Limits(**dict.fromkeys(quotas, _PLENTY)),
        created_at=MOMENT,
        created_by="bench",
    )


def suspended_tenant(tenant_id: str) -> TenantRecord:
    suspension = Suspension(
        serving="keep", reason="an example", suspended_by="bench", suspended_at=MOMENT
    )
    return tenant(tenant_id).with_changes(status=TenantStatus.SUSPENDED, suspension=suspension)


def directory_entry(record: TenantRecord) -> TenantSummary:
    return TenantSummary.model_validate(record.model_dump())


def tier(name: str, groups: tuple[str, ...] = ()) -> Tier:
    return Tier(name=name, level=20, groups=groups, created_at=MOMENT)


def subscription(subscriber: str) -> Subscription:
    return Subscription(subscriber=subscriber, tier=TIER, created_at=MOMENT)


def person(name: str, status: PersonStatus = PersonStatus.ACTIVE) -> Person:
    return Person(
        name=name,
        email="somebody@acme.example",
        roles=("developer",),
        status=status,
        subject=f"sub-{name}",
        created_at=MOMENT,
        created_by="bench",
    )


def machine(name: str, active_keys: int = 0) -> Machine:
    return Machine(
        name=name,
        roles=("service",),
        active_keys=active_keys,
        created_at=MOMENT,
        created_by="bench",
    )


@cache
def key_text(key_id: str) -> tuple[str, str]:
    """A key as its holder has it, and the digest of its secret; the same for the run."""
    return mint(TENANT, key_id)


def api_key(key_id: str, of_machine: str = MACHINE) -> ApiKey:
    return ApiKey(
        key_id=key_id,
        machine=of_machine,
        roles=("service",),
        scopes=("read",),
        digest=key_text(key_id)[1],
        valid_until=MOMENT + timedelta(days=90),
        created_at=MOMENT,
        created_by="bench",
    )


def public_key(unique: str) -> str:
    """One of its own, since a project has each key once; nobody has its private half."""
    return b64encode(sha256(unique.encode()).digest()).decode()


def signing_key(name: str) -> SigningKey:
    return SigningKey(
        name=name,
        public_key=PUBLIC_KEY,
        fingerprint="0" * 64,
        created_at=MOMENT,
        created_by="bench",
    )


def webhook(name: str) -> Webhook:
    return Webhook(
        name=name,
        webhook_id="wh-bench",
        url="https://hooks.example.com/headrace",
        events=("*",),
        secrets=(SecretVersion(generation=1, key=1),),
        created_at=MOMENT,
        created_by="bench",
    )


def delivery(delivery_id: str) -> Delivery:
    return Delivery(
        delivery_id=delivery_id,
        webhook=WEBHOOK,
        webhook_id="wh-bench",
        event_id="an event",
        event_type="RolloutEnded",
        state=DeliveryState.DELIVERED,
        payload='{"metadata":{},"data":{}}',
        created_at=MOMENT,
    )


def policy(name: str) -> Policy:
    return Policy(name=name, text=RESTRICTION, created_at=MOMENT, created_by="bench")


def policy_book() -> PolicyBook:
    """One enabled policy: every request of the tenant is held to it."""
    return PolicyBook().with_policy(policy(POLICY))


class Chain:
    """The records of a tenant's audit trail by number, each linked to the one before."""

    def __init__(self) -> None:
        self._keys = ChainKeys.parse(CHAIN_KEYS)
        self._records: list[AuditRecord] = []

    def record(self, number: int) -> AuditRecord:
        """Numbers count from 0."""
        while len(self._records) <= number:
            change = Change(
                tenant_id=TENANT,
                event_id=f"e{len(self._records)}",
                time=MOMENT,
                actor="user:bench",
                action="ProjectCreated",
                resource=f"projects/{PROJECT}",
                correlation_id="c",
                after="5e" * 32,
            )
            after = link_of(self._records[-1]) if self._records else START
            self._records += link_changes([change], after, MOMENT, self._keys)
        return self._records[number]


def project(name: str, versions: int = 0) -> Project:
    return Project(name=name, created_at=MOMENT, created_by="bench", model_versions=versions)


def model(name: str, versions: int = 1) -> Model:
    return Model(name=name, created_at=MOMENT, allotted=versions, versions=versions)


def version(number: int) -> ModelVersion:
    key = f"models/{TENANT}/{PROJECT}/{MODEL}/model.joblib"
    return ModelVersion(
        model=MODEL,
        number=number,
        uri=f"s3://headrace-bench/registry/tenant-{TENANT}/{PROJECT}/{MODEL}/{number}",
        format="sklearn",
        files=(_FILE,),
        size=_FILE.size,
        digest=_FILE.sha256,
        source=VersionSource(key=key, version_id="v", upload_id=UPLOAD),
        position="2026-01-01T00:00:00Z#0",
        registered_at=MOMENT,
    )


def aliases(model: str) -> Aliases:
    state = AliasState(model_version=VERSION, moved_at=MOMENT, moved_by="bench")
    return Aliases(model=model, named={ALIAS: state}, version=1)


def alias_move(sequence: int) -> AliasRecord:
    return AliasRecord(
        alias=ALIAS, sequence=sequence, model_version=VERSION, moved_at=MOMENT, moved_by="bench"
    )


def upload(upload_id: str) -> Upload:
    return Upload(
        upload_id=upload_id,
        model=MODEL,
        origin=UploadOrigin.API,
        state=UploadState.PENDING,
        format="sklearn",
        files=(_FILE,),
        created_at=MOMENT,
        created_by="bench",
        deadline=MOMENT + timedelta(hours=1),
    )


def rejected_upload() -> RejectedUpload:
    return RejectedUpload(
        key=f"models/{TENANT}/nowhere/{MODEL}/model.joblib",
        version_id="v",
        arrived_at=MOMENT,
        reason=Reason(code="UnknownProject", message="there is no project nowhere"),
    )


def deployment(name: str, serving: ServingState = ServingState.RUNNING) -> Deployment:
    """It has a revision to return to."""
    stable = Revision(model_version=VERSION, name=f"{PROJECT}--{name}--v1", since=MOMENT)
    before = RetiringRevision(
        model_version=OTHER_VERSION,
        name=f"{PROJECT}--{name}--v2",
        retire_at=MOMENT + timedelta(days=3650),
        previous=True,
    )
    return Deployment(
        name=name,
        model=MODEL,
        created_at=MOMENT,
        stable=stable,
        retiring=(before,),
        serving=serving,
        version=1,
    )


def commanded(name: str, *, paused: bool) -> Deployment:
    """A deployment whose rollout awaits approval."""
    active = ActiveRollout(
        rollout_id=ROLLOUT,
        model_version=OTHER_VERSION,
        position="2026",
        requested_by="bench",
        requested_at=MOMENT,
        execution="bench",
        started_at=MOMENT,
        ready_by=MOMENT + timedelta(days=3650),
        deadline=MOMENT + timedelta(days=3650),
        phase=Phase.AWAITING_APPROVAL,
        percent=10,
        paused=paused,
    )
    return deployment(name).with_changes(retiring=(), active=active)


def commanded_rollout(name: str, *, paused: bool) -> Rollout:
    """The record of that rollout."""
    progress = Progress(phase=Phase.AWAITING_APPROVAL, percent=10, paused=paused)
    return rollout(name, RolloutState.RUNNING).model_copy(update={"progress": progress})


def rollout(name: str = DEPLOYMENT, state: RolloutState = RolloutState.PROMOTED) -> Rollout:
    return Rollout(
        rollout_id=ROLLOUT,
        deployment=name,
        model_version=VERSION,
        state=state,
        requested_by="bench",
        requested_at=MOMENT,
        evidence="evidence/tenant-acme/vision/digits/r-00000000.json",
    )


def tick(number: int) -> Tick:
    return Tick(
        rollout_id=ROLLOUT,
        number=number,
        at=MOMENT,
        phase=Phase.STEPPING,
        percent=10,
        canary="Ready",
        stable="Ready",
        verdict=Verdict.INCONCLUSIVE,
    )
