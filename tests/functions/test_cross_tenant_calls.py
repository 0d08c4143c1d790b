"""Ten thousand generated calls against tenants that are not the callers': nothing leaks, nothing changes.

Calls are made of the OpenAPI document: any operation, names that are another tenant's, forged tenants wherever one
could be written, cursors, ETags and idempotency keys that were given to another. Each tenant holds words that stand
nowhere else; one of them in another's answer is a leak. A digest of each tenant's items and objects tells whether
anything of it was changed by a stranger.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from controlplane.runtime import access_cache
from tests import counts
from tests.functions import examples
from tests.functions.api_calls import Answer, Api, Operation, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.container import Log
from tests.functions.tenants import (
    ROLES,
    TENANTS,
    Holdings,
    digest_of,
    leaks,
    objects_digest,
    platform_digest,
    populate,
)

CALLS = 10_000
BLOCK = 1_000  # calls of one attacker, after which the others are looked at
FORGED_FIELDS = ("tenant", "tenant_id", "pk", "sk", "partition", "X-Tenant-Id")
TRICKS = ("%2e%2e", "..%2f", "%23", "*", "%2A", "?", "%00", "TENANT%23{victim}", "{victim}")
OPERATIONS = [o for o in operations() if not o.is_open]


@dataclass(frozen=True)
class Attempt:
    """One call of an attacker, and what it knows of the victim: names and tokens, never a secret."""

    operation: Operation
    person: Person
    path: str
    body: Any
    headers: dict[str, str]

    @property
    def asked(self) -> str:
        """All that the request says, which an answer may repeat."""
        return f"{self.path} {json.dumps(self.body)} {self.headers}"


class Attacker:
    """Makes up calls of one tenant's people against another tenant."""

    def __init__(self, generator: random.Random, own: Holdings, victim: Holdings) -> None:
        self._random = generator
        self._own, self._victim = own, victim

    def attempts(self, number: int) -> Iterator[Attempt]:
        for _ in range(number):
            operation = self._random.choice(OPERATIONS)
            role = self._random.choice(ROLES)
            path = self._path(operation)
            yield Attempt(
                operation=operation,
                person=Person(self._own.tenant, role, f"attacker-{self._own.tenant}-{role}"),
                path=path + self._query(operation, path),
                body=self._body(operation),
                headers=self._headers(operation),
            )

    def _path(self, operation: Operation) -> str:
        return operation.path.format(**{name: self._name(name) for name in operation.parameters})

    def _name(self, parameter: str) -> str:
        """Mostly a name that the victim has; now and then a trick, or the attacker's own."""
        chance = self._random.random()
        if chance < 0.75:
            return self._random.choice(
                self._victim.names.get(parameter) or [self._own.name(parameter)]
            )
        if chance < 0.9:
            return self._own.name(parameter)
        return self._random.choice(TRICKS).format(victim=self._victim.tenant)

    def _query(self, operation: Operation, path: str) -> str:
        wanted = [f"{name}={self._victim.tenant}" for name in FORGED_FIELDS[:2] if self._maybe(0.2)]
        if operation.is_listing and self._maybe(0.5):
            cursors = list(self._victim.cursors.values())
            wanted.append(
                f"cursor={self._victim.cursors.get(path) or self._random.choice(cursors)}"
            )
        return f"?{'&'.join(wanted)}" if wanted else ""

    def _body(self, operation: Operation) -> Any:
        body = examples.body_of(operation)
        if not isinstance(body, dict):
            return body
        forged = {name: self._victim.tenant for name in FORGED_FIELDS if self._maybe(0.15)}
        renamed = {}
        if "name" in body and self._maybe(0.5):
            kind = operation.path.rstrip("/").rpartition("/")[2].rstrip("s")
            renamed["name"] = (
                self._victim.name(kind) if kind in self._victim.names else body["name"]
            )
        return {**body, **renamed, **forged}

    def _headers(self, operation: Operation) -> dict[str, str]:
        headers = {}
        if self._maybe(0.5):
            headers["X-Tenant-Id"] = self._victim.tenant
        if operation.method == "POST" and self._maybe(0.5):
            headers["Idempotency-Key"] = self._random.choice([*self._victim.idempotency_keys])
        if self._maybe(0.3):
            headers["If-Match"] = self._random.choice(self._victim.etags)
        if self._maybe(0.1):
            headers["X-Correlation-Id"] = self._victim.tenant
        return headers

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance


@pytest.fixture
def holdings(call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> dict[str, Holdings]:
    """The container is warm for as long as the test takes."""
    monkeypatch.setattr(access_cache, "LIFETIME_SECONDS", 600.0)
    for tenant in TENANTS:
        cloud.add_tenant(tenant)
    return {tenant: populate(call, cloud, tenant) for tenant in TENANTS}


def state_of(cloud: Cloud, tenants: list[str]) -> dict[str, str]:
    """Digests of what the tenants have, and of what is the platform's."""
    found = {f"items of {tenant}": digest_of(cloud, tenant) for tenant in tenants}
    found |= {f"objects of {tenant}": objects_digest(cloud, tenant) for tenant in tenants}
    return found | {"the platform's": platform_digest(cloud)}


def carry_out(call: Api, attempt: Attempt) -> Answer:
    operation = attempt.operation
    answer = call.call_as(
        attempt.person,
        operation.method,
        attempt.path,
        attempt.body,
        attempt.headers,
        function=operation.function,
    )
    call.answers.clear()
    return answer


def test_nothing_of_another_tenant_is_seen_or_changed(
    call: Api, cloud: Cloud, holdings: dict[str, Holdings], log: Log
) -> None:
    generator = random.Random(20_261_121)
    pairs = [(own, victim) for own in TENANTS for victim in TENANTS if own != victim]
    made, statuses = 0, Counter[int]()
    while made < CALLS:
        own, victim = pairs[(made // BLOCK) % len(pairs)]
        others = [held for tenant, held in holdings.items() if tenant != own]
        before = state_of(cloud, [held.tenant for held in others])
        for attempt in Attacker(generator, holdings[own], holdings[victim]).attempts(BLOCK):
            answer = carry_out(call, attempt)
            found = leaks(answer, attempt.asked, others)
            assert not found, (attempt, answer.body, found)
            assert answer.status < 500, (attempt, answer.body)
            statuses[answer.status] += 1
        made += BLOCK
        assert state_of(cloud, [held.tenant for held in others]) == before, (own, victim)
    counts.count("generated cross-tenant calls, 0 leaks", made)
    assert {200, 403, 404, 422} <= set(statuses), statuses
