"""The embedded gateway: serves the HTTPRoutes of one Gateway on the loopback address.

    python -m local.gateway --kubeconfig FILE --port 8080 --metrics-port 9090 \
        --gateway headrace-system/headrace

It binds 127.0.0.1 only. **Callers are not authenticated in this release**: whoever reaches the
port reaches every tenant's models, which is why it never listens on another address.

SIGTERM or SIGINT ends it cleanly: it takes no new connections and lets requests in flight finish
for up to `--grace` seconds.
"""

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from local.gateway.gateway import Gateway, Options


def _gateway_name(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise argparse.ArgumentTypeError("write it as <namespace>/<name>")
    return namespace, name


def parse_options(arguments: list[str] | None = None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.gateway", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8080, help="where routes are served")
    parser.add_argument("--metrics-port", type=int, default=9090, help="/metrics, /readyz, /routes")
    parser.add_argument(
        "--gateway", type=_gateway_name, default=("headrace-system", "headrace"),
        metavar="NAMESPACE/NAME", help="the Gateway whose routes are served",
    )  # fmt: skip
    parser.add_argument("--grace", type=float, default=20.0, help="seconds for what is in flight")
    parser.add_argument("--seed", type=int, help="seed of the choice among weighted backends")
    parser.add_argument("--no-access-log", dest="access_log", action="store_false")
    return Options(**vars(parser.parse_args(arguments)))


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Gateway(options).run(stop)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(parse_options()))
