"""What publishing works with."""

from functools import cache

from controlplane.publishing.ports import EventBus, FailedRecords
from controlplane.runtime.settings import BusSettings, RedriveSettings, load
from controlplane.runtime.wiring import aws


@cache
def event_bus() -> EventBus:
    from controlplane.adapters.eventbridge_bus import EventBridgeBus

    return EventBridgeBus(aws.client("events"), load(BusSettings).event_bus_name)


@cache
def failed_records() -> FailedRecords:
    from controlplane.adapters.s3_failed_records import S3FailedRecords

    return S3FailedRecords(aws.client("s3"), load(RedriveSettings).failed_records_bucket)
