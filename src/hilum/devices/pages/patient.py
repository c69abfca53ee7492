"""A patient's readings: a chart and a table for each kind, and the devices with their last contact."""

from __future__ import annotations

import re
from typing import Final

from hilum.devices import allowed
from hilum.devices.pages.chart import chart
from hilum.devices.pages.desk import PATH, Desk
from hilum.devices.pages.readings import readings
from hilum.fhir.naming import about, name
from hilum.problems import Invalid, NotFound
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

MOST: Final = 500
"""Readings of one page."""
_INSTANT: Final = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?)?)?", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


async def patient(desk: Desk, asked: Asked, id: str) -> Answer:
    """GET /devices/patients/{id}. Raises NotFound: there is none, or none that this person may see; Busy."""
    here = await desk.people.visitor(asked)
    if isinstance(here, Answer):
        return here
    before = asked.query.get("before")
    if before and not _INSTANT.fullmatch(before):
        raise Invalid("The time before which readings are shown is not an instant.")
    found = await desk.found(here, "Patient", [("_id", id)]) if _ID.fullmatch(id) else None
    if found is None or not found.resources:
        raise NotFound("There is no such patient, or none that you may see.")
    whose = found.resources[0].body
    wanted = [("patient", f"Patient/{id}"), ("device:missing", "false"), ("_sort", "-date"), ("_count", str(MOST))]
    if before:
        wanted.append(("date", f"lt{before}"))
    page = await desk.found(here, "Observation", wanted)
    told = readings(one.body for one in page.resources)
    last = page.resources[-1].body if page.resources and page.next is not None else {}
    return desk.page(
        "patient.html",
        nav=here.nav,
        id=id,
        name=name(whose) or "No name",
        about=about(whose),
        kinds=[(one, chart(one)) for one in told.series],
        tests=told.tests,
        earlier=str(last.get("effectiveDateTime") or last.get("effectivePeriod", {}).get("start", "")),
        before=before,
        devices=sorted(await desk.registry.of_patient(id), key=lambda one: (-one.device.seen, one.id)),
        staff=allowed.sees(here.who),
    )


ROUTES: Final = (Route("GET", f"{PATH}/patients/{{id}}", patient),)
