"""Run the embedded KServe controller: `python -m local.kserve_controller --help`.

Model servers get their AWS credentials from this process's own environment.
"""

import argparse
import logging
import os
import signal
import threading
from pathlib import Path

from local.kserve_controller.autoscaler import ScalingPolicy
from local.kserve_controller.cluster import Cluster
from local.kserve_controller.controller import Controller, ControllerSettings
from local.kserve_controller.health import serve_health
from local.kserve_controller.launcher import Launcher, LauncherSettings, ModelStorage
from local.kserve_controller.predictor import RestartPolicy
from local.kserve_controller.processes import ProcessLimits


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.kserve_controller")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True, help="records of running servers")
    parser.add_argument("--log-dir", type=Path, required=True, help="<namespace>.<isvc>.log")
    parser.add_argument("--serving-python", type=Path, required=True)
    parser.add_argument("--aws-endpoint-url", required=True)
    parser.add_argument("--aws-region", required=True)
    parser.add_argument("--gateway-url", default="http://127.0.0.1:8080")
    parser.add_argument("--gateway", default="headrace-system/headrace", help="namespace/name")
    parser.add_argument("--health-port", type=int, help="GET /healthz; absent: none")
    parser.add_argument("--ready-deadline", type=float, default=120.0, help="seconds to load")
    parser.add_argument("--grace-period", type=float, default=10.0, help="from SIGTERM to SIGKILL")
    parser.add_argument("--drain-seconds", type=float, default=2.0, help="of a replaced server")
    parser.add_argument("--restart-limit", type=int, default=5)
    parser.add_argument("--restart-backoff", type=float, default=2.0, help="first wait, seconds")
    parser.add_argument("--scale-period", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--scale-settle", type=float, default=30.0, help="before replicas go")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    launcher = Launcher(
        LauncherSettings(
            # Not resolved: a virtual environment is known by the path its Python is called by.
            python=options.serving_python.absolute(),
            project=Path(__file__).resolve().parents[2],
            state=options.state_dir.resolve(),
            logs=options.log_dir.resolve(),
            storage=ModelStorage(options.aws_endpoint_url, options.aws_region),
            limits=ProcessLimits(options.ready_deadline, options.grace_period),
        ),
        os.environ,
    )
    settings = ControllerSettings(
        gateway=options.gateway,
        gateway_url=options.gateway_url,
        policy=RestartPolicy(
            limit=options.restart_limit,
            backoff=options.restart_backoff,
            drain=options.drain_seconds,
        ),
        scaling=ScalingPolicy(period=options.scale_period, settle=options.scale_settle),
    )
    controller = Controller(Cluster(options.kubeconfig), launcher, settings)
    # From another thread: the handler may interrupt this one while it holds the queue's lock.
    stopper = threading.Thread(target=controller.stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None if stopper.ident else stopper.start())
    if options.health_port is not None:
        serve_health(options.health_port, controller.health)
    controller.run()


if __name__ == "__main__":
    main()
