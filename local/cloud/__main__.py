"""The embedded AWS: `python -m local.cloud --port 4566 --state-dir .local/cloud`.

Runs in the environment `.venvs/cloud`. State is loaded at the start and saved at a clean end
(SIGTERM, SIGINT).
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from local.cloud import mends
from local.cloud.layers import LayerCache

# A variable of the caller that would reach MiniStack's behaviour or a function's environment.
FOREIGN_PREFIXES = ("AWS_", "LAMBDA_", "LOCALSTACK_", "MINISTACK_", "PYTHON")


def environment(port: int, state: Path) -> dict[str, str]:
    """What MiniStack reads: one port, on the loopback only, state in the folder alone."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": "us-east-1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(state / "tmp"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def prepare(port: int, state: Path) -> LayerCache:
    """Set the process up before MiniStack is imported: it reads its settings while importing."""
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES):
            del os.environ[name]
    os.environ.update(environment(port, state))
    # Workers that were killed leave their unpacked code here.
    shutil.rmtree(state / "tmp", ignore_errors=True)
    (state / "tmp").mkdir(parents=True, mode=0o700)
    tempfile.tempdir = None
    layers = LayerCache(state / "layers")
    layers.drop_unused()
    return layers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port, on 127.0.0.1")
    parser.add_argument("--state-dir", type=Path, required=True, help="where its state is kept")
    arguments = parser.parse_args()
    state: Path = arguments.state_dir.absolute()
    layers = prepare(arguments.port, state)
    try:
        mends.apply(layers, state / "tmp" / "sdk", f"http://127.0.0.1:{arguments.port}")
    except mends.MiniStackMismatchError as error:
        sys.exit(str(error))
    # Reason for the late import: MiniStack reads the environment while it is imported.
    from ministack.app import main as run  # noqa: PLC0415

    sys.argv = ["ministack"]
    run()


if __name__ == "__main__":
    main()
