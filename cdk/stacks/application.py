"""All stacks of one deployment, and how they hang together."""

from aws_cdk import App, Tags

from cdk.stacks.api import ApiStack
from cdk.stacks.auditing import AuditingStack
from cdk.stacks.data import DataStack
from cdk.stacks.events import EventsStack
from cdk.stacks.identity import IdentityStack
from cdk.stacks.onboarding import OnboardingStack
from cdk.stacks.people import PeopleStack
from cdk.stacks.quotas import QuotasStack
from cdk.stacks.registry import RegistryStack
from cdk.stacks.serving import ServingStack
from cdk.stacks.tiers import TiersStack
from cdk.stacks.webhooks import WebhooksStack
from cdk.target import Target


def add_stacks(app: App, target: Target) -> None:
    """Add the stacks of one deployment, named after it: `<prefix>-Data`, `-Identity`, …, `-Api`.

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
    tiers = TiersStack(app, f"{prefix}-Tiers", target=target, data=data, bus=events.bus)
    people = PeopleStack(
        app, f"{prefix}-People", target=target, data=data, identity=identity, bus=events.bus
    )
    onboarding = OnboardingStack(
        app, f"{prefix}-Onboarding", target=target, data=data, identity=identity, bus=events.bus
    )
    auditing = AuditingStack(app, f"{prefix}-Auditing", target=target, data=data)
    quotas = QuotasStack(app, f"{prefix}-Quotas", target=target, data=data)
    webhooks = WebhooksStack(app, f"{prefix}-Webhooks", target=target, data=data, bus=events.bus)
    api = ApiStack(
        app,
        f"{prefix}-Api",
        target=target,
        data=data,
        identity=identity,
        functions={
            "auditing/api": auditing.api,
            "onboarding/api": onboarding.api,
            "people/api": people.api,
            "people/token_api": people.token_api,
            "quotas/api": quotas.api,
            "registry/aliases_api": registry.governance.aliases_api,
            "registry/api": registry.api,
            "registry/governance_api": registry.governance.api,
            "registry/signing_api": registry.governance.signing_api,
            "serving/api": serving.api,
            "serving/rollouts_api": serving.rollouts_api,
            "tiers/api": tiers.api,
            "webhooks/api": webhooks.api,
        },
    )
    if target.on_aws:
        # Imported here: the embedded cloud's synthesis does without these modules.
        from cdk.stacks.operations import OperationsStack  # noqa: PLC0415 - see above

        OperationsStack(
            app,
            f"{prefix}-Operations",
            events_stack=events,
            machines=[
                registry.registration,
                serving.rollout,
                tiers.propagation,
                quotas.reconciliation,
                *onboarding.machines,
            ],
            queues=[
                auditing.dead_letters,
                events.failed,
                events.undelivered,
                *onboarding.undelivered,
                *people.undelivered,
                quotas.undelivered,
                *registry.undelivered,
                *serving.undelivered,
                *tiers.undelivered,
                *webhooks.undelivered,
            ],
            audit=auditing,
            webhooks=webhooks,
            api_id=api.api.ref,
        )
        Tags.of(app).add("headrace:deployment", prefix)
