"""Start the embedded Kubernetes API server and run it until SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from local.kubernetes_api.credentials import load_credentials, write_kubeconfig
from local.kubernetes_api.server import Server

logger = logging.getLogger("local.kubernetes_api")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.kubernetes_api", description=__doc__)
    parser.add_argument("--port", type=int, default=6443, help="on 127.0.0.1; 6443 by default")
    parser.add_argument("--state-dir", type=Path, required=True, help="database and credentials")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="file to write for clients")
    parser.add_argument(
        "--history", type=int, default=10_000, help="changes kept for watches to go on from"
    )
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    os.umask(0o077)  # the database holds Secrets
    state: Path = arguments.state_dir
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials = load_credentials(state)
    server = Server(state, credentials, arguments.history)
    runner = web.AppRunner(
        server.application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.5
    )
    await runner.setup()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        site = web.TCPSite(runner, "127.0.0.1", arguments.port, ssl_context=credentials.tls)
        try:
            await site.start()
        except OSError as problem:
            sys.exit(f"cannot serve on 127.0.0.1:{arguments.port} ({problem.strerror}): use --port")
        write_kubeconfig(arguments.kubeconfig, arguments.port, credentials)
        logger.info("serving on https://127.0.0.1:%d", arguments.port)
        await stopping.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(_run(_arguments()))
