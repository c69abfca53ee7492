"""What every route is given: the broker, and who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from hilum.api.asking import ABSENT, FHIR, PROBLEMS, TAKEN, Who
from hilum.broker.api import shapes, views
from hilum.broker.api.broker import Broker
from hilum.fhir.resource import Resource

__all__ = ["ABSENT", "PROBLEMS", "TAKEN", "Here", "Who", "said"]


def _broker(request: Request) -> Broker:
    found: Broker = request.app.state.broker
    return found


Here = Annotated[Broker, Depends(_broker)]


def said(request: Request, broker: Broker, task: Resource, status: int = 200, **headers: str) -> Response:
    """An order, or the FHIR Task that it is, where the client asks for FHIR."""
    if FHIR in request.headers.get("accept", ""):
        return Response(task.raw, status, headers, FHIR)
    shown: shapes.Order = views.order(task, broker.door.base)
    return Response(shown.model_dump_json(), status, headers, "application/json")
