"""The inference gateway's question: may the holder of this API key call this model?

Invoked directly by whoever has the right to; `events/samples/key_check.json` is what it is asked. It answers

    {"allowed": true, "reason": null, "tenant": "acme", "machine": "ci", "key_id": "k…", "scopes": ["infer"],
     "tier": "standard", "groups": []}

or `"allowed": false` with one of the reasons malformed, unknown, expired_or_revoked, tenant_not_served,
scope_missing, other_tenant. It reads once and writes nothing; an answer may be kept for at most 5 s, so that a
revocation is as quick there as it is here. Neither input nor answer is logged.
"""

from typing import Any

from pydantic import SecretStr

from controlplane.people.exchange import check_key
from controlplane.runtime.tasks import TaskInput, task
from controlplane.runtime.wiring.people import key_ring


class KeyQuestion(TaskInput):
    """A key, and what it is to be used for: an action's scope, and the path at the gateway."""

    key: SecretStr
    action: str = "infer"
    path: str | None = None


@task(KeyQuestion.model_validate)
def lambda_handler(given: KeyQuestion) -> dict[str, Any]:
    checked = check_key(given.key.get_secret_value(), given.action, given.path, ring=key_ring())
    return {
        "allowed": checked.allowed,
        "reason": checked.reason,
        "tenant": checked.tenant,
        "machine": checked.machine,
        "key_id": checked.key_id,
        "scopes": list(checked.scopes),
        "tier": checked.tier,
        "groups": list(checked.groups),
    }
