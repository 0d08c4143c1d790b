"""Series that a component told, kept in `scrapes`, and the selectors of the queries evaluated over them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

SCRAPES = Path(__file__).with_name("scrapes")
HOST = "127.0.0.1"


class Series(NamedTuple):
    """As Prometheus keeps it: the labels that were told, and those of the target."""

    name: str
    labels: Mapping[str, str]
    value: float


def scraped(text: str, target: Mapping[str, str]) -> list[Series]:
    return [
        Series(sample.name, {**sample.labels, **target}, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def matching(selector: str, series: Iterable[Series]) -> list[Series]:
    """Those that Prometheus would find. A label that is not there is an empty one."""
    parsed: Any = promql_parser.parse(selector)
    assert isinstance(parsed, promql_parser.VectorSelector)
    return [
        one
        for one in series
        if one.name == parsed.name
        and all(_holds(matcher, one.labels) for matcher in parsed.matchers.matchers)
    ]


def _holds(matcher: Any, labels: Mapping[str, str]) -> bool:
    value = labels.get(matcher.name, "")
    if matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.NotEqual):
        return (value == matcher.value) is (matcher.op == promql_parser.MatchOp.Equal)
    whole = re.fullmatch(matcher.value, value) is not None
    return whole is (matcher.op == promql_parser.MatchOp.Re)


def total(series: Iterable[Series]) -> int:
    return round(sum(one.value for one in series))


@contextmanager
def telling(text: str) -> Iterator[str]:
    """The URL of a server that tells nothing but this text."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()
