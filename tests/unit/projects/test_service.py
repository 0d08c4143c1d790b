"""The rules of projects."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from controlplane.errors import (
    AlreadyExistsError,
    ConcurrentChangeError,
    IdempotencyKeyReusedError,
    InUseError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.identifiers import now
from controlplane.projects.model import Project, ProjectCreated, ProjectDeleted, ProjectRequest
from controlplane.projects.service import create_project, delete_project
from controlplane.registry.changes import put_registry_policy
from controlplane.registry.model import SigningKeyAdded
from controlplane.registry.policy import RegistryPolicy, RegistryRules
from controlplane.registry.signing import revoke_signing_key
from controlplane.registry.signing_keys import SigningKey
from controlplane.requests import IdempotentRequest, PageRequest
from controlplane.serving.deployment_events import DeploymentCreated, DeploymentDeleted
from controlplane.serving.model import Deployment
from tests.fakes import (
    Clock,
    MemoryDeployments,
    MemoryProjects,
    MemoryRegistryPolicies,
    MemorySigningKeys,
    MemoryTable,
)
from tests.fakes.clock import START

WANTED = ProjectRequest(name="vision", description="Pictures")


@pytest.fixture
def table(clock: Clock) -> MemoryTable:
    return MemoryTable()


LIMIT = 50


def create(
    table: MemoryTable,
    name: str = "vision",
    tenant: str = "acme",
    once: IdempotentRequest | None = None,
) -> Project:
    wanted = WANTED.model_copy(update={"name": name})
    return create_project(tenant, wanted, "ada", once, LIMIT, projects=MemoryProjects(table))


def delete(table: MemoryTable, if_match: int | None = None, tenant: str = "acme") -> None:
    delete_project(tenant, "vision", "ada", if_match, projects=MemoryProjects(table))


def once(key: str = "key", body: str = "body") -> IdempotentRequest:
    return IdempotentRequest(key, body, START + timedelta(hours=24))


def count_versions(table: MemoryTable, number: int) -> None:
    place = ("acme", "vision")
    project = table.projects[place]
    table.projects[place] = project.model_copy(
        update={"model_versions": number, "version": project.version + 1}
    )


def test_a_project_is_stored_and_announced(table: MemoryTable) -> None:
    project = create(table)

    assert MemoryProjects(table).get("acme", "vision") == project
    assert (project.description, project.created_by, project.version) == ("Pictures", "ada", 1)
    (event,) = table.events_of(ProjectCreated)
    assert (event.tenant_id, event.subject) == ("acme", "projects/vision")


def test_a_name_is_taken_within_its_tenant_only(table: MemoryTable) -> None:
    create(table)
    create(table, tenant="globex")

    with pytest.raises(AlreadyExistsError):
        create(table)


def test_a_repeat_is_the_first_answer_and_one_event(table: MemoryTable) -> None:
    assert create(table, once=once()) == create(table, once=once())
    assert len(table.events_of(ProjectCreated)) == 1


def test_a_key_used_for_another_body_is_refused(table: MemoryTable) -> None:
    create(table, once=once())

    with pytest.raises(IdempotencyKeyReusedError):
        create(table, "audio", once=once(body="other"))


def test_a_key_is_forgotten_after_its_time(table: MemoryTable, clock: Clock) -> None:
    create(table, once=once())
    clock.advance(24 * 3600 + 1)

    assert create(table, "audio", once=once(body="other")).name == "audio"


def test_an_empty_project_is_deleted_and_announced(table: MemoryTable) -> None:
    create(table)
    delete(table, if_match=1)

    assert len(table.events_of(ProjectDeleted)) == 1
    with pytest.raises(NotFoundError):
        delete(table)


def test_a_project_with_versions_stays(table: MemoryTable) -> None:
    create(table)
    count_versions(table, 2)

    with pytest.raises(InUseError, match="2 model versions") as refused:
        delete(table)
    assert refused.value.remedy


def test_a_project_with_deployments_stays_until_they_are_gone(table: MemoryTable) -> None:
    """Those that hold no version too: nothing else would remove them."""
    create(table)
    made = add_deployment(table)

    with pytest.raises(InUseError, match="1 deployments") as refused:
        delete(table)
    assert refused.value.remedy

    gone = DeploymentDeleted(tenant_id="acme", project="vision", deployment="digits")
    MemoryDeployments(table).remove("acme", "vision", made, gone)
    delete(table)


def test_a_deployment_that_is_made_meanwhile_keeps_the_project(table: MemoryTable) -> None:
    create(table)

    def make() -> None:
        add_deployment(table)

    table.interrupt = make
    with pytest.raises(ConcurrentChangeError):
        delete(table)
    assert ("acme", "vision") in table.projects


def add_deployment(table: MemoryTable) -> Deployment:
    wanted = Deployment(name="digits", model="digits", created_at=now())
    event = DeploymentCreated(
        tenant_id="acme", project="vision", deployment="digits", model="digits", created_by="ada"
    )
    return MemoryDeployments(table).add("acme", "vision", wanted, event, None)


def test_a_version_that_is_registered_meanwhile_keeps_the_project(table: MemoryTable) -> None:
    create(table)
    table.interrupt = lambda: count_versions(table, 1)

    with pytest.raises(ConcurrentChangeError):
        delete(table)
    assert ("acme", "vision") in table.projects


def add_key(table: MemoryTable) -> None:
    key = SigningKey(
        name="release", public_key="", fingerprint="", created_at=now(), created_by="root"
    )
    event = SigningKeyAdded(
        tenant_id="acme",
        project="vision",
        signing_key="release",
        fingerprint="",
        added_by="root",
    )
    MemorySigningKeys(table).add("acme", "vision", key, event, None)


def revoke_key(table: MemoryTable) -> None:
    keys = MemorySigningKeys(table)
    revoke_signing_key("acme", "vision", "release", "root", None, keys=keys)


def put_policy(table: MemoryTable, **asked: bool) -> None:
    policies = MemoryRegistryPolicies(table)
    put_registry_policy("acme", "vision", RegistryRules(**asked), "root", None, policies=policies)


def test_what_those_who_approve_have_set_they_take_back_before_its_project_goes(
    table: MemoryTable,
) -> None:
    create(table)
    add_key(table)
    put_policy(table, approval_required=True)

    with pytest.raises(InUseError, match="1 signing keys") as refused:
        delete(table)
    assert refused.value.remedy
    revoke_key(table)
    with pytest.raises(InUseError, match="registry policy") as refused:
        delete(table)
    assert refused.value.remedy
    put_policy(table)
    delete(table)

    create(table)
    assert MemoryRegistryPolicies(table).get("acme", "vision") == RegistryPolicy()
    assert list(MemorySigningKeys(table).list("acme", "vision", PageRequest()).items) == []


@pytest.mark.parametrize("what", [add_key, lambda table: put_policy(table, approval_required=True)])
def test_what_is_set_meanwhile_keeps_the_project(
    table: MemoryTable, what: Callable[[MemoryTable], None]
) -> None:
    create(table)
    table.interrupt = lambda: what(table)

    with pytest.raises(ConcurrentChangeError):
        delete(table)
    assert ("acme", "vision") in table.projects


def test_another_state_than_the_callers_is_not_deleted(table: MemoryTable) -> None:
    create(table)

    with pytest.raises(PreconditionFailedError, match="version 1"):
        delete(table, if_match=2)


def test_another_tenants_project_is_not_there(table: MemoryTable) -> None:
    create(table)

    with pytest.raises(NotFoundError):
        delete(table, tenant="globex")


def test_projects_are_listed_by_name_and_tenant(table: MemoryTable) -> None:
    for name in ("c", "a", "b"):
        create(table, name)
    create(table, "z", tenant="globex")
    projects = MemoryProjects(table)

    first = projects.list("acme", PageRequest(limit=2))
    second = projects.list("acme", PageRequest(limit=2, after=first.next_after))

    assert [p.name for p in first.items] == ["a", "b"]
    assert ([p.name for p in second.items], second.next_after) == (["c"], None)
