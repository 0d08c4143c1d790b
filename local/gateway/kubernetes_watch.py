"""List and watch of one kind in all namespaces, kept as a dictionary of the newest objects.

During an outage of the API server the last known objects stay, so that routing goes on; the
watch comes back with a growing pause and lists anew, because events may have been missed.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import aiohttp

from local.gateway.kubernetes_api import (
    KubeconfigInvalidError,
    KubernetesApi,
    KubernetesApiError,
    raise_for_status,
)
from local.gateway.kubernetes_objects import KubernetesObject, ObjectKey, key_of

LOGGER = logging.getLogger(__name__)
# The server ends a quiet watch after this time; ours is longer, so that it ends cleanly.
WATCH_SECONDS = 240
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
# How often to look again for an optional kind that the server does not have.
MISSING_KIND_SECONDS = 30.0
# What a request to the API server fails with while it is down, restarting or being replaced.
API_FAILURES = (
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    KubernetesApiError,
    KubeconfigInvalidError,
    json.JSONDecodeError,
)


class WatchExpiredError(RuntimeError):
    """The resource version is too old or unknown: list again."""


class KubernetesWatch:
    """Follows one kind. `on_change` is called after every change of `objects`.

    `version` is the resource version up to which everything has been seen. (Kubernetes lets them be
    compared as numbers; see "Resource version comparison" in its API concepts.)
    """

    def __init__(
        self,
        api: KubernetesApi,
        path: str,
        on_change: Callable[[], None],
        *,
        optional: bool = False,
    ) -> None:
        self.path = path
        self.objects: dict[ObjectKey, KubernetesObject] = {}
        self.listed = False
        self.version = 0
        self._api = api
        self._on_change = on_change
        self._optional = optional
        self._jitter = Random()

    async def run(self) -> None:
        """List and watch until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                version = await self._list()
                pause = FIRST_PAUSE_SECONDS
                while True:
                    version = await self._watch(version)
                    # A server that ends every watch at once must not be asked in a busy loop.
                    await asyncio.sleep(FIRST_PAUSE_SECONDS)
            except WatchExpiredError:
                LOGGER.info("watch of %s expired; listing again", self.path)
            except API_FAILURES as error:
                if self._is_missing(error):
                    self._replace({})
                    await asyncio.sleep(MISSING_KIND_SECONDS)
                    continue
                LOGGER.warning("watch of %s: %s; trying again", self.path, error or repr(error))
                self._api.forget_connection()
            await asyncio.sleep(pause * self._jitter.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _is_missing(self, error: BaseException) -> bool:
        return self._optional and isinstance(error, KubernetesApiError) and error.status == 404

    async def _list(self) -> str:
        answer = await self._api.request("GET", self.path)
        self.version = int(answer["metadata"]["resourceVersion"])
        self._replace({key_of(item): item for item in answer.get("items") or ()})
        return str(answer["metadata"]["resourceVersion"])

    def _replace(self, objects: dict[ObjectKey, KubernetesObject]) -> None:
        if self.listed and objects == self.objects:
            return
        self.objects = objects
        self.listed = True
        self._on_change()

    async def _watch(self, version: str) -> str:
        """Apply events until the server ends the watch; return the version to go on from."""
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        watching = self._api.open(
            "GET", self.path, parameters=parameters, timeout=WATCH_SECONDS + 30
        )
        async with watching as response:
            if response.status == 410:
                raise WatchExpiredError
            await raise_for_status(response)
            async for event in _events(response):
                version = self._apply(event)
        return version

    def _apply(self, event: dict[str, Any]) -> str:
        item = event["object"]
        if event["type"] == "ERROR":
            if item.get("code") == 410:
                raise WatchExpiredError
            raise KubernetesApiError(int(item.get("code") or 500), str(item.get("message")))
        version = str(item["metadata"]["resourceVersion"])
        self.version = int(version)
        if event["type"] == "BOOKMARK":
            return version
        if event["type"] == "DELETED":
            self.objects.pop(key_of(item), None)
        else:
            self.objects[key_of(item)] = item
        self._on_change()
        return version


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    # Not readline(): an object may be longer than its limit.
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
