"""What the running system tells: the four golden signals of each process, one trace of a request, and its id in every line."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.local import LocalSystem
from services.local.environment import DATABASE_SERVICES
from services.local.home import METRICS_OFFSETS
from services.local.system import SERVICES
from tests.support.otlp_collector import CollectedSpan, OtlpCollector
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e]

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
WORKERS = tuple(f"{service}-worker" for service in DATABASE_SERVICES)
QUEUE_ABOVE_BYTES = 16 * 1024 * 1024
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def scraped(system: LocalSystem, process: str) -> Samples:
    """What a process answers on /metrics: values by name and labels."""
    answer = httpx.get(f"http://127.0.0.1:{system.ports.metrics(process)}/metrics", timeout=10, trust_env=False)
    assert answer.status_code == 200
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def labels_of(samples: Samples, name: str) -> set[str]:
    assert samples.get(name), f"{name} is not there"
    return {label for labels in samples[name] for label, _ in labels}


@pytest.fixture(scope="module")
def walked(system: LocalSystem) -> str:
    """The request id of an import that went on in the queue; of everything else there was one of each kind."""
    user = RestUser(system)
    request_id = str(uuid4())
    # Large enough for the queue, with little to do there.
    padding = "x" * (QUEUE_ABOVE_BYTES // 300)
    rows = "".join(f"2026-01-{row % 20 + 10},-3.{row % 90 + 10},Supermarket {row},{padding}\n" for row in range(300))
    content = f"Date,Amount,Description,Extra\n{rows}"
    begun = user.http.post("/imports", files={"file": ("bank.csv", content, "text/csv")}, headers={"X-Request-ID": request_id})
    assert begun.status_code == 202, begun.text
    path = f"/imports/{begun.json()['id']}"
    until = time.monotonic() + 120
    while (found := user.http.get(path).json())["state"] not in ("succeeded", "failed"):
        assert time.monotonic() < until, found
        time.sleep(0.1)
    assert found["state"] == "succeeded", found
    user.http.post("/classify", json={"items": [{"description": "Supermarket", "amount": {"amount": "-3.00", "currency": "EUR"}}]})
    for asked in ("/forecasts", "/anomalies", "/training/jobs", "/federation/model", "/transactions", "/nothing"):
        user.http.get(asked)
    user.close()
    return request_id


@pytest.mark.requirement("OBS-05")
@pytest.mark.usefixtures("walked")
@pytest.mark.parametrize("process", ["gateway", *DATABASE_SERVICES])
def test_servers_tell_the_four_golden_signals(system: LocalSystem, process: str) -> None:
    samples = scraped(system, process)
    if process == "gateway":
        # Traffic, errors (the status) and latency of one histogram; how many are in hand.
        assert {"route", "method", "status"} <= labels_of(samples, "scale_http_duration_seconds_count")
        assert {"route", "method", "status", "le"} <= labels_of(samples, "scale_http_duration_seconds_bucket")
        assert samples["scale_http_running"]
        assert {("/nothing" in str(labels)) for labels in samples["scale_http_duration_seconds_count"]} == {False}
        assert {dict(labels)["dependency"]: value for labels, value in samples["scale_dependency_up"].items()} == dict.fromkeys(
            ("redis", *DATABASE_SERVICES), 1.0
        )
    else:
        assert {"method", "code"} <= labels_of(samples, "scale_rpc_duration_seconds_count")
        assert {"method", "code", "le"} <= labels_of(samples, "scale_rpc_duration_seconds_bucket")
        assert labels_of(samples, "scale_rpc_running") == {"method"}
        assert samples["scale_dependencies_up"] == {(): 1.0}
        assert 0 <= samples["scale_db_connections_in_use"][()] <= samples["scale_db_connections_capacity"][()]
        assert samples["scale_db_latency_seconds_count"][(("operation", "read"),)] > 0
        assert 0 < samples["scale_db_server_connections"][()] <= samples["scale_db_server_max_connections"][()]
        assert {"scale_db_slow_queries_total", "scale_db_slow_transactions_total", "scale_db_server_size_bytes"} <= set(samples)
    assert samples["process_cpu_seconds_total"][()] > 0


@pytest.mark.requirement("OBS-05", "OBS-23")
@pytest.mark.usefixtures("walked")
@pytest.mark.parametrize("process", WORKERS)
def test_workers_tell_the_four_golden_signals(system: LocalSystem, process: str) -> None:
    until = time.monotonic() + 30
    while "scale_task_duration_seconds_count" not in (samples := scraped(system, process)):
        assert time.monotonic() < until, "no task has ended"  # the clock gives each something to do within seconds
        time.sleep(0.5)
    assert labels_of(samples, "scale_task_duration_seconds_count") == {"queue", "task", "state"}
    assert {"le", "queue"} <= labels_of(samples, "scale_task_duration_seconds_bucket")
    assert labels_of(samples, "scale_tasks_running") == {"task"}
    assert labels_of(samples, "scale_queue_length") == {"queue"}
    assert samples["scale_worker_places"][()] >= 1
    assert time.time() - samples["scale_heartbeat_timestamp_seconds"][()] < 60
    assert samples["scale_process_cpu_seconds_total"][()] > 0


@pytest.mark.requirement("OBS-05")
@pytest.mark.usefixtures("walked")
def test_the_clock_tells_the_four_golden_signals(system: LocalSystem) -> None:
    samples = scraped(system, "beat")
    assert labels_of(samples, "scale_clock_messages_total") == {"task"}
    assert samples["scale_clock_duration_seconds_count"][()] > 0
    assert labels_of(samples, "scale_clock_failures_total") == {"task"}
    assert set(samples["scale_clock_failures_total"].values()) == {0.0}
    assert 0 <= samples["scale_clock_late_seconds"][()] < 30
    assert time.time() - samples["scale_heartbeat_timestamp_seconds"][()] < 60


def test_every_process_is_asked() -> None:
    assert {"gateway", "beat", *DATABASE_SERVICES, *WORKERS} == set(METRICS_OFFSETS) == set(SERVICES)


def test_a_request_is_one_trace_through_queue_and_services(collector: OtlpCollector, walked: str) -> None:
    wanted = {"gateway", "ingestion", "ingestion-worker", "accounts", "categorization"}
    spans = collector.trace_with(walked, {f"scale-{name}" for name in wanted})
    assert len({span.trace_id for span in spans}) == 1
    by_id = {span.span_id: span for span in spans}

    def line(span: CollectedSpan) -> list[tuple[str, int]]:
        """From the first span down to this one: who, and which kind."""
        above = line(by_id[span.parent_id]) if span.parent_id else []
        return [*above, (span.service.removeprefix("scale-"), span.kind)]

    (first,) = [span for span in spans if not span.parent_id]
    assert (first.service, first.name) == ("scale-gateway", "POST /api/v1/imports")
    assert first.attributes["http.response.status_code"] == 202
    (task,) = [span for span in spans if span.kind == CONSUMER and span.name == "ingestion.import_statement"]
    to_the_task = [("gateway", SERVER), ("gateway", CLIENT), ("ingestion", SERVER), ("ingestion", PRODUCER), ("ingestion-worker", CONSUMER)]
    assert line(task) == to_the_task
    for asked in ("accounts", "categorization"):
        served = [line(span) for span in spans if span.service == f"scale-{asked}" and span.kind == SERVER]
        assert [*to_the_task, ("ingestion-worker", CLIENT), (asked, SERVER)] in served
    assert any(span.name == "transaction" and span.attributes["db.system.name"] == "postgresql" for span in spans)


def test_spans_hold_nothing_of_anybody(collector: OtlpCollector, walked: str) -> None:
    collector.trace_with(walked, {"scale-gateway"})
    spans = collector.spans(lambda span: True)
    attributes = {name for span in spans for name in span.attributes}
    assert attributes <= {
        "scale.request_id", "rpc.system", "rpc.grpc.status", "http.request.method", "http.route", "http.response.status_code",
        "messaging.system", "messaging.destination.name", "scale.task.state", "db.system.name", "scale.db.read_only", "error.type",
    }  # fmt: skip
    assert not any("?" in span.name or "Supermarket" in span.name for span in spans)


@pytest.mark.requirement("OBS-01", "OBS-02", "OBS-03", "OBS-21", "OBS-22")
def test_every_line_is_json_and_says_its_request(system: LocalSystem, walked: str) -> None:
    time.sleep(0.2)  # lines leave a tenth of a second late
    mentioned = set()
    for process in SERVICES:
        lines = (system.home.logs / f"{process}.log").read_text(encoding="utf-8").splitlines()
        assert lines or process == "beat"  # who only speaks of what goes wrong
        for line in lines:
            found = json.loads(line)
            assert {"event", "level", "timestamp", "service", "request_id"} <= set(found), line
            if found["request_id"] == walked:
                mentioned.add(process)
    assert {"gateway", "ingestion", "ingestion-worker", "accounts", "categorization"} <= mentioned
