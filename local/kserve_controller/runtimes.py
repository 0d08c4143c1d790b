"""Serving runtimes: which one serves a model, and the container that it makes.

Selection and its failures follow KServe (pkg/controller/v1beta1/inferenceservice/components/
predictor.go and pkg/apis/serving/v1beta1/predictor_model.go).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from local.kserve_controller.specification import InferenceService, Manifest, Model, PodTemplate

CONTAINER = "kserve-container"
SKLEARN_SERVER_IMAGE = "kserve/sklearnserver:v0.21.0"
# The programs that this machine can run in place of an image, by the image's repository name.
SERVER_MODULES = {"sklearnserver": "local.serving.sklearn_server"}

SKLEARN_SERVER: Manifest = {
    "apiVersion": "serving.kserve.io/v1alpha1",
    "kind": "ClusterServingRuntime",
    "metadata": {"name": "kserve-sklearnserver"},
    "spec": {
        "annotations": {
            "prometheus.kserve.io/port": "8080",
            "prometheus.kserve.io/path": "/metrics",
        },
        "supportedModelFormats": [
            {"name": "sklearn", "version": "1", "autoSelect": True, "priority": 3}
        ],
        "protocolVersions": ["v1", "v2"],
        "containers": [
            {
                "name": CONTAINER,
                "image": SKLEARN_SERVER_IMAGE,
                "args": ["--model_name={{.Name}}", "--model_dir=/mnt/models", "--http_port=8080"],
            }
        ],
    },
}


class PredictorSpecError(Exception):
    """A predictor that cannot be served as it is specified; `reason` is KServe's FailureReason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Runtime:
    """A ServingRuntime or ClusterServingRuntime."""

    name: str
    cluster_scoped: bool
    spec: Manifest

    @property
    def disabled(self) -> bool:
        return bool(self.spec.get("disabled", False))

    @property
    def protocols(self) -> tuple[str, ...]:
        return tuple(self.spec.get("protocolVersions") or ("v1",))

    def supports(self, model: Model, *, auto_selected: bool = False) -> bool:
        """Whether the format, and the version where one is asked for, is among the supported."""
        return any(
            supported["name"] == model.format
            and (model.format_version is None or supported.get("version") == model.format_version)
            and (supported.get("autoSelect", False) or not auto_selected)
            for supported in self.spec.get("supportedModelFormats") or ()
        )


def read_runtimes(manifests: list[Manifest], *, cluster_scoped: bool) -> dict[str, Runtime]:
    return {
        manifest["metadata"]["name"]: Runtime(
            manifest["metadata"]["name"], cluster_scoped, manifest.get("spec") or {}
        )
        for manifest in manifests
    }


def select_runtime(
    model: Model, namespaced: Mapping[str, Runtime], cluster: Mapping[str, Runtime]
) -> Runtime:
    """The runtime that `model` names, the namespace's before the cluster's, or else a fitting one.

    Raises PredictorSpecError with reason RuntimeNotRecognized, RuntimeDisabled or
    NoSupportingRuntime, and KServe's message.
    """
    if model.runtime is None:
        return _auto_select(model, namespaced, cluster)
    named = namespaced.get(model.runtime) or cluster.get(model.runtime)
    if named is None:
        raise PredictorSpecError("RuntimeNotRecognized", "Waiting for runtime to become available")
    if named.disabled:
        raise PredictorSpecError("RuntimeDisabled", "Specified runtime is disabled")
    if model.protocol_version and model.protocol_version not in named.protocols:
        raise PredictorSpecError(
            "NoSupportingRuntime", "Specified runtime does not support specified protocol version"
        )
    if not named.supports(model):
        raise PredictorSpecError(
            "NoSupportingRuntime", "Specified runtime does not support specified framework/version"
        )
    return named


def _auto_select(
    model: Model, namespaced: Mapping[str, Runtime], cluster: Mapping[str, Runtime]
) -> Runtime:
    protocol = model.protocol_version or "v1"
    for runtimes in (namespaced, cluster):
        for _, runtime in sorted(runtimes.items()):
            fits = runtime.supports(model, auto_selected=True) and protocol in runtime.protocols
            if fits and not runtime.disabled:
                return runtime
    raise PredictorSpecError(
        "NoSupportingRuntime", "No runtime found to support specified framework/version"
    )


def pod_template(service: InferenceService, runtime: Runtime) -> PodTemplate:
    """The runtime's container with its placeholders filled in and the model's arguments appended.

    Raises PredictorSpecError (InvalidPredictorSpec) for a runtime without `kserve-container` and
    for a model without `storageUri`.
    """
    containers = runtime.spec.get("containers") or []
    container = next((each for each in containers if each.get("name") == CONTAINER), None)
    if container is None:
        raise PredictorSpecError(
            "InvalidPredictorSpec", "no container configuration found in selected serving runtime"
        )
    model = service.model
    if model is None or not model.storage_uri:
        raise PredictorSpecError("InvalidPredictorSpec", "spec.predictor.model.storageUri is empty")
    arguments = [_fill_in(argument, service) for argument in container.get("args") or ()]
    own_env = {
        each["name"]: each["value"] for each in container.get("env") or () if "value" in each
    }
    return PodTemplate(
        image=container.get("image", ""),
        args=(*arguments, *model.args),
        env=tuple(sorted({**own_env, **dict(model.env)}.items())),
        storage_uri=model.storage_uri,
        labels=_joined(runtime.spec.get("labels"), service.pod_labels),
        annotations=_joined(runtime.spec.get("annotations"), service.pod_annotations),
    )


def _joined(
    of_runtime: dict[str, str] | None, of_service: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**(of_runtime or {}), **of_service}.items()))


def server_module(image: str) -> str:
    """The Python module that stands in for `image` here; PredictorSpecError when none does."""
    repository = image.rsplit("/", 1)[-1].split("@")[0].split(":")[0]
    if repository not in SERVER_MODULES:
        known = ", ".join(sorted(SERVER_MODULES))
        raise PredictorSpecError(
            "NoSupportingRuntime",
            f"the embedded cluster cannot run image {image}; it runs: {known}",
        )
    return SERVER_MODULES[repository]


def model_name(template: PodTemplate) -> str:
    """The name that the server will answer to: the last `--model_name` of its arguments."""
    name = ""
    arguments = iter(template.args)
    for argument in arguments:
        if argument == "--model_name":
            name = next(arguments, name)
        elif argument.startswith("--model_name="):
            name = argument.split("=", 1)[1]
    return name


def _fill_in(argument: str, service: InferenceService) -> str:
    return argument.replace("{{.Name}}", service.key.name).replace(
        "{{.Namespace}}", service.key.namespace
    )
