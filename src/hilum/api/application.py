"""The API as FastAPI has it: imported when somebody first asks below /api (`hilum.app.api`), by whom it is let in.

Problems are raised out of it: the edge makes OperationOutcomes of them, as below /fhir.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hilum.api import pages, shapes
from hilum.problems import Invalid, Issue, Malformed, MethodNotAllowed, NotFound

OPENAPI: Final = "/api/openapi.json"
MOST_ISSUES: Final = 10

_FASTAPIS: Final = "Validation Error"
"""Of an answer that FastAPI tells of by itself, and that is none of ours: 400 is."""


@dataclass(frozen=True)
class Room:
    """Routes of a room, and what they stand on: `app.state.<name>`; None where they only describe themselves."""

    name: str
    routers: Sequence[APIRouter]
    stands_on: object = None


def application(title: str, text: str, rooms: Sequence[Room]) -> FastAPI:
    """The routes of all rooms."""
    made = FastAPI(
        title=title,
        version="1",
        description=text,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={RequestValidationError: _misshapen, HTTPException: _refused},
        generate_unique_id_function=lambda route: route.name,
    )
    made.include_router(pages.router)
    for room in rooms:
        setattr(made.state, room.name, room.stands_on)
        for one in room.routers:
            made.include_router(one)
    made.openapi = lambda: _described(made)  # type: ignore[method-assign]
    return made


async def _misshapen(request: Request, error: Exception) -> Response:
    """Raises Malformed where the body is no JSON, Invalid where it is not as the models have it.

    Nothing of what was sent is told: it may be a patient's.
    """
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        raise Malformed("The body is not JSON.")
    issues = tuple(_issue(one) for one in found[:MOST_ISSUES])
    raise Invalid(issues=issues)


def _issue(found: dict[str, Any]) -> Issue:
    place, *path = (str(one)[:64] for one in found["loc"])
    name = ".".join(path)
    text = str(found["msg"]).removeprefix("Value error, ")
    if not path and found["type"] == "missing":
        text = "A body is needed, as application/json"
    return Issue("error", "invalid", f"{name or place}: {text}. See {OPENAPI}.", name or None)


async def _refused(request: Request, error: Exception) -> Response:
    """Raises what FastAPI refuses by itself as a Problem."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        told = (error.headers or {}).get("Allow", "")
        allowed = tuple(sorted(name.strip() for name in told.split(",")))
        raise MethodNotAllowed(f"{request.method} is not possible here. Possible: {', '.join(allowed)}.", allowed)
    if error.status_code == 404:
        raise NotFound("There is nothing at this address below /api. /api/docs tells what there is.")
    raise Malformed("The body can't be read.")


def _described(made: FastAPI) -> dict[str, Any]:
    """OpenAPI, with the one form that everything has which goes wrong."""
    if made.openapi_schema is None:
        found = get_openapi(
            title=made.title,
            version=made.version,
            description=made.description,
            license_info=made.license_info,
            routes=made.routes,
        )
        schemas = found["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        outcome = shapes.OperationOutcome.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**outcome.pop("$defs"), "OperationOutcome": outcome}
        said = {"application/fhir+json": {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}}
        for path in found["paths"].values():
            for operation in path.values():
                operation["summary"] = operation["operationId"].replace("_", " ").capitalize().replace("ehr", "EHR")
                if operation["responses"].get("422", {}).get("description") == _FASTAPIS:
                    del operation["responses"]["422"]
                for status, answer in operation["responses"].items():
                    if status >= "400":
                        answer["content"] = said
        made.openapi_schema = found
    return made.openapi_schema
