"""The kinds that are served from the start, as data."""

from local.kubernetes_api.custom_kinds import CUSTOM_KINDS
from local.kubernetes_api.resources import Column, Resource


def _cells(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, name) for name in names)


_STATUS = ("status",)
_RBAC = "rbac.authorization.k8s.io"
_READY = '.status.conditions[?(@.type=="Ready")].status'

BUILT_INS: tuple[Resource, ...] = (
    Resource(
        "",
        "v1",
        "namespaces",
        "Namespace",
        False,
        ("ns",),
        (),
        _STATUS,
        columns=(Column("Status", ".status.phase"),),
    ),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",), (), ("token",)),
    Resource("", "v1", "secrets", "Secret", columns=(Column("Type", ".type"), *_cells("Data"))),
    Resource("", "v1", "configmaps", "ConfigMap", True, ("cm",), columns=_cells("Data")),
    Resource(
        "",
        "v1",
        "services",
        "Service",
        True,
        ("svc",),
        ("all",),
        _STATUS,
        columns=(
            Column("Type", ".spec.type"),
            Column("Cluster-IP", ".spec.clusterIP"),
            *_cells("External-IP", "Port(s)"),
        ),
    ),
    Resource("", "v1", "endpoints", "Endpoints", True, ("ep",), columns=_cells("Endpoints")),
    Resource(
        "",
        "v1",
        "pods",
        "Pod",
        True,
        ("po",),
        ("all",),
        _STATUS,
        columns=_cells("Ready", "Status", "Restarts"),
    ),
    Resource(
        "",
        "v1",
        "events",
        "Event",
        True,
        ("ev",),
        columns=(
            Column("Type", ".type"),
            Column("Reason", ".reason"),
            *_cells("Object"),
            Column("Message", ".message"),
        ),
    ),
    Resource(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        True,
        ("pvc",),
        (),
        _STATUS,
        columns=(
            Column("Status", ".status.phase"),
            Column("Capacity", ".status.capacity.storage"),
            Column("StorageClass", ".spec.storageClassName"),
        ),
    ),
    Resource(
        "",
        "v1",
        "resourcequotas",
        "ResourceQuota",
        True,
        ("quota",),
        (),
        _STATUS,
        columns=_cells("Request", "Limit"),
    ),
    Resource("", "v1", "limitranges", "LimitRange", True, ("limits",)),
    Resource(
        "", "v1", "nodes", "Node", False, ("no",), (), _STATUS, columns=(Column("Ready", _READY),)
    ),
    Resource(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        True,
        ("deploy",),
        ("all",),
        ("status", "scale"),
        columns=(
            *_cells("Ready"),
            Column("Up-to-date", ".status.updatedReplicas", "integer"),
            Column("Available", ".status.availableReplicas", "integer"),
        ),
    ),
    Resource(
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        "EndpointSlice",
        True,
        columns=(
            Column("AddressType", ".addressType"),
            Column("Ports", ".ports[*].port"),
            Column("Endpoints", ".endpoints[*].addresses[*]"),
        ),
    ),
    Resource(
        "events.k8s.io",
        "v1",
        "events",
        "Event",
        True,
        ("ev",),
        columns=(
            Column("Type", ".type"),
            Column("Reason", ".reason"),
            Column("Note", ".note"),
        ),
    ),
    Resource(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        columns=(Column("Holder", ".spec.holderIdentity"),),
    ),
    Resource(_RBAC, "v1", "roles", "Role"),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding", columns=_cells("Role")),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", False),
    Resource(
        _RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False, columns=_cells("Role")
    ),
    Resource(
        "networking.k8s.io",
        "v1",
        "networkpolicies",
        "NetworkPolicy",
        True,
        ("netpol",),
        columns=_cells("Pod-Selector"),
    ),
    Resource(
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        False,
        ("pc",),
        columns=(
            Column("Value", ".value", "integer"),
            Column("Global-Default", ".globalDefault", "boolean"),
        ),
    ),
    Resource(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        True,
        ("hpa",),
        ("all",),
        _STATUS,
        columns=(
            Column("MinPods", ".spec.minReplicas", "integer"),
            Column("MaxPods", ".spec.maxReplicas", "integer"),
            Column("Replicas", ".status.currentReplicas", "integer"),
        ),
    ),
    Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        False,
        ("crd", "crds"),
        (),
        _STATUS,
    ),
    *CUSTOM_KINDS,
)

# Asked and answered, never kept.
_AUTHORIZATION = "authorization.k8s.io"
REVIEWS: tuple[Resource, ...] = (
    Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", False),
    Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False),
    Resource(_AUTHORIZATION, "v1", "subjectaccessreviews", "SubjectAccessReview", False),
    Resource(_AUTHORIZATION, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview"),
    Resource(_AUTHORIZATION, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    Resource(_AUTHORIZATION, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False),
)
