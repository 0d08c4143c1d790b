"""One attempt after another, until a message is delivered or a day is over."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

from controlplane.errors import ConcurrentChangeError
from controlplane.identifiers import now
from controlplane.reasons import Reason
from controlplane.webhooks.health import TargetHealth
from controlplane.webhooks.model import (
    OPEN,
    Attempt,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Webhook,
    WebhookDisabled,
)
from controlplane.webhooks.ports import (
    DeliveryLog,
    DeliveryQueue,
    Messenger,
    Notice,
    Situation,
    WebhookRepository,
)
from controlplane.webhooks.signatures import SigningKeys, sign

FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(hours=1)
GROWTH = 4
JITTER = 0.2  # of a pause, in both directions
# Longer than an attempt takes at most, shorter than the queue hides a message from others.
CLAIM = timedelta(seconds=30)
LONGEST_DEFERRAL = timedelta(minutes=15)
# Of each delivery; it makes about 30 in its day.
KEPT_ATTEMPTS = 40


class Postman:
    """Makes the attempts. Each call is about one notice, which may come twice, late, or after a crash."""

    def __init__(
        self,
        *,
        log: DeliveryLog,
        webhooks: WebhookRepository,
        queue: DeliveryQueue,
        messenger: Messenger,
        keys: SigningKeys,
    ) -> None:
        self._log = log
        self._webhooks = webhooks
        self._queue = queue
        self._messenger = messenger
        self._keys = keys

    def deliver(self, notice: Notice) -> str:
        """Make the attempt that is due, or put it off; one word for the log says which.

        When it returns, the notice has been dealt with: another one is on its way if there is more to do. Raises
        UnavailableError, ThrottledError, ConcurrentChangeError: the notice is to come again.
        """
        moment = now()
        if notice.due is not None and moment < notice.due:
            self._queue.send([notice], notice.due - moment)
            return "waits"
        found = self._log.situation(notice.tenant_id, notice.webhook, notice.delivery_id)
        delivery = found.delivery
        if delivery is None or delivery.state not in OPEN:
            return "over"
        if delivery.made != notice.attempt:
            return self._pass_on(notice, delivery)
        return self._begin(notice, found, delivery, moment)

    def _pass_on(self, notice: Notice, delivery: Delivery) -> str:
        """The attempt was made. Whoever made it sends the next notice, unless they died first.

        Then their notice comes again, and is this one: a mere double is handed out for the first time.
        """
        if notice.received > 1:
            self._announce(notice, delivery)
            return "taken_up"
        return "double"

    def _begin(self, notice: Notice, found: Situation, delivery: Delivery, moment: datetime) -> str:
        webhook = found.webhook
        if webhook is None or webhook.webhook_id != delivery.webhook_id:
            return self._end(notice, delivery, "WebhookDeleted", "the webhook was deleted")
        is_test = delivery.kind is DeliveryKind.TEST
        if not webhook.enabled and not is_test:
            return self._end(notice, delivery, "WebhookDisabled", "the webhook is disabled")
        if delivery.claimed_until is not None and moment < delivery.claimed_until:
            return self._defer(notice, delivery.claimed_until, moment)
        health = _own_health(found.health, webhook)
        busy = health.busy_until(moment, even_paused=is_test)
        if busy is not None:
            if moment >= delivery.tried_until:
                return self._exhaust_unattempted(notice, delivery)
            return self._defer(notice, busy, moment)
        claimed = delivery.model_copy(update={"claimed_until": moment + CLAIM})
        try:
            claimed = self._log.claim(notice.tenant_id, delivery, claimed, health.began(moment))
        except ConcurrentChangeError:
            return self._defer(notice, moment + timedelta(seconds=1), moment)
        attempt = self._attempt(notice.tenant_id, webhook, delivery)
        return self._record(notice, webhook, claimed, attempt, health)

    def _attempt(self, tenant_id: str, webhook: Webhook, delivery: Delivery) -> Attempt:
        moment, body = now(), delivery.payload.encode()
        secrets = [
            self._keys.secret(tenant_id, webhook.webhook_id, version)
            for version in webhook.valid_secrets(moment)
        ]
        headers = sign(delivery.delivery_id, int(moment.timestamp()), body, secrets)
        return self._messenger.post(webhook.url, headers, body)

    def _record(
        self,
        notice: Notice,
        webhook: Webhook,
        claimed: Delivery,
        attempt: Attempt,
        health: TargetHealth,
    ) -> str:
        recorded = self._log.record(notice.tenant_id, claimed, after_attempt(claimed, attempt))
        if recorded.kind is not DeliveryKind.TEST:
            self._judge(notice.tenant_id, webhook, attempt, health)
        if recorded.state is DeliveryState.RETRYING:
            self._announce(notice, recorded)
        return recorded.state.value.lower()

    def _judge(
        self, tenant_id: str, webhook: Webhook, attempt: Attempt, health: TargetHealth
    ) -> None:
        """What the attempt says of the target; one that fails for good is disabled."""
        if attempt.succeeded and not health.failures:
            return
        moment = now()

        def judged(stored: TargetHealth) -> TargetHealth:
            return stored.succeeded() if attempt.succeeded else stored.failed(moment)

        try:
            known = self._log.change_health(tenant_id, webhook.name, webhook.webhook_id, judged)
        except ConcurrentChangeError:
            return  # many attempts end at once: theirs say the same
        reason = _reason_to_disable(attempt, known, moment)
        if reason is not None:
            self._disable(tenant_id, webhook, reason)

    def _disable(self, tenant_id: str, webhook: Webhook, reason: Reason) -> None:
        event = WebhookDisabled(tenant_id=tenant_id, webhook=webhook.name, reason=reason.code)
        disabled = webhook.model_copy(update={"enabled": False, "reason": reason})
        try:
            self._webhooks.replace(tenant_id, webhook, disabled, event)
        except ConcurrentChangeError:
            return  # somebody has just changed it: the next failure tells whether that helped

    def _announce(self, notice: Notice, delivery: Delivery) -> None:
        due = delivery.next_attempt_at or now()
        following = replace(notice, attempt=delivery.made, due=due, deferred=0, received=1)
        self._queue.send([following], max(due - now(), timedelta(0)))

    def _defer(self, notice: Notice, until: datetime, moment: datetime) -> str:
        """The longer there was no room, the more those who wait are spread."""
        spread = min(LONGEST_DEFERRAL, timedelta(seconds=5) * 2 ** min(notice.deferred, 8))
        due = until + spread * random.random()
        following = replace(notice, due=due, deferred=notice.deferred + 1, received=1)
        self._queue.send([following], due - moment)
        return "deferred"

    def _end(self, notice: Notice, delivery: Delivery, code: str, message: str) -> str:
        remedy = "Enable the webhook and ask for a redelivery, if it is still wanted."
        reason = Reason(code=code, message=message, remedy=remedy)
        ended = {"state": DeliveryState.CANCELLED, "reason": reason, "next_attempt_at": None}
        self._log.record(notice.tenant_id, delivery, delivery.model_copy(update=ended))
        return "cancelled"

    def _exhaust_unattempted(self, notice: Notice, delivery: Delivery) -> str:
        ended = {"state": DeliveryState.EXHAUSTED, "reason": _OVER, "next_attempt_at": None}
        self._log.record(notice.tenant_id, delivery, delivery.model_copy(update=ended))
        return "exhausted"


_OVER = Reason(
    code="TimeIsOver",
    message="the target took no message for a day",
    remedy="Mend the target, then ask for a redelivery.",
)


def after_attempt(delivery: Delivery, attempt: Attempt) -> Delivery:
    """The delivery with one attempt more, and what follows from it."""
    made = delivery.made + 1
    changes: dict[str, object] = {
        "made": made,
        "attempts": (*delivery.attempts, attempt)[-KEPT_ATTEMPTS:],
        "claimed_until": None,
        "next_attempt_at": None,
    }
    following = attempt.at + retry_after(made)
    if attempt.succeeded:
        changes["state"] = DeliveryState.DELIVERED
    elif attempt.error == "gone":
        changes |= {"state": DeliveryState.EXHAUSTED, "reason": _GONE}
    elif delivery.kind is DeliveryKind.TEST:
        changes |= {"state": DeliveryState.EXHAUSTED, "reason": _TESTED}
    elif following > delivery.tried_until:
        changes |= {"state": DeliveryState.EXHAUSTED, "reason": _OVER}
    else:
        changes |= {"state": DeliveryState.RETRYING, "next_attempt_at": following}
    return delivery.model_copy(update=changes)


def retry_after(made: int) -> timedelta:
    """How long after its attempt number `made` (from 1) the next one is due: 10 s, 40 s, …, at most an hour."""
    pause: timedelta = min(LONGEST_RETRY, FIRST_RETRY * GROWTH ** min(made - 1, 8))
    return timedelta(seconds=pause.total_seconds() * random.uniform(1 - JITTER, 1 + JITTER))


_GONE = Reason(
    code="TargetGone",
    message="the target answered 410 Gone",
    remedy="Give the webhook another URL and enable it.",
)
_TESTED = Reason(
    code="TestFailed",
    message="the target did not take the ping",
    remedy="See the attempt, mend the target, and ask for another test.",
)


def _reason_to_disable(attempt: Attempt, health: TargetHealth, moment: datetime) -> Reason | None:
    if attempt.error == "gone":
        return _GONE
    if not attempt.succeeded and health.is_hopeless(moment):
        return Reason(
            code="TargetFailing",
            message=f"{health.failures} attempts in a row have failed for days",
            remedy="Mend the target and enable the webhook; then redeliver what was missed.",
        )
    return None


def _own_health(stored: TargetHealth | None, webhook: Webhook) -> TargetHealth:
    """What is stored may be an earlier webhook's of the same name, or older than what its owner has done about it."""
    if stored is None:
        return TargetHealth(webhook_id=webhook.webhook_id)
    since, judged_since = stored.failing_since, webhook.judged_since
    outdated = since is not None and judged_since is not None and since < judged_since
    if outdated or stored.webhook_id != webhook.webhook_id:
        return stored.anew(webhook.webhook_id)
    return stored
