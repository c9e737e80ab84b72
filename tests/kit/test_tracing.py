"""Spans of what comes in and goes out: parts of one trace, sampled where it begins; nothing at all where nobody collects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import pytest
from opentelemetry.trace import SpanKind

from services.kit import tracing
from tests.support.otlp_collector import CollectedSpan, OtlpCollector, otlp_collector


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with otlp_collector() as collector:
        yield collector
    tracing.configure_tracing("probe", None)


def sent(collector: OtlpCollector) -> dict[str, CollectedSpan]:
    tracing.end_tracing()
    return {span.name: span for span in collector.spans(lambda span: True)}


def test_what_goes_out_is_a_part_of_what_came_in(collector: OtlpCollector) -> None:
    tracing.configure_tracing("probe", collector.address)
    first = tracing.begin("first", SpanKind.SERVER, {})
    assert first is not None
    with tracing.outgoing("asked", SpanKind.CLIENT, {"rpc.system": "grpc"}) as carrier:
        pass
    with pytest.raises(KeyError), tracing.outgoing("broken", SpanKind.CLIENT, {}):
        raise KeyError("Rent for Erika")
    tracing.finish(first, {"http.route": "/x"}, failed=False)
    served = tracing.begin("served", SpanKind.SERVER, {}, parent=carrier)
    assert served is not None
    tracing.finish(served, {}, failed=True)
    spans = sent(collector)
    assert len({span.trace_id for span in spans.values()}) == 1
    parents = {name: spans[name].parent_id for name in spans}
    assert parents == {
        "first": "", "asked": spans["first"].span_id, "broken": spans["first"].span_id, "served": spans["asked"].span_id
    }  # fmt: skip
    assert {name for name, span in spans.items() if span.failed} == {"broken", "served"}
    assert spans["broken"].attributes == {"error.type": "KeyError"}, "an error's text can be about somebody"
    assert spans["first"].service == "scale-probe"


def test_the_edge_begins_a_trace_of_its_own_and_names_the_callers(collector: OtlpCollector) -> None:
    tracing.configure_tracing("probe", collector.address)
    theirs = "0af7651916cd43dd8448eb211c80319c"
    for name, link in (("edge", f"00-{theirs}-b7ad6b7169203331-01"), ("odd", "00-nonsense-01"), ("none", "")):
        span = tracing.begin(name, SpanKind.SERVER, {}, link={"traceparent": link})
        assert span is not None
        tracing.finish(span, {}, failed=False)
    spans = sent(collector)
    assert spans["edge"].trace_id != theirs
    assert {name: span.links for name, span in spans.items()} == {"edge": (theirs,), "odd": (), "none": ()}


def test_who_is_called_samples_as_the_caller_does(collector: OtlpCollector) -> None:
    tracing.configure_tracing("probe", collector.address, sample_ratio=0)
    own = tracing.begin("own", SpanKind.SERVER, {})
    assert own is not None
    with tracing.outgoing("asked", SpanKind.CLIENT, {}) as carrier:
        assert int(carrier["traceparent"][-2:], 16) & 1 == 0
    tracing.finish(own, {}, failed=False)
    asked = tracing.begin("of a caller", SpanKind.SERVER, {}, parent={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    assert asked is not None
    tracing.finish(asked, {}, failed=False)
    assert set(sent(collector)) == {"of a caller"}


def test_without_a_collector_a_call_is_a_look_at_one_name() -> None:
    tracing.configure_tracing("probe", None)
    called: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        assert tracing.begin("x", SpanKind.SERVER, {}) is None
        with tracing.outgoing("x", SpanKind.CLIENT, {}) as carrier:
            assert not carrier
    finally:
        sys.setprofile(None)
    assert [name for name in called if name not in ("begin", "outgoing", "__enter__", "__exit__")] == []
