"""The API below `/api/v1` as a whole: the routes of all rooms, in one application. FastAPI is imported by this."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from hilum.api.application import Room
from hilum.api.application import application as composed
from hilum.broker.api import gathers, registry
from hilum.broker.api.broker import Broker
from hilum.devices.api import routes as devices
from hilum.devices.registry import Registry
from hilum.video.api import routes as videos
from hilum.video.api.filming import Filming

_TEXT: Final = """Gather a patient's resources from an EHR that hilum signs in to, keep them, and deliver what a recipe
makes of them to a service; or make a video of them that the patient understands.

1. `GET /api/v1/ehrs`, `/recipes`, `/destinations`, `/templates`: what there is to choose from.
2. `POST /api/v1/gather`, `POST /api/v1/videos`: an order; it is answered at once, and executed whatever happens.
3. `GET /api/v1/gather/{id}/events`, `/videos/{id}/events`: what becomes of it, as it happens; or `GET` of the order
   itself, now and then.
4. `PUT /api/v1/videos/{id}/script`, `POST .../approve`, `POST .../links`: a clinician's part, before a patient sees it.
5. `GET /api/v1/devices`, `/devices/agents`, `/devices/held`: what pushes readings, whose they are, and what waits.

Every request needs one of hilum's own access tokens; this page needs none, and shows no data. What goes wrong is told
by an OperationOutcome, as below `/fhir`."""


def application(
    broker: Broker | None = None, filming: Filming | None = None, registry_of_devices: Registry | None = None
) -> FastAPI:
    """The routes over these; without them they only describe themselves."""
    environment = "" if broker is None else f" ({broker.connections.environment})"
    rooms = (
        Room("broker", (gathers.router, registry.router), broker),
        Room("filming", (videos.router, videos.templates), filming),
        Room("devices", (devices.router,), registry_of_devices),
    )
    return composed(f"hilum{environment}: API", _TEXT, rooms)
