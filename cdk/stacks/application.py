"""All stacks of one deployment, and how they hang together."""

from aws_cdk import App, Tags

from cdk.stacks.api import ApiStack
from cdk.stacks.data import DataStack
from cdk.stacks.events import EventsStack
from cdk.stacks.identity import IdentityStack
from cdk.stacks.registry import RegistryStack
from cdk.stacks.serving import ServingStack
from cdk.target import Target


def add_stacks(app: App, target: Target) -> None:
    """Add the stacks `<prefix>-Data`, `-Identity`, `-Events`, `-Registry`, `-Serving`, `-Api`.

    On AWS there is `<prefix>-Operations` as well.
    """
    prefix = target.stack_prefix
    data = DataStack(app, f"{prefix}-Data", target=target)
    identity = IdentityStack(app, f"{prefix}-Identity", target=target, table=data.table)
    events = EventsStack(
        app,
        f"{prefix}-Events",
        target=target,
        table=data.table,
        failed_records=data.failed_records,
    )
    registry = RegistryStack(app, f"{prefix}-Registry", target=target, data=data, bus=events.bus)
    serving = ServingStack(app, f"{prefix}-Serving", target=target, data=data, bus=events.bus)
    api = ApiStack(
        app,
        f"{prefix}-Api",
        target=target,
        data=data,
        identity=identity,
        functions={"registry/api": registry.api, "serving/api": serving.api},
    )
    if target.on_aws:
        # Imported here: the embedded cloud's synthesis does without these modules.
        from cdk.stacks.operations import OperationsStack  # noqa: PLC0415 - see above

        OperationsStack(
            app,
            f"{prefix}-Operations",
            events_stack=events,
            machines=[registry.registration, serving.rollout],
            queues=[events.failed, events.undelivered, *registry.undelivered, *serving.undelivered],
            api_id=api.api.ref,
        )
        Tags.of(app).add("headrace:deployment", prefix)
