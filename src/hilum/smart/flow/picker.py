"""Choosing the record, and the visit, that an app is to be about: one's own, or one that staff find.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token. What
can be chosen is what the user may read; the words of a search are sent by POST, so that no name stands in a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import structs

from hilum.oauth.errors import OAuthError
from hilum.problems import Invalid, Unprocessable
from hilum.search.typed import asked_for
from hilum.smart import looking, words
from hilum.smart.flow.possible import wants_encounter, wants_patient
from hilum.smart.going import Done
from hilum.smart.people import places, users
from hilum.web.message import Answer, Form

if TYPE_CHECKING:
    from hilum.smart.going import Going
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

MOST: Final = 20
"""Records on a page."""
LAST_VISITS: Final = 10
WITHOUT: Final = "without an encounter"
"""`Flow.step` of one whose user was asked for a visit, and chose none, or had none to choose."""


def picks(site: Site, account: Account) -> str:
    """Whose record the user may choose: `any`, `own`, `none`; the most that a role allows."""
    found = {site.roles[name].picks for name in account.user.roles if name in site.roles}
    return next((one for one in ("any", "own") if one in found), "none")


class Patient:
    """The step of a flow in which the record is chosen, unless the launch said it."""

    name = "patient"

    async def needed(self, site: Site, going: Going, session: Session) -> bool:
        """Where the app wants one, and the user's role has some to choose from."""
        if going.record.patient or not session.user or not wants_patient(going):
            return False
        account = await users.get(site.ledger, session.user)
        return account is not None and picks(site, account) != "none"

    async def show(self, site: Site, going: Going, session: Session, message: str = "") -> Answer | Done:
        """The page; who has one record only is not asked."""
        account = await _account(site, session)
        if picks(site, account) == "any":
            return _search_page(site, going, session, message)
        mine = await own(site, account)
        if len(mine) == 1:
            return Done(structs.replace(going.record, patient=mine[0]["id"]))
        return _own_page(site, going, session, mine, message)

    async def take(self, site: Site, going: Going, session: Session, form: Form) -> Done | Answer:
        """A record, or, for staff, what to look for."""
        account = await _account(site, session)
        anybody = picks(site, account) == "any"
        id = form.get("patient")
        if anybody and not id:
            return await _found_page(site, going, session, account, form.get("q"))
        if id and (anybody or id in account.user.patients) and await looking.read(site, account, "Patient", id):
            return Done(structs.replace(going.record, patient=id))
        if anybody:
            return _search_page(site, going, session, "This record is not there any more. Look for another.", 422)
        return _own_page(site, going, session, await own(site, account), "Choose one of the records.", 422)


class Encounter:
    """The step in which a visit is chosen, or none."""

    name = "encounter"

    async def needed(self, site: Site, going: Going, session: Session) -> bool:
        """Where the app wants one, there is a record, and the user has not been asked."""
        record = going.record
        if not session.user or not record.patient or record.encounter or record.step == WITHOUT:
            return False
        return wants_encounter(going)

    async def show(self, site: Site, going: Going, session: Session, message: str = "") -> Answer | Done:
        """The page; where there are no visits nobody is asked."""
        account = await _account(site, session)
        found = await visits(site, account, going.record.patient)
        if not found:
            return Done(structs.replace(going.record, step=WITHOUT))
        return _page(site, going, session, "encounter.html", message, 422 if message else 200, visits=found)

    async def take(self, site: Site, going: Going, session: Session, form: Form) -> Done | Answer:
        """A visit, or `none`."""
        id = form.get("encounter")
        if id == "none":
            return Done(structs.replace(going.record, step=WITHOUT))
        account = await _account(site, session)
        if id and any(id == known for known, *_ in await visits(site, account, going.record.patient)):
            return Done(structs.replace(going.record, encounter=id))
        return await self.show(site, going, session, "Choose one of the visits, or none of them.")


async def _account(site: Site, session: Session) -> Account:
    """Whose session it is, for steps that come after sign-in. Raises OAuthError when the account is gone."""
    account = await users.get(site.ledger, session.user)
    if account is None:
        raise OAuthError("access_denied", "The user is not known any more.")
    return account


async def own(site: Site, account: Account) -> list[dict[str, Any]]:
    """The records of the user's own that there are."""
    found = [await looking.read(site, account, "Patient", id) for id in account.user.patients]
    return [row(one.body) for one in found if one is not None]


def row(body: dict[str, Any]) -> dict[str, Any]:
    """A Patient as pages show it."""
    return {"id": body["id"], "name": words.name(body) or "No name", "about": words.about(body)}


async def visits(site: Site, account: Account, patient: str) -> list[tuple[str, str, str]]:
    """The last ones of this patient: id, what, when."""
    asked = [("patient", patient), ("_sort", "-date"), ("_count", str(LAST_VISITS))]
    found, _ = await looking.search(site, account, "Encounter", asked)
    return [(one.id, *words.visit(one.body)) for one in found]


class Found(NamedTuple):
    """What a search of staff finds. `message`: why it can't be done; `more`: these are the first ones only."""

    text: str
    rows: list[dict[str, Any]]
    more: bool = False
    message: str = ""


async def records(site: Site, account: Account, text: str) -> Found:
    """The records that fit what staff typed, as pages show them. Raises Busy."""
    text = text.strip()[:200]
    asked = asked_for(text)
    if not asked:
        return Found("", [], message="Enter a name, a date of birth or a number of the record.")
    try:
        asked += [("_sort", "family,given"), ("_count", str(MOST))]
        found, more = await looking.search(site, account, "Patient", asked)
    except Unprocessable:
        return Found(text, [], message="This would find too much. Enter more.")
    except Invalid:
        return Found(text, [], message="This can't be looked for. A date is year-month-day.")
    return Found(text, [row(one.body) for one in found], more)


async def _found_page(site: Site, going: Going, session: Session, account: Account, text: str) -> Answer:
    found = await records(site, account, text)
    if found.message:
        return _search_page(site, going, session, found.message, 422, found.text)
    return _page(
        site, going, session, "find.html", "", 200, q=found.text, rows=found.rows, more=found.more, searched=True
    )


def _search_page(
    site: Site, going: Going, session: Session, message: str = "", status: int = 200, text: str = ""
) -> Answer:
    return _page(site, going, session, "find.html", message, status, q=text, rows=[], more=False, searched=False)


def _own_page(
    site: Site, going: Going, session: Session, rows: list[dict[str, Any]], message: str, status: int = 200
) -> Answer:
    return _page(site, going, session, "own.html", message, status, rows=rows)


def _page(
    site: Site, going: Going, session: Session, template: str, message: str, status: int, **values: Any
) -> Answer:
    step = Encounter.name if template == "encounter.html" else Patient.name
    place = places.in_flow(going, step)
    return site.page(template, status, targets=place.targets, message=message, **values, **place.values(site, session))
