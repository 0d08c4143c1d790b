"""Which version of each route is served: the newest whose backends this gateway knows.

Watches of different kinds are not ordered among each other, so a route may arrive before the
Service and the endpoints that it was written for. Of a new version the API server is therefore
asked for what it lists in the backends' namespaces now; the version is served as soon as the
watches have come as far, and until then the one before it, or none.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local.gateway.kubernetes_api import KubernetesApi
from local.gateway.kubernetes_objects import (
    KubernetesObject,
    ObjectKey,
    Objects,
    generation_of,
    key_of,
)
from local.gateway.kubernetes_watch import (
    API_FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    KubernetesWatch,
)

LOGGER = logging.getLogger(__name__)
# Key, uid and generation of a route: what stays the same while only its status changes.
Version = tuple[ObjectKey, str, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """The resource versions up to which the watches must have come."""

    services: int
    slices: int


class RouteVersions:
    """Chooses among versions. `on_change` is called when more may be served than at the last look."""

    def __init__(
        self,
        api: KubernetesApi,
        services: KubernetesWatch,
        slices: KubernetesWatch,
        on_change: Callable[[], None],
    ) -> None:
        self._api = api
        self._services = services
        self._slices = slices
        self._on_change = on_change
        self._served: dict[ObjectKey, KubernetesObject] = {}
        self._waiting: dict[Version, KubernetesObject] = {}
        self._marks: dict[Version, Mark] = {}
        self._asked = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether every route is served in its newest version."""
        return not self._waiting

    def choose(self, newest: Objects) -> Objects:
        """Return the version of each route that is to be served."""
        served: dict[ObjectKey, KubernetesObject] = {}
        waiting: dict[Version, KubernetesObject] = {}
        for key, route in newest.items():
            version, before = version_of(route), self._served.get(key)
            if (before is not None and version_of(before) == version) or self._is_known(version):
                served[key] = route
                continue
            waiting[version] = route
            if before is not None:
                served[key] = before
        self._served, self._waiting = served, waiting
        self._marks = {version: mark for version, mark in self._marks.items() if version in waiting}
        if waiting.keys() - self._marks.keys():
            self._asked.set()
        return served

    async def run(self) -> None:
        """Ask about versions that wait, until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._ask()
                pause = FIRST_PAUSE_SECONDS
            except API_FAILURES as error:
                LOGGER.warning("backends of new routes: %s; trying again", error or repr(error))
                self._api.forget_connection()
                self._asked.set()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _is_known(self, version: Version) -> bool:
        mark = self._marks.get(version)
        return (
            mark is not None
            and self._services.version >= mark.services
            and self._slices.version >= mark.slices
        )

    async def _ask(self) -> None:
        asked = {v: route for v, route in self._waiting.items() if v not in self._marks}
        wanted = {version: namespaces_of(route) for version, route in asked.items()}
        marks = {name: await self._mark(name) for name in sorted(set().union(*wanted.values()))}
        for version, names in wanted.items():
            self._marks[version] = Mark(
                services=max((marks[name].services for name in names), default=0),
                slices=max((marks[name].slices for name in names), default=0),
            )
        if asked:
            self._on_change()

    async def _mark(self, namespace: str) -> Mark:
        services = f"/api/v1/namespaces/{namespace}/services"
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        return Mark(*[_newest(await self._api.request("GET", path)) for path in (services, slices)])


def version_of(route: KubernetesObject) -> Version:
    """Return what tells a route's version from the one before."""
    return key_of(route), route["metadata"].get("uid", ""), generation_of(route)


def namespaces_of(route: KubernetesObject) -> set[str]:
    """Return the namespaces that the route's backends and mirrors are in."""
    own = route["metadata"].get("namespace", "")
    return {reference.get("namespace") or own for reference in _references(route)}


def _references(route: KubernetesObject) -> Iterator[dict[str, Any]]:
    for rule in route["spec"].get("rules") or ():
        yield from rule.get("backendRefs") or ()
        for one in rule.get("filters") or ():
            if "requestMirror" in one:
                yield one["requestMirror"].get("backendRef") or {}


def _newest(listed: dict[str, Any]) -> int:
    return max((int(each["metadata"]["resourceVersion"]) for each in listed["items"]), default=0)
