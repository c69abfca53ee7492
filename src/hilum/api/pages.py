"""The page that teaches the API: Swagger UI over `/api/openapi.json`, all of it served from here.

It is open, as /fhir/metadata is: it tells how to ask, and nothing of what is there. https://github.com/swagger-api/swagger-ui
(Apache-2.0), as the package fastapi-offline has it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from hilum.problems import NotFound
from hilum.web.headers import security

router: Final = APIRouter(prefix="/api/docs", include_in_schema=False)
_HEADERS: Final = {name.decode(): value.decode() for name, value in security(images="'self' data:")}
"""Swagger UI's stylesheet has its arrows within it."""
_FILES: Final = {
    "swagger-ui.css": ("fastapi_offline", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("fastapi_offline", "text/javascript; charset=utf-8"),
    "start.js": ("hilum.api", "text/javascript; charset=utf-8"),
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hilum: API</title>
<link rel="icon" href="/static/icon.svg">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""


@router.get("")
async def page() -> Response:
    """The page itself."""
    return Response(_PAGE, headers={"cache-control": "no-cache", **_HEADERS}, media_type="text/html; charset=utf-8")


@router.get("/{name}")
async def file(request: Request, name: str) -> Response:
    """What it is shown with."""
    if name not in _FILES:
        raise NotFound(f"There is nothing at {'/api/docs/' + name[:64]!r}.")
    content, tag = _content(name)
    headers = {"cache-control": "no-cache", "etag": tag, **_HEADERS}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_FILES[name][1])


@cache
def _content(name: str) -> tuple[bytes, str]:
    content = files(_FILES[name][0]).joinpath("static", name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
