"""What may ask AWS for more than the design allows a request of its kind: each by name, its own calls, and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowance:
    """The calls that a request may make at most, in any order.

    `grows` marks those that make more of the same calls the more there is to look at: what they may make with few
    items is bounded here, and how many they make with many is shown by name.
    """

    calls: tuple[str, ...]
    reason: str
    grows: bool = False

    def keeps(self, names: Sequence[str]) -> bool:
        return Counter(names) <= Counter(self.calls)


_OF_PLATFORM = Allowance(
    ("Query", "BatchGetItem"), "the directory names the tenants, each keeps its own numbers"
)
_VERIFICATION = Allowance(
    ("s3:GET", "GetItem", "Query"), "anchors, head and records must be independent of each other"
)
ALLOWANCES: dict[str, Allowance] = {
    "GET /overview": Allowance(
        ("GetItem", "Query"), "use and last changes: no other item holds both"
    ),
    "GET /overview, of the platform": _OF_PLATFORM,
    "GET /overview, of the platform, next page": _OF_PLATFORM,
    "GET /audit/verification": _VERIFICATION,
    "GET /audit/verification, next page": _VERIFICATION,
    "GET /tiers, of a group": Allowance(
        ("Query",), "a query for every 100 tiers: there are as many as operators make", grows=True
    ),
    "POST /keys/revoke": Allowance(
        ("Query", "TransactWriteItems"),
        "a query for every 100 keys of the tenant, a transaction for every 20 revoked",
        grows=True,
    ),
    "POST /keys/revoke, dry run of all": Allowance(
        ("Query",), "a query for every 100 keys, until 101 active ones are found", grows=True
    ),
    "POST /projects/{project}/deployments/{deployment}/plan": Allowance(
        ("GetItem", "GetItem", "GetItem", "BatchGetItem"),
        "the deployment, both versions, and what the project's policy says of the new one",
    ),
    "POST /token": Allowance(
        ("BatchGetItem", "cognito-idp:AdminInitiateAuth", "TransactWriteItems"),
        "Cognito issues the token; the use is noted once a minute",
    ),
    "POST /token, first of its key": Allowance(
        (
            "BatchGetItem",
            "cognito-idp:AdminCreateUser",
            "cognito-idp:AdminSetUserPassword",
            "TransactWriteItems",
            "cognito-idp:AdminInitiateAuth",
            "TransactWriteItems",
        ),
        "the key's own user is made when it is needed first, and kept",
    ),
}
