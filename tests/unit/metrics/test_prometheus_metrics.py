"""A Prometheus as metric source: whatever it answers, a rollout is told the truth or that there is none."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser
import pytest

from controlplane.adapters.prometheus_api import PrometheusApi
from controlplane.adapters.prometheus_metrics import PrometheusMetrics
from controlplane.errors import MetricsUnavailableError
from controlplane.serving.analysis import Reading, Unanswered, ValueMetric
from controlplane.serving.cluster_ports import Mechanism
from tests.ports import free_port
from tests.unit.metrics.http_servers import HttpServer, Received, Reply, serving
from tests.unit.metrics.requests_of_readings import CANARY, reading_request

Figures = dict[tuple[str, ...], str]


class ScriptedPrometheus:
    """Knows no series: gives each figure of a reading as the test says, and to people's queries `theirs`.

    A query that another parser does not understand, it refuses as Prometheus does.
    """

    def __init__(self) -> None:
        self.figures: Figures = {}
        self.theirs: Callable[[str], Reply] = lambda _: vector({(): "1"})
        self.reply: Reply | None = None
        self.received: list[Received] = []

    def answer(self, request: Received) -> Reply:
        self.received.append(request)
        query = request.form["query"]
        try:
            promql_parser.parse(query)
        except ValueError as wrong:
            told = {"status": "error", "errorType": "bad_data", "error": str(wrong)}
            return Reply(json.dumps(told), 400)
        if self.reply:
            return self.reply
        if '"figure"' not in query:
            return self.theirs(query)
        asked = {key: value for key, value in self.figures.items() if f'"{key[0]}"' in query}
        return vector(asked)


def vector(values: Figures, **more: Any) -> Reply:
    result = [
        {
            "metric": {"figure": key[0], **({"le": key[1]} if len(key) > 1 else {})} if key else {},
            "value": [1_700_000_000.5, value],
        }
        for key, value in values.items()
    ]
    data = {"resultType": "vector", "result": result}
    return Reply(json.dumps({"status": "success", "data": data, **more}))


@pytest.fixture
def prometheus() -> ScriptedPrometheus:
    return ScriptedPrometheus()


@pytest.fixture
def server(prometheus: ScriptedPrometheus) -> Iterator[HttpServer]:
    with serving(prometheus.answer) as running:
        yield running


@pytest.fixture
def source(server: HttpServer) -> PrometheusMetrics:
    return PrometheusMetrics(PrometheusApi(f"{server.url}/"), "envoy_gateway")


def healthy(age_seconds: float = 3) -> Figures:
    newest = str(datetime.now(UTC).timestamp() - age_seconds)
    return {
        ("canary.requests",): "100",
        ("canary.errors",): "7",
        ("canary.latency", "5"): "60",
        ("canary.latency", "10"): "90",
        ("canary.latency", "+Inf"): "100",
        ("canary.newest",): newest,
        ("canary.restarts",): "0",
        ("stable.requests",): "900.4",
        ("stable.newest",): newest,
        ("stable.restarts",): "2",
    }


def test_figures_become_a_reading(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy()

    reading = source.read(reading_request())

    assert reading.canary
    assert reading.stable
    assert (reading.canary.requests, reading.canary.errors) == (100, 7)
    assert reading.canary.latency_bounds == (5.0, 10.0)
    assert reading.canary.latency_counts == (60, 30, 10)
    assert (reading.stable.requests, reading.stable.errors) == (900, 0)
    assert reading.generation == "2"


def test_all_figures_are_asked_in_one_form_at_one_moment(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy()
    before = datetime.now(UTC) - timedelta(milliseconds=1)

    source.read(reading_request(policy={"values": [{"name": "v", "query": "up"}]}))

    requests = prometheus.received
    assert [(one.method, one.path) for one in requests] == [("POST", "/api/v1/query")] * 3
    moments = {one.form["time"] for one in requests}
    assert len(moments) == 1
    assert before.timestamp() <= float(moments.pop()) <= datetime.now(UTC).timestamp()


def test_the_data_is_as_old_as_the_older_of_the_two(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy(3)
    prometheus.figures[("stable.newest",)] = str(datetime.now(UTC).timestamp() - 200)

    assert 199 < age(source.read(reading_request())) < 202

    # Its series has ended more than five minutes ago: what it counted is still known.
    del prometheus.figures["stable.newest",]
    assert 299 < age(source.read(reading_request())) < 302


def age(reading: Reading) -> float:
    assert reading.observed_at
    return (datetime.now(UTC) - reading.observed_at).total_seconds()


def test_without_any_series_there_is_no_data(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    reading = source.read(reading_request())

    assert (reading.observed_at, reading.canary, reading.stable) == (None, None, None)


def test_a_dark_canary_is_none_beside_a_stable_revision(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = {
        key: value for key, value in healthy().items() if key[0].startswith("stable.")
    }

    reading = source.read(reading_request())

    assert reading.canary is None
    assert reading.stable
    assert age(reading) < 5


def test_servers_that_count_no_errors_are_not_taken_for_such_without(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    """KServe's own server tells how long predictions took, and not which of them failed."""
    prometheus.figures = healthy()

    reading = source.read(reading_request(mechanism=Mechanism.SPEC_CANARY))

    asked = prometheus.received[0].form["query"]
    assert "canary.requests" not in asked
    assert reading.canary
    assert (reading.canary.requests, reading.canary.errors) == (0, 0)
    assert sum(reading.canary.latency_counts) == 100
    # Probes that nobody answered would be all requests there are, and all of them failures.
    assert reading.with_unanswered(Unanswered(canary=3)) == reading


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_a_count_that_is_no_number_is_no_count(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics, value: str
) -> None:
    prometheus.figures = healthy() | {("canary.errors",): value}

    with pytest.raises(MetricsUnavailableError, match="no number"):
        source.read(reading_request())


def test_less_than_nothing_is_nothing_and_errors_are_among_the_requests(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy() | {("stable.requests",): "-3", ("canary.errors",): "101"}

    reading = source.read(reading_request())

    assert reading.stable
    assert reading.canary
    assert reading.stable.requests == 0
    assert reading.canary.errors == 100


ERROR = {"status": "error", "errorType": "execution", "error": "query processing: too many samples"}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (vector(healthy(), warnings=["store X did not answer"]), "in part only: store X"),
        (Reply(json.dumps(ERROR), 422), "too many samples"),
        (Reply(json.dumps(ERROR), 503), "answers 503 execution"),
        (Reply("upstream connect error", 503), "answers 503"),
        (Reply("<html>forbidden</html>", 403), "answers 403"),
        (Reply("", 401), "answers 401"),
        (Reply("<html>sign in</html>", 200), "something else than Prometheus"),
        (Reply("[]", 200), "something else than Prometheus"),
        (Reply('{"status": "success"}', 200), "form that cannot be read"),
        (
            Reply('{"status": "success", "data": {"resultType": "vector", "result": [{}]}}'),
            "cannot",
        ),
        (Reply('{"status": "success", "data": {"resultType": "matrix", "result": []}}'), "matrix"),
        (
            Reply(
                '{"status": "success", "data": {"resultType": "vector", "result": '
                '[{"metric": {}, "histogram": [1, {}]}]}}'
            ),
            "cannot be read",
        ),
        (Reply("", 307, {"Location": "http://127.0.0.1:1/"}), "answers 307"),
    ],
)
def test_what_is_no_whole_answer_is_none(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics, reply: Reply, said: str
) -> None:
    prometheus.reply = reply

    with pytest.raises(MetricsUnavailableError, match=said):
        source.read(reading_request())


def test_remarks_about_style_are_no_warnings(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    """Some releases tell them so: the names of Envoy's counters do not end in _total."""
    remark = 'PromQL info: metric might not be a counter, name does not end in _total: "x"'
    prometheus.reply = vector(healthy(), warnings=[remark], infos=["PromQL info: y"])

    assert source.read(reading_request()).canary


def test_a_prometheus_that_is_not_there_is_said() -> None:
    source = PrometheusMetrics(PrometheusApi(f"http://127.0.0.1:{free_port()}"), "envoy_gateway")

    with pytest.raises(MetricsUnavailableError, match="does not answer"):
        source.read(reading_request())


POLICY = {
    "values": [{"name": "drift", "query": 'drift{r="{revision}"}'}],
    "events": [{"name": "refused", "bad_query": "bad", "total_query": "sum(total[{since}])"}],
}


def test_queries_of_people_are_asked_of_each_revision_within_the_namespace(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy()
    prometheus.theirs = lambda query: vector({(): "0.25" if CANARY in query else "0.5"})
    policy = POLICY | {"events": []}

    reading = source.read(reading_request(policy=policy))

    assert reading.values == {"drift": (0.25, 0.5)}
    theirs = [one.form["query"] for one in prometheus.received[1:]]
    assert theirs == [
        f'drift{{r="{CANARY}",namespace="tenant-acme"}}',
        f'drift{{r="{CANARY[:-1]}1",namespace="tenant-acme"}}',
    ]


def test_bad_events_without_a_series_are_not_called_none_and_a_total_without_one_is_missing(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy()
    policy = {"events": [{"name": "e", "bad_query": "bad", "total_query": "total"}]}

    def answer(query: str) -> Reply:
        return vector({(): "40"}) if query.startswith("total") else vector({})

    prometheus.theirs = answer
    reading = source.read(reading_request(policy=policy))
    assert reading.canary
    assert reading.canary.events == {"e": (None, 40)}

    prometheus.theirs = lambda _: vector({})
    reading = source.read(reading_request(policy=policy))
    assert reading.canary
    assert reading.canary.events == {}


@pytest.mark.parametrize(
    "reply",
    [
        vector({}),
        vector({(): "NaN"}),
        vector({("a",): "1", ("b",): "2"}),
        Reply(json.dumps(ERROR), 422),
        Reply(json.dumps(ERROR | {"errorType": "timeout"}), 503),
        Reply('{"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}'),
    ],
)
def test_a_query_of_theirs_that_fails_is_missing_and_nothing_else(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics, reply: Reply
) -> None:
    prometheus.figures = healthy()
    prometheus.theirs = lambda _: reply

    reading = source.read(reading_request(policy=POLICY))

    assert reading.values == {"drift": (None, None)}
    assert reading.canary
    assert reading.canary.events == {}
    assert reading.canary.requests == 100


def test_a_query_that_is_not_confined_is_never_sent(
    prometheus: ScriptedPrometheus, source: PrometheusMetrics
) -> None:
    prometheus.figures = healthy()
    # Kept before it was refused at the door, say.
    unchecked = [ValueMetric.model_construct(name="v", query="info(up)")]
    unchecked.append(ValueMetric.model_construct(name="w", query='up{"'))
    asked = reading_request()
    asked = replace(asked, policy=asked.policy.model_copy(update={"values": tuple(unchecked)}))

    reading = source.read(asked)

    assert reading.values == {"v": (None, None), "w": (None, None)}
    assert len(prometheus.received) == 1


def test_a_scalar_is_a_number(prometheus: ScriptedPrometheus, server: HttpServer) -> None:
    prometheus.reply = Reply(
        '{"status": "success", "data": {"resultType": "scalar", "result": [1, "2.5"]}}'
    )

    assert PrometheusApi(server.url).query("time()", datetime.now(UTC))[0].value == 2.5
