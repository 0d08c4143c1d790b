"""From a cloud assembly to deployed stacks and their outputs."""

from collections.abc import Callable
from pathlib import Path

from local.deploy.assembly import read_stacks
from local.deploy.assets import bootstrap, upload
from local.deploy.clients import EmbeddedCloud
from local.deploy.repairs import repair
from local.deploy.stacks import deploy_stack, outputs

Report = Callable[[str], None]


def deploy(cloud: EmbeddedCloud, assembly: Path, report: Report) -> dict[str, str]:
    """Deploy every stack of a cloud assembly, in order, and return their named outputs.

    Nothing is done again that is done already; `report` is told of what was. Outputs that only
    connect stacks to each other are left out. Raises AssemblyError, DeploymentError or RepairError.
    """
    stacks = read_stacks(assembly)
    bootstrap(cloud)
    uploads = upload(cloud, (asset for stack in stacks for asset in stack.assets))
    if uploads:
        report(f"uploaded {uploads} assets")
    collected: dict[str, str] = {}
    for stack in stacks:
        changed = deploy_stack(cloud, stack)
        repair(cloud, stack)
        if changed:
            report(f"deployed {stack.name}")
        collected |= outputs(cloud, stack)
    return {
        name: value for name, value in collected.items() if not name.startswith("ExportsOutput")
    }
