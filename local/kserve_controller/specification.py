"""What an InferenceService asks for, read from the object as it is stored."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from local.kubernetes_api.quantities import quantity

Manifest = dict[str, Any]

DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
STOP = "serving.kserve.io/stop"
VISIBILITY = "networking.kserve.io/visibility"
AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
# Annotations that KServe's own configuration keeps from the pods.
NOT_THE_PODS = frozenset(
    {
        "autoscaling.knative.dev/min-scale",
        "autoscaling.knative.dev/max-scale",
        "internal.serving.kserve.io/storage-initializer-sourceuri",
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)
DEFAULT_TARGET = 80  # percent, KServe's own default
# "RawDeployment" is what "Standard" was called before KServe 0.16.
STANDARD_MODES = frozenset({"Standard", "RawDeployment"})


@dataclass(frozen=True, order=True)
class Key:
    """An InferenceService's place in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def predictor(self) -> str:
        """The name that KServe gives to the predictor's Deployment and Service."""
        return f"{self.name}-predictor"


@dataclass(frozen=True)
class Model:
    """`spec.predictor.model`."""

    format: str
    format_version: str | None
    runtime: str | None
    protocol_version: str | None
    storage_uri: str | None
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scaling:
    """How many replicas there may be, and what a HorizontalPodAutoscaler goes by.

    `target` is a percentage of what a replica requests (`cpu_request`, in cores).
    """

    least: int = 1
    most: int = 1
    automatic: bool = False
    metric: str = "cpu"
    target: int = DEFAULT_TARGET
    cpu_request: float = 1.0


@dataclass(frozen=True)
class InferenceService:
    """The parts of an InferenceService that this controller acts on."""

    key: Key
    uid: str
    generation: int
    standard_mode: bool
    stopped: bool
    cluster_local: bool
    model: Model | None
    scaling: Scaling = field(default_factory=Scaling)
    labels: dict[str, str] = field(default_factory=dict)
    pod_labels: dict[str, str] = field(default_factory=dict)
    pod_annotations: dict[str, str] = field(default_factory=dict)


def key_of(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return Key(metadata["namespace"], metadata["name"])


def is_being_deleted(manifest: Manifest) -> bool:
    return "deletionTimestamp" in manifest["metadata"]


def read_inference_service(manifest: Manifest) -> InferenceService:
    """Read an InferenceService (serving.kserve.io/v1beta1); absent parts take KServe's defaults."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    predictor = (manifest.get("spec") or {}).get("predictor", {})
    model = predictor.get("model")
    return InferenceService(
        key=key_of(manifest),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        standard_mode=annotations.get(DEPLOYMENT_MODE, "Standard") in STANDARD_MODES,
        stopped=annotations.get(STOP, "").lower() == "true",
        cluster_local=labels.get(VISIBILITY) == "cluster-local",
        model=_read_model(model) if model else None,
        scaling=_read_scaling(predictor, annotations.get(AUTOSCALER_CLASS, "")),
        labels=dict(labels),
        pod_labels={**labels, **(predictor.get("labels") or {})},
        pod_annotations=_pod_annotations(annotations, predictor.get("annotations") or {}),
    )


def _pod_annotations(of_object: dict[str, str], of_predictor: dict[str, str]) -> dict[str, str]:
    """All of both, the predictor's before the object's (KServe `components/predictor.go`)."""
    both = {**of_object, **of_predictor}
    return {name: value for name, value in both.items() if name not in NOT_THE_PODS}


def _read_scaling(predictor: Manifest, autoscaler_class: str) -> Scaling:
    given = predictor.get("minReplicas")
    least = 1 if given is None else int(given)
    most = max(int(predictor.get("maxReplicas") or 0), least)
    asked = autoscaler_class == "hpa" or {"scaleTarget", "scaleMetric"} & predictor.keys()
    requests = ((predictor.get("model") or {}).get("resources") or {}).get("requests") or {}
    return Scaling(
        least=least,
        most=most,
        # A HorizontalPodAutoscaler cannot have 0 as its least (without an alpha feature).
        automatic=least > 0 and (most > least or bool(asked)),
        metric=predictor.get("scaleMetric") or "cpu",
        target=int(predictor.get("scaleTarget") or DEFAULT_TARGET),
        cpu_request=float(quantity(requests.get("cpu") or 1).value),
    )


def _read_model(model: Manifest) -> Model:
    model_format = model.get("modelFormat") or {}
    return Model(
        format=model_format.get("name", ""),
        format_version=model_format.get("version"),
        runtime=model.get("runtime"),
        protocol_version=model.get("protocolVersion"),
        storage_uri=model.get("storageUri"),
        args=tuple(model.get("args") or ()),
        env=tuple(
            (variable["name"], variable["value"])
            for variable in model.get("env") or ()
            if "value" in variable
        ),
    )


@dataclass(frozen=True)
class PodTemplate:
    """What runs in a predictor's pod. A Deployment rolls when, and only when, this changes."""

    image: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    storage_uri: str
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits, the `pod-template-hash` of the pods."""
        content = json.dumps(
            [self.image, self.args, self.env, self.storage_uri, self.labels, self.annotations]
        )
        return hashlib.sha256(content.encode()).hexdigest()[:10]
