"""The pages on which people open apps: staff on the record of a patient that they find, patients on their own.

https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch. What is opened is chosen here and
not by the app; no name and no word of a search stands in a URL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hilum.problems import Invalid, NotFound
from hilum.smart import looking
from hilum.smart.flow import picker
from hilum.smart.flow.picker import Found
from hilum.smart.launch import fhircontext, launching, tasks
from hilum.smart.launch.launching import App, Wanted
from hilum.smart.people import sessions
from hilum.smart.people.visitor import LAUNCH, Visitor, visitor
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

PATH: Final = LAUNCH
NOTHING: Final = Found("", [])


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /launch: whose record, and what is suggested. Who has one record only is on its page at once."""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    mine = await _mine(site, who)
    if len(mine) == 1 and picker.picks(site, who.account) == "own":
        return see_other(f"{PATH}/{mine[0]['id']}")
    return await _overview(site, who, mine)


async def record(site: Site, asked: Asked, patient: str) -> Answer:
    """GET /launch/{patient}: what can be opened on this record. Raises NotFound."""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    return await _record(site, who, patient)


async def launch(site: Site, asked: Asked) -> Answer:
    """POST /launch: a suggestion is started (`task`), an app opened (`app`), or a record looked for (`q`)."""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    form = asked.form
    try:
        if "task" in form:
            return see_other(await tasks.start(site, who.account, form.get("task")))
        if "app" in form:
            return see_other(await _launched(site, who, form))
    except Invalid as problem:
        if form.get("patient"):
            return await _record(site, who, form.get("patient"), str(problem), form)
        return await _overview(site, who, await _mine(site, who), message=str(problem))
    if picker.picks(site, who.account) != "any":
        return see_other(PATH)
    found = await picker.records(site, who.account, form.get("q"))
    return await _overview(site, who, [], found, found.message)


async def _launched(site: Site, who: Visitor, form: Form) -> str:
    wanted = Wanted(
        patient=form.get("patient"),
        encounter=form.get("encounter"),
        intent=form.get("intent"),
        also=fhircontext.written(form.get("also")),
    )
    if wanted.patient and not _open(site, who, wanted.patient):
        raise Invalid("This record is not open to you.")
    return await launching.launch(site, who.account, await launching.chosen(site, form.get("app")), wanted)


def _open(site: Site, who: Visitor, patient: str) -> bool:
    """Whether the user's role has this record to choose; whether it may be read is judged where it is."""
    picks = picker.picks(site, who.account)
    return picks == "any" or (picks == "own" and patient in who.account.user.patients)


async def _mine(site: Site, who: Visitor) -> list[dict[str, Any]]:
    return await picker.own(site, who.account) if picker.picks(site, who.account) == "own" else []


async def _overview(
    site: Site, who: Visitor, mine: Sequence[dict[str, Any]], found: Found = NOTHING, message: str = ""
) -> Answer:
    apps = await launching.apps(site)
    picks = picker.picks(site, who.account)
    return _page(
        site, who, "launch-find.html", apps, message,
        picks=picks,
        mine=mine,
        q=found.text,
        rows=found.rows,
        more=found.more,
        searched=bool(found.text) and not found.message,
        suggestions=await tasks.suggested(site, who.account, apps, [one["id"] for one in mine]),
        without=[app for app in apps if app.ehr] if picks == "any" else [],
    )  # fmt: skip


async def _record(site: Site, who: Visitor, patient: str, message: str = "", form: Form | None = None) -> Answer:
    known = await looking.read(site, who.account, "Patient", patient) if _open(site, who, patient) else None
    if known is None:
        raise NotFound("There is no such record, or it is not open to you.")
    apps = await launching.apps(site)
    sent = form or Form()
    return _page(
        site, who, "launch-record.html", apps, message,
        picks=picker.picks(site, who.account),
        patient=picker.row(known.body),
        visits=await picker.visits(site, who.account, patient),
        suggestions=await tasks.suggested(site, who.account, apps, [patient]),
        openable=[app for app in apps if app.ehr],
        encounter=sent.get("encounter"),
        intent=sent.get("intent"),
        also=sent.get("also"),
    )  # fmt: skip


def _page(site: Site, who: Visitor, template: str, apps: Iterable[App], message: str, **values: Any) -> Answer:
    targets = dict.fromkeys(to for app in apps for to in app.targets)
    status = 422 if message else 200
    csrf = sessions.csrf(site, who.session, PATH)
    return who.page(site, template, status, targets=tuple(targets), message=message, action=PATH, csrf=csrf, **values)


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("POST", PATH, launch),
    Route("GET", f"{PATH}/{{patient}}", record),
)
