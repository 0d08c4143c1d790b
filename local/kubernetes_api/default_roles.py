"""The ClusterRoles that every cluster has from the start, and whom they are bound to.

A small part of the API server's bootstrap policy; what is missing of it is made anew at every start.
"""

from collections.abc import Iterator

from local.kubernetes_api.authentication import AUTHENTICATED, UNAUTHENTICATED
from local.kubernetes_api.authorization import EVERY_PATH, EVERYTHING, MASTERS
from local.kubernetes_api.errors import Json

_GROUP = "rbac.authorization.k8s.io"
_PROBES = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"]
_ROLES: dict[str, tuple[list[Json], tuple[str, ...]]] = {
    "cluster-admin": ([EVERYTHING, EVERY_PATH], (MASTERS,)),
    "system:discovery": (
        [{"verbs": ["get"], "nonResourceURLs": [*_DISCOVERY, *_PROBES]}],
        (AUTHENTICATED,),
    ),
    "system:basic-user": (
        [
            {
                "verbs": ["create"],
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            },
            {
                "verbs": ["create"],
                "apiGroups": ["authentication.k8s.io"],
                "resources": ["selfsubjectreviews"],
            },
        ],
        (AUTHENTICATED,),
    ),
    "system:public-info-viewer": (
        [{"verbs": ["get"], "nonResourceURLs": _PROBES}],
        (AUTHENTICATED, UNAUTHENTICATED),
    ),
}


def default_roles() -> Iterator[tuple[str, Json]]:
    """Pairs of plural and object, roles before their bindings."""
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    for name, (rules, _) in _ROLES.items():
        yield "clusterroles", {"metadata": {"name": name, "labels": labels}, "rules": rules}
    for name, (_, groups) in _ROLES.items():
        subjects = [{"kind": "Group", "apiGroup": _GROUP, "name": group} for group in groups]
        reference = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name}
        yield (
            "clusterrolebindings",
            {
                "metadata": {"name": name, "labels": labels},
                "roleRef": reference,
                "subjects": subjects,
            },
        )
