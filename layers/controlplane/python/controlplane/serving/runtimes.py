"""The runtime catalog: which ServingRuntime serves a model format, and how it is told the model's name."""

from dataclasses import dataclass

from controlplane.errors import RolloutFailedError


@dataclass(frozen=True)
class Runtime:
    """`name` is the ClusterServingRuntime; `name_arguments` are appended to its arguments.

    The runtime is always named and never left to KServe's selection, which may pick one without the V1 protocol.
    """

    name: str
    model_format: str
    name_argument: str

    def arguments(self, model_name: str) -> list[str]:
        return [self.name_argument.format(model_name=model_name)]


CATALOG = {
    "sklearn": Runtime("kserve-sklearnserver", "sklearn", "--model_name={model_name}"),
}


def runtime_for(model_format: str) -> Runtime:
    """Raises RolloutFailedError (NoSupportingRuntime) for a format that nothing serves yet."""
    runtime = CATALOG.get(model_format)
    if runtime is None:
        raise RolloutFailedError(
            "NoSupportingRuntime",
            f"no runtime of the catalog serves the format {model_format}",
            remedy=f"Convert the model to one of: {', '.join(sorted(CATALOG))}.",
        )
    return runtime
