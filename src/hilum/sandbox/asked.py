"""A request as a vendor's FHIR server sees it: which interaction, of what. https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hilum.fhir import definitions
from hilum.problems import Problem
from hilum.sandbox.profile import Profile
from hilum.web import uri
from hilum.web.fields import Header

Interaction = Literal["search", "page", "read", "system", "unknown-type", "other"]
"""`page`: another page of a search; `system`: of the whole system, by POST; `other`: none that a quirk is about."""

PREFIX = b"/fhir"
_PAGE = {"sessionID", "-pageContext", "_cursor"}
_SUBJECTS = ("patient", "subject")


@dataclass(frozen=True, slots=True)
class Asked:
    """`parameters`: of the query, and of the form where it is a POST _search."""

    method: str
    interaction: Interaction
    type: str
    id: str
    parameters: tuple[tuple[str, str], ...]
    headers: Mapping[bytes, bytes]

    @property
    def token(self) -> str:
        """The access token; "" where there is none."""
        kind, _, token = self.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""

    @property
    def names(self) -> frozenset[str]:
        """Names of parameters, without modifiers and chains."""
        return frozenset(name.partition(":")[0].partition(".")[0] for name, _ in self.parameters)

    def value(self, name: str) -> str | None:
        """The first value of a parameter."""
        return next((value for found, value in self.parameters if found == name), None)

    @property
    def patients(self) -> frozenset[str]:
        """Ids of the patients whose records are searched."""
        found = (v for n, v in self.parameters if n.partition(":")[0] in _SUBJECTS and "." not in n)
        return frozenset(one.rpartition("/")[2] for value in found for one in value.split(","))

    @property
    def page(self) -> str:
        """Which page is asked for."""
        return next((value for name, value in self.parameters if name in _PAGE), "")


def understood(method: str, path: bytes, query: bytes, headers: list[Header]) -> Asked:
    """What is asked for by this path (below the FHIR base), this query and these headers."""
    try:
        segments = uri.path(path) if path else ()
        parameters = tuple(uri.pairs(query.decode("latin-1")))
    except Problem:  # hilum says what is wrong with it
        segments, parameters = ("",), ()
    type = segments[0] if segments else ""
    id = segments[1] if len(segments) > 1 else ""
    return Asked(method, _interaction(method, segments, parameters), type, id, parameters, dict(headers))


def _interaction(method: str, segments: tuple[str, ...], parameters: tuple[tuple[str, str], ...]) -> Interaction:
    if not segments:
        return "system" if method == "POST" else "other"
    if segments[0] and segments[0][0].isupper() and segments[0] not in definitions.TYPE_NUMBER:
        return "unknown-type"
    reads = method in ("GET", "HEAD")
    if (reads and len(segments) == 1 and segments[0][:1].isupper()) or (
        method == "POST" and segments[1:] == ("_search",)
    ):
        return "page" if any(name in _PAGE for name, _ in parameters) else "search"
    if reads and len(segments) == 2 and segments[0][:1].isupper() and segments[1][:1] not in ("$", "_"):
        return "read"
    return "other"


def wants_xml(profile: Profile, asked: Asked) -> bool:
    """Whether this is a vendor that answers in XML, and does so here."""
    return profile.format == "xml" and _form(profile, asked) == "xml"


def unacceptable(profile: Profile, asked: Asked) -> bool:
    """Whether the vendor has only JSON, and that is not what is wanted."""
    return profile.json_only and _form(profile, asked) == "xml"


def _form(profile: Profile, asked: Asked) -> str:
    wanted = asked.value("_format") or asked.headers.get(b"accept", b"").decode("latin-1")
    return "json" if "json" in wanted else "xml" if "xml" in wanted else profile.format
