"""Asking a deployed model, by KServe's V1 protocol and by V2 (Open Inference)."""

from collections.abc import Sequence
from typing import Any

import requests

TIMEOUT_SECONDS = 30
Rows = Sequence[list[float]]


def predict_v1(session: requests.Session, url: str, rows: Rows) -> list[int]:
    response = session.post(url, json={"instances": list(rows)}, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return [int(label) for label in response.json()["predictions"]]


def predict_v2(session: requests.Session, url: str, rows: Rows) -> list[int]:
    response = session.post(url, json={"inputs": [_tensor(rows)]}, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return [int(label) for label in response.json()["outputs"][0]["data"]]


def _tensor(rows: Rows) -> dict[str, Any]:
    return {
        "name": "input-0",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": list(rows),
    }
