"""What publishing works with."""

from functools import cache

from controlplane.publishing.ports import EventBus, FailedRecords
from controlplane.runtime.settings import BusSettings, FailedRecordsSettings, load
from controlplane.runtime.wiring import aws


@cache
def event_bus() -> EventBus:
    from controlplane.adapters.eventbridge_bus import EventBridgeBus

    return EventBridgeBus(aws.client("events"), load(BusSettings).event_bus_name)


@cache
def failed_records() -> FailedRecords:
    from controlplane.adapters.s3_failed_records import S3FailedRecords

    settings = load(FailedRecordsSettings)
    return S3FailedRecords(
        aws.client("s3"), settings.failed_records_bucket, settings.failed_records_prefix
    )
