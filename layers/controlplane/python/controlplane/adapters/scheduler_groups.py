"""Schedule groups of EventBridge Scheduler: one a tenant, so that all its schedules go with it."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError
from controlplane.onboarding.model import TenantRecord
from controlplane.onboarding.ports import Removal

if TYPE_CHECKING:
    from types_boto3_scheduler.client import EventBridgeSchedulerClient


def group_name(tenant_id: str) -> str:
    return f"tenant-{tenant_id}"


class TenantScheduleGroup:
    """A TenantPart. Deleting a group takes its schedules along and lasts a while: it is `DELETING` until then."""

    def __init__(self, client: "EventBridgeSchedulerClient") -> None:
        self._client = client

    def apply(self, tenant: TenantRecord, /) -> str | None:
        name = group_name(tenant.tenant_id)
        try:
            self._client.create_schedule_group(
                Name=name, Tags=[{"Key": "headrace:tenant", "Value": tenant.tenant_id}]
            )
        except self._client.exceptions.ConflictException:
            if self._state(name) != "ACTIVE":
                raise UnavailableError(f"schedule group {name} is still being deleted") from None
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError(f"schedule group {name} could not be created") from failed
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        name = group_name(tenant.tenant_id)
        state = self._state(name)
        if state is None:
            return Removal(gone=True)
        if state == "ACTIVE":
            try:
                self._client.delete_schedule_group(Name=name)
            except (ClientError, BotoCoreError) as failed:
                raise UnavailableError(f"schedule group {name} could not be deleted") from failed
            return Removal(gone=self._state(name) is None, count=1)
        return Removal(gone=False)

    def _state(self, name: str) -> str | None:
        try:
            return self._client.get_schedule_group(Name=name)["State"]
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError(f"schedule group {name} could not be read") from failed
