"""OpenTelemetry spans, one per request, where an OTLP endpoint is set. https://opentelemetry.io/docs/specs/semconv/http/

The extra `hilum[otel]` is imported only then. Spans carry codes, types and counts: no URL, query, id or token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hilum import __version__
from hilum.problems import Misconfigured
from hilum.rest import router
from hilum.rest.message import Request, Response
from hilum.web.body import Receive

Headers = Mapping[bytes, bytes]
Respond = Callable[[Mapping[str, Any], Headers, Receive], Awaitable[tuple[Response, Request]]]
"""(scope, headers, receive) -> the answer, and the request as it was understood."""


def traced(respond: Respond, endpoint: str, environment: str) -> Respond:
    """`respond` within a span. Raises Misconfigured when the extra is not installed."""
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

    async def within(scope: Mapping[str, Any], headers: Headers, receive: Receive) -> tuple[Response, Request]:
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
        ) as span:
            response, request = await respond(scope, headers, receive)
            span.update_name(request.interaction or "request")
            span.set_attribute("http.response.status_code", response.status)
            span.set_attribute("fhir.interaction", request.interaction)
            span.set_attribute("fhir.type", router.type_of(request.path) or "")
            return response, request

    return within
