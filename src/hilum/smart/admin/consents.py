"""What people allowed apps: found by patient, app or person, and ended at once. A look is one at their Consents."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import json

from hilum.interactions import granting
from hilum.oauth import scopes
from hilum.oauth.ledger import FRESH, GRANT, Grant, Row, read
from hilum.problems import Invalid, NotFound
from hilum.smart import looking
from hilum.smart.admin import lists
from hilum.smart.admin.gate import REACH, Admin, admin
from hilum.smart.apps import clients
from hilum.smart.flow import mine
from hilum.smart.people import users
from hilum.smart.tokens import granted
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.fhir.resource import Resource
    from hilum.smart.site import Site

NAME: Final = "consents"
PATH: Final = "/admin/consents"
STATES: Final = {"": "That hold", "ended": "That ended", "all": "All"}
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Filter(NamedTuple):
    """What is looked for. `user`: its name; `state`: of STATES."""

    patient: str = ""
    app: str = ""
    user: str = ""
    state: str = ""


def filter_of(form: Form) -> Filter:
    """Raises Invalid naming what can't be looked for."""
    patient = form.get("patient").strip().removeprefix("Patient/")
    if patient and not _ID.fullmatch(patient):
        raise Invalid("A patient is looked for by the id of its Patient: 1 to 64 letters, digits, '-' and '.'.")
    state = form.get("state")
    return Filter(patient, form.get("app").strip(), form.get("user").strip(), state if state in STATES else "")


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/consents"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    wanted, message = Filter(), ""
    rows: list[dict[str, Any]] = []
    more = False
    try:
        wanted = filter_of(asked.query)
        after = asked.query.get("after")
        found, more = await lists.page(_grants(site, who, wanted, _key(after)))
        rows = await _shown(site, who, found)
    except Invalid as problem:
        message = str(problem)
    return who.page(
        "admin-consents.html", 422 if message else 200, rows=rows, more=more, wanted=wanted, states=STATES,
        message=message, done=_done(asked),
    )  # fmt: skip


def _done(asked: Asked) -> str:
    return "Ended. The app can get nothing more by it." if "ended" in asked.query else ""


def _key(id: str) -> bytes:
    """Raises Invalid."""
    if not id:
        return b""
    if not _UUID.fullmatch(id):
        raise Invalid("There is no such place in the list.")
    return granted.key_of(id)


async def _grants(site: Site, who: Admin, wanted: Filter, after: bytes) -> AsyncIterator[Row]:
    """The grants that fit, the oldest first. Raises Invalid: there is no such person."""
    owner = b""
    if wanted.user:
        account = await users.find(site.ledger, wanted.user)
        if account is None:
            raise Invalid(f"There is nobody with the user name {wanted.user[:64]!r}.")
        owner = account.key
    if wanted.patient and not (owner or wanted.app):
        rows = _of_patient(site, who, wanted.patient, after)
    else:
        rows = _listed(site, owner, wanted.app.encode(), after)
    async for row in rows:
        grant = read(row, Grant)
        if wanted.state != "all" and _holds(site, row, grant) is (wanted.state == "ended"):
            continue
        if wanted.app in ("", grant.client) and wanted.patient in ("", grant.patient):
            yield row


def _holds(site: Site, row: Row, grant: Grant) -> bool:
    return row.state == FRESH and mine.lives(site, grant)


async def _listed(site: Site, owner: bytes, peer: bytes, after: bytes) -> AsyncIterator[Row]:
    while rows := await site.ledger.of(GRANT, owner=owner, peer=peer, after=after):
        for row in rows:
            yield row
        after = rows[-1].key


async def _of_patient(site: Site, who: Admin, patient: str, after: bytes) -> AsyncIterator[Row]:
    """By the Consents of the record, whose ids are those of the grants."""
    pairs = [("identifier", f"{granting.SYSTEM}|"), ("patient", f"Patient/{patient}"), ("_count", "1000")]
    found, _ = await looking.search(site, who.visitor.account, "Consent", pairs, REACH)
    for id in sorted(one.id for one in found if _UUID.fullmatch(one.id)):
        if (key := granted.key_of(id)) > after and (row := await site.ledger.get(GRANT, key)) is not None:
            yield row


async def _shown(site: Site, who: Admin, rows: list[Row]) -> list[dict[str, Any]]:
    """The rows of the page. Their Consents are looked up by the user, so that the audit says whose they were."""
    if not rows:
        return []
    ids = ",".join(granted.id_of(row.key) for row in rows)
    pairs = [("_id", ids), ("_count", str(len(rows)))]
    found, _ = await looking.search(site, who.visitor.account, "Consent", pairs, REACH)
    known = {one.id: one for one in found}
    return [await _row(site, row, known.get(granted.id_of(row.key))) for row in rows]


async def _row(site: Site, row: Row, consent: Resource | None) -> dict[str, Any]:
    grant = read(row, Grant)
    client = await clients.get(site.ledger, grant.client)
    account = await users.get(site.ledger, grant.user)
    return {
        "id": granted.id_of(row.key),
        "client": grant.client,
        "app": client.client.name if client is not None else grant.client,
        "logo": client.client.logo if client is not None else "",
        "user": account.user.name if account is not None else grant.user,
        "user_id": grant.user if account is not None else "",
        "person": account.user.display if account is not None else "",
        "patient": grant.patient,
        "since": _day(grant.created),
        "used": _day(grant.used),
        "lasting": "also when nobody is there" if grant.offline else "while signed in" if grant.session else "an hour",
        "holds": _holds(site, row, grant),
        "status": consent.body.get("status", "") if consent is not None else "",
    }


async def show(site: Site, asked: Asked, id: str) -> Answer:
    """GET /admin/consents/{id}"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    row = await _found(site, id)
    consent = await looking.read(site, who.visitor.account, "Consent", id, REACH)
    grant = read(row, Grant)
    path = f"{PATH}/{id}/revoke"
    return who.page(
        "admin-consent.html",
        one=await _row(site, row, consent),
        scopes=grant.scopes,
        what=mine.in_words(scopes.parse(grant.scopes)),
        body=json.format(json.encode(consent.body), indent=2).decode() if consent is not None else "",
        action=path,
        csrf=who.csrf(path),
    )


async def revoke(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/consents/{id}/revoke: it ends now."""
    who = await admin(site, asked, NAME, back=f"{PATH}/{id}")
    if isinstance(who, Answer):
        return who
    row = await _found(site, id)
    if row.state == FRESH:
        await who.tell("revoke", {"grant": id, "client": row.peer.decode(), "by": "administrator"})
        await granted.end(site, id, "an administrator ended it")
    return see_other(f"{PATH}?ended=1")


async def _found(site: Site, id: str) -> Row:
    """Raises NotFound."""
    row = await site.ledger.get(GRANT, granted.key_of(id)) if _UUID.fullmatch(id) else None
    if row is None:
        raise NotFound("There is no such consent.")
    return row


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d") if seconds else ""


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", f"{PATH}/{{id}}", show),
    Route("POST", f"{PATH}/{{id}}/revoke", revoke),
)
