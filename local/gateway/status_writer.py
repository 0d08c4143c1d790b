"""Writes the status of routes and of the Gateway, where it differs from what is there."""

import logging
from datetime import UTC, datetime
from typing import Any

from local.gateway.attachment import parents_of
from local.gateway.kubernetes_api import KubernetesApi, KubernetesApiError
from local.gateway.kubernetes_objects import (
    GATEWAY_GROUP,
    KubernetesObject,
    ObjectKey,
    Snapshot,
)
from local.gateway.routing_table import RoutingTable
from local.gateway.status import abandoned_status, gateway_status, route_status

LOGGER = logging.getLogger(__name__)


def utc_now() -> str:
    """Return the time as Kubernetes writes it, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class StatusWriter:
    """Brings statuses in line with a routing table, through the status subresource."""

    def __init__(self, api: KubernetesApi, gateway: ObjectKey) -> None:
        self._api = api
        self._gateway = gateway

    async def write(self, snapshot: Snapshot, table: RoutingTable) -> None:
        """Write every status that changed.

        A conflict means that the object changed meanwhile: its own event brings us here again.
        Raises what the API request raises when the server cannot be reached.
        """
        for item, plural, status in self._due(snapshot, table):
            metadata = item["metadata"]
            path = (
                f"/apis/{GATEWAY_GROUP}/v1/namespaces/{metadata['namespace']}/{plural}/"
                f"{metadata['name']}/status"
            )
            try:
                await self._api.request("PUT", path, body={**item, "status": status})
            except KubernetesApiError as error:
                if error.status not in {404, 409}:
                    LOGGER.warning("status of %s: %s", path, error)

    def _due(
        self, snapshot: Snapshot, table: RoutingTable
    ) -> list[tuple[KubernetesObject, str, dict[str, Any]]]:
        now = utc_now()
        wanted = [
            (compiled.route, "httproutes", route_status(compiled, self._gateway, now))
            for compiled in table.routes
        ]
        wanted += [
            (route, "httproutes", status)
            for route in snapshot.routes.values()
            if not parents_of(route, self._gateway)
            and (status := abandoned_status(route, self._gateway)) is not None
        ]
        gateway = snapshot.gateways.get(self._gateway)
        if gateway is not None and table.listeners:
            wanted.append((gateway, "gateways", gateway_status(gateway, table, now)))
        return [due for due in wanted if due[2] != (due[0].get("status") or {})]
