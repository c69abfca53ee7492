"""OpenTelemetry spans, one per request, where an OTLP endpoint is set. https://opentelemetry.io/docs/specs/semconv/http/

The extra `hilum[otel]` is imported only then. Spans carry codes, types and counts: no URL, query, id or token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from hilum import __version__
from hilum.problems import Misconfigured
from hilum.rest import router
from hilum.rest.message import Request

Note = Callable[[int, Request], None]
"""Tells a span how its request ended."""

Span = Callable[[Mapping[str, Any], Mapping[bytes, bytes]], AbstractContextManager[Note]]


def _ignore(status: int, request: Request) -> None:
    """Where nobody traces."""


_NOTHING: AbstractContextManager[Note] = nullcontext(_ignore)


def nothing(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> AbstractContextManager[Note]:
    """No span at all: what a server without an endpoint makes."""
    return _NOTHING


def spans(endpoint: str, environment: str) -> Span:
    """What makes the span of a request. Raises Misconfigured when an endpoint is set but the extra is not installed."""
    if not endpoint:
        return nothing
    try:
        from opentelemetry import propagate
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind
    except ImportError:
        raise Misconfigured("--otel-endpoint needs the extra: pip install 'hilum[otel]'.") from None
    about = {"service.name": "hilum", "service.version": __version__, "deployment.environment.name": environment}
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
    tracer = provider.get_tracer("hilum", __version__)

    @contextmanager
    def span(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> Iterator[Note]:
        carrier = {
            name: headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in headers
        }
        with tracer.start_as_current_span(
            "request",
            propagate.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"]},
            record_exception=False,
        ) as current:

            def note(status: int, request: Request) -> None:
                current.update_name(request.interaction or "request")
                current.set_attribute("http.response.status_code", status)
                current.set_attribute("fhir.interaction", request.interaction)
                current.set_attribute("fhir.type", router.type_of(request.path) or "")

            yield note

    return span
