"""Searches as a vendor answers them: what they need, how many come at once, what is said beside the results.

https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import uuid4

import msgspec

from hilum.sandbox.answers import Bundle, Entry, Link, bundle, note, refusal, translated, written
from hilum.sandbox.asked import Asked
from hilum.sandbox.exchange import FHIR_JSON, Reply
from hilum.sandbox.paging import Pages, size
from hilum.sandbox.profile import ANY, Paging, Profile
from hilum.sandbox.tokens import of_patient, who
from hilum.web import uri

Put = Callable[[str, str], Awaitable[Reply]]
"""Gives hilum a search: a type and a query."""

_OURS: Final = frozenset(("_count", "_total", "_format", "_pretty"))
_NARROW: Final = frozenset(("_id", "category", "code"))


class _Named(msgspec.Struct):
    resourceType: str
    id: str = ""


def references(patients: frozenset[str]) -> tuple[bytes, ...]:
    """What stands in a resource that is about one of these."""
    return tuple(b'"Patient/%b"' % id.encode() for id in sorted(patients))


class Searching:
    """The searches of one vendor. `base`: its FHIR base; `restricted`: ids of Patients behind the glass."""

    def __init__(self, profile: Profile, paging: Paging, base: str, restricted: frozenset[str]) -> None:
        self._profile, self._paging, self._base, self._restricted = profile, paging, base, restricted
        self._marks = references(restricted)
        self._pages = Pages(paging)

    def refused(self, asked: Asked) -> str:
        """The issue that a search is refused with before anything is looked for; "" for none."""
        for needs in self._profile.needs:
            if asked.type in needs.types and not asked.names & needs.one_of:
                return needs.issue
        return "sealed-visit" if asked.patients & self._restricted else ""

    async def first(self, asked: Asked, claims: Mapping[str, Any], put: Put) -> Reply:
        """The first page."""
        pairs = [pair for pair in asked.parameters if pair[0] not in _OURS]
        count = size(self._paging, asked)
        counting = asked.type == "Patient" and bool(self._profile.most_patients)
        pairs += [("_count", str(count)), ("_total", "accurate" if counting else "none")]
        whole: list[Entry] = []
        if self._paging.first_whole and asked.type == "Observation" and not asked.names & _NARROW:
            category = self._paging.first_whole
            kept = [*pairs[:-2], ("category", category), ("_count", str(self._paging.sizes[ANY]))]
            reply = await put(asked.type, uri.encode(kept))
            if reply.status != 200:
                return translated(self._profile, reply)
            whole = bundle(reply).entry
            pairs.insert(0, ("category:not", category))
        reply = await put(asked.type, uri.encode(pairs))
        if reply.status != 200:
            return translated(self._profile, reply)
        found = bundle(reply)
        if counting and (found.total or 0) > self._profile.most_patients:
            return refusal(self._profile, "too-many")
        found.entry = [*whole, *found.entry]
        return reply.with_body(self._shaped(asked, claims, found), FHIR_JSON)

    async def another(self, asked: Asked, claims: Mapping[str, Any], put: Put) -> Reply:
        """A further page. It is looked for anew: with the token that asks for it."""
        page = self._pages.find(asked.page, asked.type, who(claims))
        if page is None:
            return refusal(self._profile, "page-gone")
        reply = await put(page.type, page.query)
        if reply.status != 200:
            return translated(self._profile, reply)
        return reply.with_body(self._shaped(asked, claims, bundle(reply)), FHIR_JSON)

    def _shaped(self, asked: Asked, claims: Mapping[str, Any], found: Bundle) -> bytes:
        """The Bundle as this vendor writes it."""
        profile = self._profile
        entries = [one for one in found.entry if one.search.get("mode") != "outcome"]
        passed_over = len(entries) < len(found.entry)
        shown = [one for one in entries if not self._sealed(one)]
        matches = sum(one.is_match for one in shown)
        notes = [
            name
            for name, is_so in (
                (profile.empty, not matches),
                (profile.partial, of_patient(claims)),
                ("unknown-parameter", passed_over and asked.type in profile.told_unknown),
                ("sealed-match", len(shown) < len(entries)),
            )
            if name and is_so
        ]
        if notes:
            shown.append(note(profile, notes))
        following = next((one.url for one in found.link if one.relation == "next"), "")
        links = [Link("self", f"{self._base}/{asked.type}?{uri.encode(list(asked.parameters))}")]
        if following:
            name = self._pages.keep(asked.type, following.partition("?")[2], who(claims))
            links.append(Link("next", self._pages.link(self._base, asked, name)))
        total = matches if self._paging.total == "page" else None
        id = "" if self._paging.style == "sessionID" else str(uuid4())
        return written(Bundle("Bundle", "searchset", id, total, links, shown))

    def _sealed(self, entry: Entry) -> bool:
        """Whether it is a restricted Patient, or of one's record."""
        if not self._restricted:
            return False
        raw = bytes(entry.resource)
        if any(mark in raw for mark in self._marks):
            return True
        found = msgspec.json.decode(raw, type=_Named)
        return found.resourceType == "Patient" and found.id in self._restricted
