"""The commands of an embedded stack's processes."""

import os

from local.deploy.clients import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.processes import Service
from local.settings import HOST, Settings

# In the order in which they start; they stop in the reverse one.
NAMES = ("cloud", "kubernetes", "controller", "gateway")

# The Gateway that the deployments' routes name.
GATEWAY = "headrace-system/headrace"


def cloud(settings: Settings) -> Service:
    port = settings.ports.cloud
    return Service(
        name="cloud",
        command=_python(
            settings, "cloud", "local.cloud", port=port, state_dir=settings.state / "cloud"
        ),
        ready_url=f"http://{HOST}:{port}/_ministack/ready",
    )


def kubernetes(settings: Settings) -> Service:
    state = settings.state / "kubernetes"
    port = settings.ports.kubernetes
    return Service(
        name="kubernetes",
        command=_python(
            settings,
            "cloud",
            "local.kubernetes_api",
            port=port,
            state_dir=state,
            kubeconfig=settings.kubeconfig,
        ),
        ready_url=f"https://{HOST}:{port}/readyz",
        authority=state / "ca.pem",
    )


def controller(settings: Settings) -> Service:
    port = settings.ports.controller_health
    return Service(
        name="controller",
        command=_python(
            settings,
            "cloud",
            "local.kserve_controller",
            kubeconfig=settings.kubeconfig,
            state_dir=settings.state / "controller",
            log_dir=settings.logs / "models",
            serving_python=settings.project / ".venvs" / "serving" / "bin" / "python",
            aws_endpoint_url=settings.endpoint,
            aws_region=REGION,
            gateway=GATEWAY,
            gateway_url=settings.ingress_url,
            health_port=port,
        ),
        environment=(
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_CONFIG_FILE", os.devnull),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_SHARED_CREDENTIALS_FILE", os.devnull),
        ),
        ready_url=f"http://{HOST}:{port}/healthz",
    )


def gateway(settings: Settings) -> Service:
    metrics = settings.ports.gateway_metrics
    return Service(
        name="gateway",
        command=_python(
            settings,
            "cloud",
            "local.gateway",
            kubeconfig=settings.kubeconfig,
            port=settings.ports.gateway,
            metrics_port=metrics,
            gateway=GATEWAY,
            grace=5,
        ),
        ready_url=f"http://{HOST}:{metrics}/readyz",
    )


def _python(
    settings: Settings, environment: str, module: str, **options: object
) -> tuple[str, ...]:
    python = settings.project / ".venvs" / environment / "bin" / "python"
    command = [str(python), "-m", module]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return tuple(command)
