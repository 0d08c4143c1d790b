"""The runtime catalog: which runtime serves a model format, and how it is told the model's name.

The names are those of the ClusterServingRuntimes that a KServe installation brings (kserve `config/runtimes`). A
runtime is always named and never left to KServe's selection, which may pick one without the V1 protocol.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from controlplane.errors import RolloutFailedError

V1 = "v1"
V2 = "v2"
OPENAI = "openai"
# Finds what is wrong with a model's file paths for this model name, or None.
LayoutCheck = Callable[[Iterable[str], str], str | None]


class ServiceKind(StrEnum):
    INFERENCE_SERVICE = "InferenceService"
    LLM_INFERENCE_SERVICE = "LLMInferenceService"


@dataclass(frozen=True)
class Runtime:
    """One entry of the catalog. `name` is the ClusterServingRuntime; empty for an LLMInferenceService.

    Callers see one model name over all revisions: it is told by an argument, appended to the runtime's own, of which
    the last one counts, or by an environment variable; Triton and TorchServe take it from the model's files.
    `gpus` is how many a replica has where the deployment's settings say nothing.
    """

    key: str
    name: str
    model_format: str
    formats: frozenset[str]
    protocols: tuple[str, ...] = (V1, V2)
    kind: ServiceKind = ServiceKind.INFERENCE_SERVICE
    name_argument: str | None = None
    name_variable: str | None = None
    fixed_arguments: tuple[str, ...] = ()
    fixed_environment: tuple[tuple[str, str], ...] = ()
    gpus: int = 0
    check_layout: LayoutCheck | None = None

    def arguments(self, model_name: str) -> list[str]:
        """What is appended to the runtime's own arguments."""
        named = [f"{self.name_argument}={model_name}"] if self.name_argument else []
        return [*named, *self.fixed_arguments]

    def environment(self, model_name: str) -> dict[str, str]:
        """The variables of the model's container."""
        named = {self.name_variable: model_name} if self.name_variable else {}
        return named | dict(self.fixed_environment)

    @property
    def protocol(self) -> str | None:
        """The protocol that must be asked for, where the runtime does not speak V1; None where it speaks both."""
        return None if V1 in self.protocols or OPENAI in self.protocols else V2


def _triton_layout(paths: Iterable[str], model_name: str) -> str | None:
    """Source: NVIDIA Triton user guide, "Model Repository": <name>/<version>/<file>."""
    for path in paths:
        folder, *rest = path.split("/")
        if folder == model_name and len(rest) >= 2 and rest[0].isdigit():
            return None
    return f"no file lies below {model_name}/<number>/, from which Triton takes the model's name"


def _torchserve_layout(paths: Iterable[str], model_name: str) -> str | None:
    """Source: KServe documentation, "Deploy PyTorch models with TorchServe"."""
    known = set(paths)
    if "config/config.properties" not in known:
        return "config/config.properties is missing, from which TorchServe takes the model's name"
    if not any(path.startswith("model-store/") and path.endswith(".mar") for path in known):
        return f"no model archive such as model-store/{model_name}.mar is among the files"
    return None


_ENTRIES = (
    Runtime(
        "sklearn",
        "kserve-sklearnserver",
        "sklearn",
        frozenset({"sklearn"}),
        name_argument="--model_name",
    ),
    Runtime(
        "xgboost",
        "kserve-xgbserver",
        "xgboost",
        frozenset({"xgboost"}),
        name_argument="--model_name",
    ),
    Runtime(
        "lightgbm",
        "kserve-lgbserver",
        "lightgbm",
        frozenset({"lightgbm"}),
        name_argument="--model_name",
    ),
    Runtime(
        "mlflow",
        "kserve-mlserver",
        "mlflow",
        frozenset({"mlflow"}),
        protocols=(V2,),
        name_variable="MLSERVER_MODEL_NAME",
        fixed_environment=(("MLSERVER_MODEL_IMPLEMENTATION", "mlserver_mlflow.MLflowRuntime"),),
    ),
    Runtime(
        "onnx",
        "kserve-tritonserver",
        "onnx",
        frozenset({"onnx"}),
        protocols=(V2,),
        check_layout=_triton_layout,
    ),
    Runtime(
        "triton",
        "kserve-tritonserver",
        "triton",
        frozenset({"triton", "onnx", "pytorch"}),
        protocols=(V2,),
        check_layout=_triton_layout,
    ),
    Runtime(
        "pytorch",
        "kserve-torchserve",
        "pytorch",
        frozenset({"pytorch"}),
        check_layout=_torchserve_layout,
        fixed_environment=(("TS_SERVICE_ENVELOPE", "kserve"),),
    ),
    Runtime(
        "huggingface",
        "kserve-huggingfaceserver",
        "huggingface",
        frozenset({"huggingface"}),
        protocols=(V1, V2, OPENAI),
        name_argument="--model_name",
    ),
    Runtime(
        "vllm",
        "kserve-huggingfaceserver",
        "huggingface",
        frozenset({"huggingface", "vLLM"}),
        protocols=(OPENAI,),
        name_argument="--model_name",
        fixed_arguments=("--backend=vllm",),
        gpus=1,
    ),
    Runtime(
        "llm",
        "",
        "vLLM",
        frozenset({"huggingface", "vLLM"}),
        protocols=(OPENAI,),
        kind=ServiceKind.LLM_INFERENCE_SERVICE,
        gpus=1,
    ),
)
CATALOG = {runtime.key: runtime for runtime in _ENTRIES}
# The entry of a format where the deployment's settings name none.
DEFAULTS = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "mlflow": "mlflow",
    "onnx": "onnx",
    "triton": "triton",
    "pytorch": "pytorch",
    "huggingface": "huggingface",
    "vLLM": "vllm",
}


def runtime_for(model_format: str, key: str | None = None) -> Runtime:
    """The catalog's runtime for a format, or the one that is asked for by its key.

    Raises RolloutFailedError: NoSupportingRuntime for a format that nothing serves, RuntimeNotFitting for a runtime
    that is unknown or does not serve the format.
    """
    if key is None:
        key = DEFAULTS.get(model_format)
        if key is None:
            raise RolloutFailedError(
                "NoSupportingRuntime",
                f"no runtime of the catalog serves the format {model_format}",
                remedy=f"Convert the model to one of: {', '.join(sorted(DEFAULTS))}.",
            )
    runtime = CATALOG.get(key)
    if runtime is None or model_format not in runtime.formats:
        fitting = sorted(entry.key for entry in _ENTRIES if model_format in entry.formats)
        raise RolloutFailedError(
            "RuntimeNotFitting",
            f"runtime {key} does not serve the format {model_format}",
            remedy=f"Set the deployment's runtime to one of: {', '.join(fitting) or 'none serves it'}.",
        )
    return runtime


def find_layout_fault(runtime: Runtime, paths: Iterable[str], model_name: str) -> str | None:
    """What keeps the runtime from finding the model by its name among its files; None when nothing does."""
    return runtime.check_layout(paths, model_name) if runtime.check_layout else None
