"""From the answer to a revocation to the last time that its token opened anything, on an embedded stack."""

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

import requests

from local import stack
from local.bench.budgets import Detail, Findings, Row
from local.bench.errors import BenchError
from local.demo.client import HeadraceClient, wait_until
from local.deploy.clients import EmbeddedCloud
from local.settings import Settings

TENANT = "acme"
BOUND = 5.0  # seconds
ASKED_EVERY = 0.5  # seconds between two requests with one token
BEFORE = 4.0  # seconds in which a revocation comes at some moment, whatever the age of what is remembered
WATCHED = BOUND + 1.5  # seconds after the revocation
AT_ONCE = 25
KEYS_OF_A_MACHINE = 10
PATIENCE = 60.0
TIMEOUT = 30


@dataclass(frozen=True)
class Bearer:
    """A principal with a token that opens something, and the request that takes it away."""

    kind: str
    token: str
    revocation: tuple[str, str]


@dataclass(frozen=True)
class Revocation:
    """Seconds from the revocation's answer to the first refusal for good, and to the last request let in (0: none)."""

    kind: str
    refused: float
    accepted: float


def measure_revocations(settings: Settings, described: dict[str, Any], count: int) -> Findings:
    """Revoke keys and disable people, as many as `count`, while each asks on with its token. Raises BenchError."""
    office = _Office(settings, described)
    rounds = [min(AT_ONCE, count - begun) for begun in range(0, count, AT_ONCE)]
    measured: list[Revocation] = []
    for number in rounds:
        bearers = office.bearers(number)
        with ThreadPoolExecutor(len(bearers)) as pool:
            measured += pool.map(office.revoke_watched, bearers)
    return _findings(measured)


class _Office:
    """acme's administrator, who makes principals and revokes them."""

    def __init__(self, settings: Settings, described: dict[str, Any]) -> None:
        self._base = f"{described['api_url']}/api/v1"
        self._described = described
        username = next(
            user["username"]
            for user in described["users"]
            if (user["tenant"], user["role"]) == (TENANT, "tenant-admin")
        )
        self._administrator = stack.access_token(settings, username)
        self._client = HeadraceClient(described["api_url"], self._administrator)
        self._identity = EmbeddedCloud(settings.endpoint).client("cognito-idp")

    def bearers(self, number: int) -> list[Bearer]:
        """Three keys for each person: a person's invitation takes longer."""
        people = number // 4
        keys = [self._person(f"p{secrets.token_hex(6)}") for _ in range(people)]
        return keys + self._keys(number - people)

    def revoke_watched(self, bearer: Bearer) -> Revocation:
        """Ask with the token before, during and after its end."""
        session = requests.Session()
        begin = time.monotonic() + secrets.randbelow(1000) / 1000 * BEFORE
        while True:
            if not self._is_let_in(session, bearer):
                raise BenchError(f"a {bearer.kind} was refused before it was revoked")
            if time.monotonic() >= begin:
                break
            time.sleep(ASKED_EVERY)
        method, path = bearer.revocation
        revoked = requests.request(
            method,
            f"{self._base}{path}",
            headers={"Authorization": f"Bearer {self._administrator}"},
            timeout=TIMEOUT,
        )
        if revoked.status_code != HTTPStatus.OK:
            raise BenchError(f"a {bearer.kind} was not revoked: {revoked.status_code}")
        return self._watch(session, bearer)

    def _watch(self, session: requests.Session, bearer: Bearer) -> Revocation:
        started = time.monotonic()
        refused: float | None = None
        accepted = 0.0
        while (asked := time.monotonic() - started) < WATCHED:
            if self._is_let_in(session, bearer):
                accepted, refused = asked, None
            elif refused is None:
                refused = asked
            time.sleep(ASKED_EVERY)
        return Revocation(bearer.kind, WATCHED if refused is None else refused, accepted)

    def _is_let_in(self, session: requests.Session, bearer: Bearer) -> bool:
        answer = session.get(
            f"{self._base}/projects?limit=1",
            headers={"Authorization": f"Bearer {bearer.token}"},
            timeout=TIMEOUT,
        )
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED):
            raise BenchError(f"a {bearer.kind} was answered {answer.status_code}")
        return answer.status_code == HTTPStatus.OK

    def _keys(self, number: int) -> list[Bearer]:
        bearers = []
        machine = ""
        for made in range(number):
            if made % KEYS_OF_A_MACHINE == 0:
                machine = f"m{uuid4().hex[:12]}"
                self._client.post("/machines", {"name": machine})
            key = self._client.post("/keys", {"machine": machine, "scopes": ["read"]})
            exchanged = requests.post(
                f"{self._base}/token", json={"api_key": key["api_key"]}, timeout=TIMEOUT
            )
            if exchanged.status_code != HTTPStatus.OK:
                raise BenchError(f"a key was not exchanged: {exchanged.text}")
            token = exchanged.json()["access_token"]
            bearers.append(Bearer("key", token, ("DELETE", f"/keys/{key['key_id']}")))
        return bearers

    def _person(self, name: str) -> Bearer:
        wanted = {"name": name, "email": f"{name}@{TENANT}.example", "roles": ["viewer"]}
        self._client.post("/people", wanted)
        wait_until(
            lambda: self._client.get(f"/people/{name}"),
            lambda person: person["status"] == "Invited",
            PATIENCE,
        )
        username, password = f"{TENANT}.{name}", f"{secrets.token_urlsafe(18)}aA1!"
        self._identity.admin_set_user_password(
            UserPoolId=self._described["user_pool_id"],
            Username=username,
            Password=password,
            Permanent=True,
        )
        signed_in = self._identity.initiate_auth(
            ClientId=self._described["client_id"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": username, "PASSWORD": password},
        )
        token = signed_in["AuthenticationResult"]["AccessToken"]
        return Bearer("person", token, ("POST", f"/people/{name}/disable"))


def _findings(measured: Sequence[Revocation]) -> Findings:
    refused = [revocation.refused for revocation in measured]
    longest = max(revocation.accepted for revocation in measured)
    row = Row(
        budget="revocation of a key or a person → refusal of its token, asking on all the while",
        measured=f"refused for good p50 {median(refused):.2f} s, p99 {_percentile_99(refused):.2f} s "
        f"of {len(refused)}, asked every {ASKED_EVERY} s; let in last {longest:.2f} s after",
        bound=f"let in until ≤ {BOUND:.0f} s after",
        within=longest <= BOUND,
        is_count=False,
    )
    kinds = sorted({revocation.kind for revocation in measured})
    lines = [_line(kind, [r for r in measured if r.kind == kind]) for kind in kinds]
    columns = ("seconds after the revocation", "of", "p50", "p99", "let in last")
    return Findings([row], [Detail("From revocation to refusal", columns, lines)])


def _line(kind: str, measured: Sequence[Revocation]) -> tuple[str, ...]:
    refused = [revocation.refused for revocation in measured]
    last = max(revocation.accepted for revocation in measured)
    figures = (median(refused), _percentile_99(refused), last)
    return (kind, str(len(measured)), *(f"{figure:.2f}" for figure in figures))


def _percentile_99(figures: Sequence[float]) -> float:
    return quantiles(figures, n=100, method="inclusive")[-1] if len(figures) > 1 else figures[0]
