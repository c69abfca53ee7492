"""EHR launch: an app is opened from here, and told what for by an opaque value that it hands back as it asks.

https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch. A launch is one user's and one app's, is
good for five minutes and once; only a digest of the value is kept.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hilum.oauth import redirects
from hilum.oauth.ledger import LAUNCH, Client, Launch, Put, digest, write
from hilum.problems import Invalid
from hilum.smart import looking
from hilum.smart.apps import clients, style
from hilum.smart.launch import fhircontext
from hilum.smart.people import places
from hilum.smart.site import unknown

if TYPE_CHECKING:
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site, SiteSettings

SECONDS: Final = 300
LONGEST_INTENT: Final = 200
_SCOPE: Final = "launch"


class App(NamedTuple):
    """A place where a registered app can be opened."""

    id: str
    client: Client
    url: str

    @property
    def key(self) -> str:
        """Its name in a form."""
        return f"{self.id} {self.url}"

    @property
    def ehr(self) -> bool:
        """Whether it may be opened from here: it may ask people, and take what it was opened for."""
        return clients.CODE in self.client.grants and _SCOPE in clients.registered_scopes(self.client).flags

    @property
    def targets(self) -> tuple[str, ...]:
        """Where a form that opens it may lead (see `message.page`): to the app, and from there to its redirects."""
        return tuple(dict.fromkeys(to for uri in (self.url, *self.client.redirects) for to in places.targets(uri)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an app is opened for. `also`: `fhirContext`; `task`: the id of the Task that asks for it."""

    patient: str = ""
    encounter: str = ""
    intent: str = ""
    also: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    app_context: str = ""
    task: str = ""


async def apps(site: Site) -> list[App]:
    """All launch URLs of apps that are registered and not shut out, by name."""
    found = [
        App(one.id, one.client, url)
        async for one in clients.every(site.ledger)
        if not one.revoked and not one.client.disabled
        for url in one.client.launches
    ]
    return sorted(found, key=lambda app: (app.client.name.casefold(), app.id, app.url))


async def chosen(site: Site, key: str) -> App:
    """The app that a form names, which may be opened from here. Raises Invalid."""
    for app in await apps(site):
        if app.key == key and app.ehr:
            return app
    raise Invalid("This app can't be opened from here any more.")


async def launch(site: Site, account: Account, app: App, wanted: Wanted) -> str:
    """Make the launch; where to send the browser. Raises Invalid naming what can't be opened, Busy.

    Patient and encounter must be such that the user may read them, and the encounter one of the patient's.
    """
    context = {**await _context(site, account, wanted), **surroundings(site.settings)}
    text = secrets.token_urlsafe(32)
    record = Launch(account.id, app.id, context, wanted.task)
    ends = site.now + SECONDS * 1_000_000
    put = Put(LAUNCH, digest(text), write(record), ends, owner=account.key, peer=app.id.encode())
    await site.ledger.add(put)
    named = (("patient", wanted.patient), ("encounter", wanted.encounter), ("task", wanted.task))
    await site.trail.certain(unknown(app.id, account.id), "launch", 200, {name: id for name, id in named if id})
    return redirects.answer(app.url, {"iss": site.settings.base, "launch": text})


def surroundings(settings: SiteSettings) -> dict[str, Any]:
    """What every launch from here tells an app of where it is: its page has no patient's name around it."""
    return {"need_patient_banner": True, "smart_style_url": style.url(settings), "tenant": tenant(settings)}


def tenant(settings: SiteSettings) -> str:
    """The healthcare organization, opaque; the same as long as the address of the server is."""
    return settings.tenant or str(uuid.uuid5(uuid.NAMESPACE_URL, settings.base))


async def _context(site: Site, account: Account, wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if wanted.patient:
        if await looking.read(site, account, "Patient", wanted.patient) is None:
            raise Invalid("This record is not there, or it is not open to you.")
        found["patient"] = wanted.patient
    if wanted.encounter:
        visit = await looking.read(site, account, "Encounter", wanted.encounter)
        if visit is None:
            raise Invalid("This visit is not there, or it is not open to you.")
        if wanted.patient and visit.body.get("subject", {}).get("reference") != f"Patient/{wanted.patient}":
            raise Invalid("This visit is not one of this patient.")
        found["encounter"] = wanted.encounter
    if wanted.intent:
        if len(wanted.intent) > LONGEST_INTENT or not wanted.intent.isprintable():
            raise Invalid(f"An intent is a text of {LONGEST_INTENT} characters at most, on one line.")
        found["intent"] = wanted.intent
    if wanted.also:
        found["fhirContext"] = list(fhircontext.judged(wanted.also))
    if wanted.app_context:
        found["appContext"] = wanted.app_context
    return found
