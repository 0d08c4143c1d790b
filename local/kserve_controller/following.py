"""Following one kind of object: listed, watched, and listed anew when the watch was lost."""

import logging
import threading
from collections.abc import Callable

from local.kserve_controller.cluster import (
    Cluster,
    ClusterError,
    WatchEvent,
    WatchExpiredError,
)
from local.kserve_controller.specification import Manifest

logger = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.5, 10.0  # seconds


class Follower:
    """Tells `listed` and `changed` about the objects of `kind`, named `name` or all, until stopped.

    Both may raise ClusterError: the follower then tries again from the list on.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: str,
        *,
        listed: Callable[[list[Manifest]], None],
        changed: Callable[[WatchEvent], None],
        stopping: threading.Event,
        name: str = "",
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._selector = f"metadata.name={name}" if name else ""
        self._listed = listed
        self._changed = changed
        self._stopping = stopping

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"watch-{self._kind}", daemon=True).start()

    def _run(self) -> None:
        retries = 0
        resource_version: str | None = None
        while not self._stopping.is_set():
            try:
                if resource_version is None:
                    resource_version = self._list()
                retries = 0
                resource_version = self._follow(resource_version)
            except WatchExpiredError:
                resource_version = None
            except ClusterError as error:
                resource_version = None
                retries += 1
                delay = min(FIRST_RETRY * 2.0 ** (retries - 1), LONGEST_RETRY)
                logger.warning("watch of %s: %s; trying again in %.1f s", self._kind, error, delay)
                self._stopping.wait(delay)

    def _list(self) -> str:
        manifests, resource_version = self._cluster.list_everywhere(self._kind, self._selector)
        self._listed(manifests)
        return resource_version

    def _follow(self, resource_version: str) -> str:
        for event in self._cluster.watch(self._kind, resource_version, self._selector):
            resource_version = event.resource_version
            self._changed(event)
        return resource_version
