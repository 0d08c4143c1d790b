"""The custom kinds that are served from the start, as data: KServe, Gateway API, Kueue, Karpenter.

Columns, short names, scopes and merge rules are those of the projects' CustomResourceDefinitions.
"""

from local.kubernetes_api.resources import Column, Resource
from local.kubernetes_api.schemas import CUSTOM, GATEWAY, KARPENTER, KUEUE

_STATUS = ("status",)
_KSERVE = "serving.kserve.io"
_GATEWAY = "gateway.networking.k8s.io"
_KUEUE = "kueue.x-k8s.io"
_READY = '.status.conditions[?(@.type=="Ready")].status'
_ACCEPTED = '.status.conditions[?(@.type=="Accepted")].status'
_PROGRAMMED = '.status.conditions[?(@.type=="Programmed")].status'

_SERVING_AND_GATEWAYS: tuple[Resource, ...] = (
    Resource(
        _KSERVE,
        "v1beta1",
        "inferenceservices",
        "InferenceService",
        True,
        ("isvc",),
        ("all",),
        _STATUS,
        True,
        columns=(
            Column("URL", ".status.url"),
            Column("Ready", _READY),
            Column(
                "Prev", ".status.components.predictor.traffic[?(@.tag=='prev')].percent", "integer"
            ),
            Column(
                "Latest",
                ".status.components.predictor.traffic[?(@.latestRevision==true)].percent",
                "integer",
            ),
            Column(
                "PrevRolledoutRevision",
                ".status.components.predictor.traffic[?(@.tag=='prev')].revisionName",
            ),
            Column(
                "LatestReadyRevision",
                ".status.components.predictor.traffic[?(@.latestRevision==true)].revisionName",
            ),
        ),
        schema=CUSTOM,
    ),
    Resource(
        _KSERVE,
        "v1alpha1",
        "servingruntimes",
        "ServingRuntime",
        True,
        (),
        (),
        _STATUS,
        True,
        columns=(
            Column("Disabled", ".spec.disabled", "boolean"),
            Column("ModelType", ".spec.supportedModelFormats[*].name"),
            Column("Containers", ".spec.containers[*].name"),
        ),
        schema=CUSTOM,
    ),
    Resource(
        _KSERVE,
        "v1alpha1",
        "clusterservingruntimes",
        "ClusterServingRuntime",
        False,
        (),
        (),
        _STATUS,
        True,
        columns=(
            Column("Disabled", ".spec.disabled", "boolean"),
            Column("ModelType", ".spec.supportedModelFormats[*].name"),
            Column("Containers", ".spec.containers[*].name"),
        ),
        schema=CUSTOM,
    ),
    Resource(
        _GATEWAY,
        "v1",
        "gatewayclasses",
        "GatewayClass",
        False,
        ("gc",),
        ("gateway-api",),
        _STATUS,
        True,
        columns=(Column("Controller", ".spec.controllerName"), Column("Accepted", _ACCEPTED)),
        schema=GATEWAY,
    ),
    Resource(
        _GATEWAY,
        "v1",
        "gateways",
        "Gateway",
        True,
        ("gtw",),
        ("gateway-api",),
        _STATUS,
        True,
        columns=(
            Column("Class", ".spec.gatewayClassName"),
            Column("Address", ".status.addresses[*].value"),
            Column("Programmed", _PROGRAMMED),
        ),
        schema=GATEWAY,
    ),
    Resource(
        _GATEWAY,
        "v1",
        "httproutes",
        "HTTPRoute",
        True,
        (),
        ("gateway-api",),
        _STATUS,
        True,
        columns=(Column("Hostnames", ".spec.hostnames"),),
        schema=GATEWAY,
    ),
)


def _kueue(version: str) -> tuple[Resource, ...]:
    """The kinds of one served version; v1beta2 calls a queue's cohort by another name."""
    cohort = ".spec.cohortName" if version == "v1beta2" else ".spec.cohort"
    pending = Column("Pending Workloads", ".status.pendingWorkloads", "integer")
    admitted = Column("Admitted Workloads", ".status.admittedWorkloads", "integer")
    return (
        Resource(
            _KUEUE,
            version,
            "clusterqueues",
            "ClusterQueue",
            False,
            ("cq",),
            (),
            _STATUS,
            True,
            columns=(
                Column("Cohort", cohort),
                Column("Strategy", ".spec.queueingStrategy", priority=1),
                pending,
                Column("Admitted Workloads", ".status.admittedWorkloads", "integer", 1),
            ),
            schema=KUEUE,
        ),
        Resource(
            _KUEUE,
            version,
            "localqueues",
            "LocalQueue",
            True,
            ("queue", "queues", "lq"),
            (),
            _STATUS,
            True,
            columns=(Column("ClusterQueue", ".spec.clusterQueue"), pending, admitted),
            schema=KUEUE,
        ),
        Resource(
            _KUEUE,
            version,
            "resourceflavors",
            "ResourceFlavor",
            False,
            ("flavor", "flavors", "rf"),
            custom=True,
            schema=KUEUE,
        ),
        Resource(
            _KUEUE,
            version,
            "cohorts",
            "Cohort",
            False,
            ("co",),
            (),
            _STATUS,
            True,
            columns=(Column("Parent", f".spec.parent{'Name' if version == 'v1beta2' else ''}"),),
            schema=KUEUE,
        ),
    )


_KARPENTER: tuple[Resource, ...] = (
    Resource(
        "karpenter.sh",
        "v1",
        "nodepools",
        "NodePool",
        False,
        (),
        ("karpenter",),
        _STATUS,
        True,
        columns=(
            Column("NodeClass", ".spec.template.spec.nodeClassRef.name"),
            Column("Nodes", ".status.nodes"),
            Column("Ready", _READY),
            Column("Weight", ".spec.weight", "integer", 1),
            Column("CPU", ".status.resources.cpu", priority=1),
            Column("Memory", ".status.resources.memory", priority=1),
        ),
        schema=KARPENTER,
    ),
    Resource(
        "karpenter.sh",
        "v1",
        "nodeclaims",
        "NodeClaim",
        False,
        (),
        ("karpenter",),
        _STATUS,
        True,
        columns=(
            Column("Type", r".metadata.labels.node\.kubernetes\.io/instance-type"),
            Column("Capacity", r".metadata.labels.karpenter\.sh/capacity-type"),
            Column("Zone", r".metadata.labels.topology\.kubernetes\.io/zone"),
            Column("Node", ".status.nodeName"),
            Column("Ready", _READY),
            Column("ID", ".status.providerID", priority=1),
            Column("NodePool", r".metadata.labels.karpenter\.sh/nodepool", priority=1),
            Column("NodeClass", ".spec.nodeClassRef.name", priority=1),
        ),
        schema=KARPENTER,
    ),
    Resource(
        "karpenter.k8s.aws",
        "v1",
        "ec2nodeclasses",
        "EC2NodeClass",
        False,
        ("ec2nc", "ec2ncs"),
        ("karpenter",),
        _STATUS,
        True,
        columns=(Column("Ready", _READY), Column("Role", ".spec.role", priority=1)),
        schema=KARPENTER,
    ),
)

CUSTOM_KINDS: tuple[Resource, ...] = (
    *_SERVING_AND_GATEWAYS,
    *_kueue("v1beta2"),
    *_kueue("v1beta1"),
    *_KARPENTER,
)
