"""An authorization on its way through the browser: the steps that are still needed, one page each, then the app.

https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.oauth import requesting, scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import FLOW, FRESH, LAUNCH, Flow, Launch, Put, digest, read, write
from hilum.problems import Forbidden, NotFound
from hilum.smart.apps import clients
from hilum.smart.flow.possible import consent_needed, possible
from hilum.smart.going import Allowed, Going, Step
from hilum.smart.people import sessions, users
from hilum.smart.site import FLOW_SECONDS, unknown
from hilum.smart.tokens import granted
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.people.sessions import Session
    from hilum.smart.site import Site

CANCEL: Final = "cancel"
GONE: Final = "This page is too old, or was opened in another browser. Go back to the app and start again."
OF_OTHERS: Final = "This app was started for somebody else. Sign out, or start the app again from the record."


async def show(site: Site, asked: Asked, id: str) -> Answer:
    """GET /auth/flow/{id}: the page of the first step that is needed, or the way back to the app. Raises NotFound."""
    going, session = await _going(site, asked, id)
    try:
        return _with(await _next(site, going, session), session)
    except OAuthError as problem:
        return _with(await _refused(site, going, session, problem), session)


async def take(site: Site, asked: Asked, id: str, step: str) -> Answer:
    """POST /auth/flow/{id}/{step}: what a page sent. Raises NotFound, Forbidden when the form is not ours."""
    going, session = await _going(site, asked, id)
    sessions.check(site, session, asked)
    try:
        if step == CANCEL:
            raise OAuthError("access_denied", "The user did not allow it.")
        current = await _current(site, going, session)
        if current is None or current.name != step:  # sent twice, or from a page of before
            return _with(see_other(going.path), session)
        taken = await current.take(site, going, session, asked.form)
        if isinstance(taken, Answer):
            return taken
        if isinstance(taken, Allowed):
            return _with(await _allowed(site, going, session, taken.granted), session)
        await _kept(site, going, taken.record)
        return see_other(going.path, taken.headers)
    except OAuthError as problem:
        return _with(await _refused(site, going, session, problem), session)


async def _going(site: Site, asked: Asked, id: str) -> tuple[Going, Session]:
    """The flow and the browser, which are one another's. Raises NotFound."""
    row = await site.ledger.get(FLOW, digest(id))
    if row is None or row.state != FRESH:
        raise NotFound(GONE)
    record = read(row, Flow)
    session = await sessions.opened(site, asked)
    client_id = row.peer.decode()
    client = await clients.active(site.ledger, client_id)
    if client is None:
        raise NotFound("The app that asked is not known here any more.")
    launched: dict[str, Any] = {}
    if record.launch:
        launch = await site.ledger.get(LAUNCH, record.launch)
        if launch is None or launch.state != FRESH:
            raise NotFound("The launch was used, or its time is over. Start the app again from the record.")
        launched = read(launch, Launch).context
    going = Going(id, record, row.version, client_id, client, asked, launched)
    if not record.pre:
        record = structs.replace(record, pre=session.key, first=session.key)
        await _kept(site, going, record)
        going = replace(going, record=record, version=going.version + 1)
    elif record.pre != session.key:
        raise NotFound(GONE)
    if record.user and session.user not in ("", record.user):
        raise Forbidden(OF_OTHERS)
    return going, session


async def _kept(site: Site, going: Going, record: Flow) -> None:
    """Keep another value of the flow. Raises NotFound when it was changed by another window meanwhile."""
    expires = (record.started + FLOW_SECONDS) * 1_000_000
    put = Put(FLOW, digest(going.id), write(record), expires=expires, peer=going.client_id.encode())
    if not await site.ledger.replace(put, going.version):
        raise NotFound(GONE)


async def _current(site: Site, going: Going, session: Session) -> Step | None:
    """The first step that is needed."""
    for step in site.steps:
        if await step.needed(site, going, session):
            return step
    return None


async def _next(site: Site, going: Going, session: Session) -> Answer:
    step = await _current(site, going, session)
    if step is not None:
        if "none" in going.record.request.get("prompt", "").split():
            raise OAuthError(_UNASKED.get(step.name, "interaction_required"), "This takes a page, and prompt is none.")
        shown = await step.show(site, going, session)
        if isinstance(shown, Answer):
            return shown
        await _kept(site, going, shown.record)
        return see_other(going.path, shown.headers)
    account = await users.get(site.ledger, session.user) if session.user else None
    if account is None or consent_needed(going, account.user):  # no step has asked: then nobody has allowed it
        raise OAuthError("access_denied", "Nobody has allowed it.")
    return await _allowed(site, going, session, possible(site, going, account.user))


_UNASKED: Final = {"sign-in": "login_required", "second": "login_required", "consent": "consent_required"}
"""https://openid.net/specs/openid-connect-core-1_0.html#AuthError"""


async def _allowed(site: Site, going: Going, session: Session, allowed: scopes.Asked) -> Answer:
    """Back to the app, with a code."""
    account = await users.get(site.ledger, session.user) if session.user else None
    if account is None or account.user.disabled:
        raise OAuthError("access_denied", "The user may not sign in.")
    if not allowed.resources and not allowed.flags & _WORTH:
        raise OAuthError("invalid_scope", "Nothing of what is asked for can be granted to this app and this user.")
    code = await granted.grant(site, going, session, allowed)
    about = {"scope": scopes.text(allowed), "patient": going.record.patient}
    await site.trail.certain(unknown(going.client_id, session.user), "authorize", 200, about)
    return _back(site, going, {"code": code})


_WORTH: Final = frozenset(("openid",))
"""What is worth a token beside resources."""


async def _refused(site: Site, going: Going, session: Session, problem: OAuthError) -> Answer:
    """Back to the app, with an error; the flow is over."""
    await site.ledger.take(FLOW, digest(going.id))
    about = {"error": problem.error}
    await site.trail.certain(unknown(going.client_id, session.user), "authorize-denied", 400, about)
    return _back(site, going, problem.fields())


def _back(site: Site, going: Going, answer: Mapping[str, str]) -> Answer:
    request = going.record.request
    url = requesting.location(request["redirect_uri"], answer, request.get("state"), site.settings.origin)
    return see_other(url)


def _with(answer: Answer, session: Session) -> Answer:
    """With the cookie, where the browser has none yet and the page did not set it."""
    if session.headers and not any(name == b"set-cookie" for name, _ in answer.headers):
        answer.headers += session.headers
    return answer


ROUTES: Final = (
    Route("GET", "/auth/flow/{id}", show),
    Route("POST", "/auth/flow/{id}/{step}", take),
)
