"""Tasks that ask for an app to be opened, as decision support and colleagues write them.

https://hl7.org/fhir/smart-app-launch/task-launch.html. Who starts one sets it to in-progress. A button is only where
the URL is one that an app here is registered for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hilum.fhir.resource import Resource
from hilum.fhirpath.references import local
from hilum.interactions import granting
from hilum.interactions.update import update
from hilum.problems import Invalid, PreconditionFailed
from hilum.smart import looking, words
from hilum.smart.launch import launching
from hilum.smart.launch.launching import App, Wanted
from hilum.smart.site import unknown

if TYPE_CHECKING:
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

SYSTEM: Final = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"
EHR: Final = "launch-app-ehr"
STANDALONE: Final = "launch-app-standalone"
CODES: Final = (EHR, STANDALONE)
OPEN: Final = ("requested", "received", "accepted", "ready", "in-progress")
"""https://hl7.org/fhir/R4/valueset-task-status.html: what can be started, or gone on with."""
STARTED: Final = "in-progress"
MOST: Final = 20


class Suggestion(NamedTuple):
    """A Task in the words of a page. `app`: None where there can be no button, and `why` says why."""

    id: str
    version: int
    code: str
    url: str
    title: str
    wanted: Wanted
    started: bool
    owner: str
    app: App | None = None
    why: str = ""


async def suggested(site: Site, account: Account, apps: Sequence[App], patients: Sequence[str]) -> list[Suggestion]:
    """Those on these patients that are not somebody else's, and the user's own. Raises Busy."""
    owner = account.user.fhir_user
    asked = [("patient", ",".join(patients))] if patients else []
    asked += [("owner", owner)] if owner else []
    found: dict[str, Suggestion] = {}
    for one in asked:
        codes = ",".join(f"{SYSTEM}|{code}" for code in CODES)
        pairs = [one, ("code", codes), ("status", ",".join(OPEN)), ("_count", str(MOST))]
        for task in (await looking.search(site, account, "Task", pairs))[0]:
            found.setdefault(task.id, _suggestion(task, apps))
    return [one for one in found.values() if one.owner in ("", owner)]


async def start(site: Site, account: Account, id: str) -> str:
    """Start it; where to send the browser. Raises Invalid where it can't be started (any more), Busy."""
    task = await looking.read(site, account, "Task", id)
    one = None if task is None else _suggestion(task, await launching.apps(site))
    mine = one is not None and one.owner in ("", account.user.fhir_user)
    if task is None or one is None or one.code not in CODES or task.body.get("status") not in OPEN or not mine:
        raise Invalid("This suggestion is not open any more.")
    if one.app is None:
        raise Invalid(one.why)
    url = one.url
    if one.code == EHR:
        url = await launching.launch(site, account, one.app, one.wanted)
    else:
        await site.trail.certain(unknown(one.app.id, account.id), "launch", 200, {"task": id})
    if not one.started:
        try:
            await _started(site, account, task)
        except PreconditionFailed:
            raise Invalid("This suggestion was changed at the same moment. Look at it again.") from None
    return url


async def _started(site: Site, account: Account, task: Resource) -> None:
    """Set the status, and nothing else: hilum does it for the user, who may see the Task."""
    who = granting.server(account.id)
    body = task.body | {"status": STARTED}
    await update(site.door, who, "Task", task.id, body, f'W/"{task.version}"')


def _suggestion(task: Resource, apps: Sequence[App]) -> Suggestion:
    body = task.body
    codes = [one.get("code") for one in body.get("code", {}).get("coding", []) if one.get("system") == SYSTEM]
    code = next((str(one) for one in codes if one in CODES), "")
    urls, contexts = _inputs(body, "smartonfhir-application", "valueUrl"), _inputs(body, "smartonfhir-appcontext")
    url = urls[0] if len(urls) == 1 else ""
    patient, encounter = _target(body, "for", "Patient"), _target(body, "encounter", "Encounter")
    one = Suggestion(
        id=task.id,
        version=task.version,
        code=code,
        url=url,
        title=str(body.get("description") or words.concept(body.get("code", {})) or "Open an app"),
        wanted=Wanted(patient or "", encounter or "", app_context=contexts[0] if contexts else "", task=task.id),
        started=body.get("status") == STARTED,
        owner=str(body.get("owner", {}).get("reference", "")),
    )
    if not url or len(contexts) > 1:
        return one._replace(why="It does not say which app, as the profile of such a Task has it.")
    if code == EHR and (patient is None or encounter is None):
        return one._replace(why="Its patient or visit is not one of this server.")
    for app in apps:
        if app.url == url and (code == STANDALONE or app.ehr):
            return one._replace(app=app)
    return one._replace(why="No app is registered here with this address.")


def _inputs(body: dict[str, Any], code: str, name: str = "valueString") -> list[str]:
    """The values of the inputs of this type."""
    coding = {"system": SYSTEM, "code": code}.items()
    return [
        str(one[name])
        for one in body.get("input", [])
        if name in one and any(coding <= given.items() for given in one.get("type", {}).get("coding", []))
    ]


def _target(body: dict[str, Any], name: str, type: str) -> str | None:
    """The id that the element refers to; "" where there is none, None where it is no such resource of this server."""
    if name not in body:
        return ""
    found = local(str(body[name].get("reference", "")))
    return found[1] if found is not None and found[0] == type else None
