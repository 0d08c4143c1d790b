"""HTTP API of people, machines and their keys."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from controlplane.identifiers import Name
from controlplane.people.machines import (
    create_key,
    create_machine,
    delete_machine,
    revoke_key,
    revoke_keys,
)
from controlplane.people.model import (
    KeyId,
    KeyRequest,
    MachineRequest,
    Person,
    PersonChange,
    PersonRequest,
    RevocationRequest,
)
from controlplane.people.service import (
    change_roles,
    disable_person,
    enable_person,
    invite_person,
    remove_person,
    reset_credentials,
    revoke_person_tokens,
)
from controlplane.people.views import (
    KeyView,
    MachineView,
    NewKeyView,
    PersonView,
    RevocationView,
)
from controlplane.runtime.caller import permitted_caller
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    idempotent_request,
    if_match,
    listing,
    no_content,
    page_request,
    serve,
)
from controlplane.runtime.wiring.people import machine_repository, person_repository

PEOPLE = f"{BASE}/people"
PERSON = f"{PEOPLE}/<person>"
MACHINES = f"{BASE}/machines"
KEYS = f"{BASE}/keys"
PersonName = Annotated[Name, Path(description="The person's name")]
MachineName = Annotated[Name, Path(description="The machine's name")]
KeyName = Annotated[KeyId, Path(description="The key's identifier")]

api = create_api()


def _answer(person: Person, status: HTTPStatus = HTTPStatus.OK) -> Response[PersonView]:
    return answer(PersonView.of(person), status=status, etag=person.version)


@api.post(
    PEOPLE,
    operation_id="invitePerson",
    summary="Invite a person by e-mail",
    tags=["people"],
    status_code=201,
)
def post_person(wanted: PersonRequest) -> Response[PersonView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, wanted)
    person = invite_person(
        caller.tenant_id, wanted, caller.subject, request, people=person_repository()
    )
    return answer(
        PersonView.of(person),
        status=HTTPStatus.CREATED,
        etag=person.version,
        location=f"{PEOPLE}/{person.name}",
    )


@api.get(
    PEOPLE, operation_id="listPeople", summary="List the tenant's people by name", tags=["people"]
)
def list_people(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[PersonView]]:
    caller = permitted_caller(api)
    page = person_repository().list(caller.tenant_id, page_request(api, caller, limit, cursor))
    return answer(listing(api, caller, page, PersonView.of))


@api.get(PERSON, operation_id="getPerson", summary="Look a person up", tags=["people"])
def get_person(person: PersonName) -> Response[PersonView]:
    caller = permitted_caller(api)
    return _answer(person_repository().get(caller.tenant_id, person))


@api.patch(
    PERSON,
    operation_id="changePerson",
    summary="Give a person other roles; the last administrator keeps theirs",
    tags=["people"],
)
def patch_person(person: PersonName, wanted: PersonChange) -> Response[PersonView]:
    caller = permitted_caller(api)
    changed = change_roles(
        caller.tenant_id,
        person,
        wanted.roles,
        caller.subject,
        if_match(api),
        people=person_repository(),
    )
    return _answer(changed)


@api.post(
    f"{PERSON}/disable",
    operation_id="disablePerson",
    summary="Lock a person out; their tokens are refused within 5 s",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
    tags=["people"],
)
def post_disable(person: PersonName) -> Response[PersonView]:
    caller = permitted_caller(api)
    return _answer(
        disable_person(caller.tenant_id, person, if_match(api), people=person_repository())
    )


@api.post(
    f"{PERSON}/enable",
    operation_id="enablePerson",
    summary="Let a disabled person in again",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
    tags=["people"],
)
def post_enable(person: PersonName) -> Response[PersonView]:
    caller = permitted_caller(api)
    return _answer(
        enable_person(caller.tenant_id, person, if_match(api), people=person_repository())
    )


@api.post(
    f"{PERSON}/reset-credentials",
    operation_id="resetCredentials",
    summary="End a person's sessions and send them what they need for a new password",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
    tags=["people"],
)
def post_reset(person: PersonName) -> Response[PersonView]:
    caller = permitted_caller(api)
    return _answer(
        reset_credentials(caller.tenant_id, person, if_match(api), people=person_repository())
    )


@api.post(
    f"{PERSON}/revoke-tokens",
    operation_id="revokePersonTokens",
    summary="End a person's sessions; their tokens are refused within 5 s",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
    tags=["people"],
)
def post_revoke_tokens(person: PersonName) -> Response[PersonView]:
    caller = permitted_caller(api)
    return _answer(
        revoke_person_tokens(caller.tenant_id, person, if_match(api), people=person_repository())
    )


@api.delete(
    PERSON,
    operation_id="removePerson",
    summary="Remove a person, who is locked out at once; not the last administrator",
    tags=["people"],
    status_code=202,
)
def delete_person(person: PersonName) -> Response[PersonView]:
    caller = permitted_caller(api)
    removed = remove_person(caller.tenant_id, person, if_match(api), people=person_repository())
    return _answer(removed, HTTPStatus.ACCEPTED)


@api.post(
    MACHINES,
    operation_id="createMachine",
    summary="Create a machine, which calls with keys of its own",
    tags=["machines"],
    status_code=201,
)
def post_machine(wanted: MachineRequest) -> Response[MachineView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, wanted)
    machine = create_machine(
        caller.tenant_id, wanted, caller.subject, request, machines=machine_repository()
    )
    return answer(
        MachineView.of(machine),
        status=HTTPStatus.CREATED,
        etag=machine.version,
        location=f"{MACHINES}/{machine.name}",
    )


@api.get(
    MACHINES,
    operation_id="listMachines",
    summary="List the tenant's machines by name",
    tags=["machines"],
)
def list_machines(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[MachineView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = machine_repository().list_machines(caller.tenant_id, asked)
    return answer(listing(api, caller, page, MachineView.of))


@api.get(
    f"{MACHINES}/<machine>",
    operation_id="getMachine",
    summary="Look a machine up",
    tags=["machines"],
)
def get_machine(machine: MachineName) -> Response[MachineView]:
    caller = permitted_caller(api)
    found = machine_repository().get_machine(caller.tenant_id, machine)
    return answer(MachineView.of(found), etag=found.version)


@api.delete(
    f"{MACHINES}/<machine>",
    operation_id="deleteMachine",
    summary="Delete a machine that has no active keys",
    tags=["machines"],
    status_code=204,
)
def remove_machine(machine: MachineName) -> Response[None]:
    caller = permitted_caller(api)
    delete_machine(caller.tenant_id, machine, if_match(api), machines=machine_repository())
    return no_content()


@api.post(
    KEYS,
    operation_id="createKey",
    summary="Create an API key of a machine; its text is shown in this answer alone",
    openapi_extensions={"x-shown-once": True},
    tags=["machines"],
    status_code=201,
)
def post_key(wanted: KeyRequest) -> Response[NewKeyView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, wanted)
    made = create_key(
        caller.tenant_id, wanted, caller.subject, request, machines=machine_repository()
    )
    view = NewKeyView(**KeyView.of(made.key).model_dump(), api_key=made.text)
    created = answer(
        view,
        status=HTTPStatus.CREATED,
        etag=made.key.version,
        location=f"{KEYS}/{made.key.key_id}",
    )
    created.headers["Cache-Control"] = "no-store"
    return created


@api.get(KEYS, operation_id="listKeys", summary="List the tenant's API keys", tags=["machines"])
def list_keys(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[KeyView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = machine_repository().list_keys(caller.tenant_id, asked)
    return answer(listing(api, caller, page, KeyView.of))


@api.post(
    f"{KEYS}/revoke",
    operation_id="revokeKeys",
    summary="Revoke the keys of a machine, or all; a dry run only lists them",
    openapi_extensions={"x-creates-nothing": True},
    tags=["machines"],
)
def post_revocation(wanted: RevocationRequest) -> Response[RevocationView]:
    caller = permitted_caller(api)
    revocation = revoke_keys(caller.tenant_id, wanted, machines=machine_repository())
    return answer(RevocationView.of(revocation, dry_run=wanted.dry_run))


@api.get(f"{KEYS}/<key>", operation_id="getKey", summary="Look an API key up", tags=["machines"])
def get_key(key: KeyName) -> Response[KeyView]:
    caller = permitted_caller(api)
    found = machine_repository().get_key(caller.tenant_id, key)
    return answer(KeyView.of(found), etag=found.version)


@api.delete(
    f"{KEYS}/<key>",
    operation_id="revokeKey",
    summary="Revoke an API key; its tokens are refused within 5 s",
    tags=["machines"],
)
def remove_key(key: KeyName) -> Response[KeyView]:
    caller = permitted_caller(api)
    revoked = revoke_key(caller.tenant_id, key, if_match(api), machines=machine_repository())
    return answer(KeyView.of(revoked), etag=revoked.version)


lambda_handler = serve(api)
