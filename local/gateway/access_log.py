"""The access log: one JSON line a request, written in batches.

It holds neither bodies nor query values nor credentials: only method, path, route, backend,
status, sizes and times. A line costs one json.dumps; the write happens once for all lines of a
fifth of a second, so that a slow disk is not felt by every request.
"""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TextIO

from local.gateway.records import RequestRecord

FLUSH_SECONDS = 0.2


class AccessLog:
    """Collects lines and writes them to `stream`; with no stream it does nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._scheduled: asyncio.TimerHandle | None = None

    def write(self, record: RequestRecord, seconds: float) -> None:
        """Log one request that took so long."""
        if self._stream is None:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": time, "milliseconds": round(seconds * 1000, 2), **asdict(record)}
        self._lines.append(json.dumps(line, separators=(",", ":")))
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is collected; called once more at the end."""
        self._scheduled = None
        lines, self._lines = self._lines, []
        if self._stream is not None and lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
