"""AuditEvents as rows of a table: when, who, by which app, what, about whom, and what came of it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from hilum.audit.entry import EVENTS
from hilum.audit.render import OWN, REST

_IHE: Final = "urn:ihe:event-type-code"
OUTCOMES: Final = {"0": "Done", "4": "Refused", "8": "Failed", "12": "Failed badly"}
"""https://hl7.org/fhir/R4/valueset-audit-event-outcome.html"""
_GROUPS: Final = {
    "Reading and searching": (
        "read", "vread", "search-type", "search-system", "search", "history-instance", "history-type",
        "history-system", "operation",
    ),
    "Changing": ("create", "update", "patch", "delete", "batch", "transaction"),
}  # fmt: skip
INTERACTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    **{title: {code: f"{REST}|{code}" for code in codes} for title, codes in _GROUPS.items()},
    "Security": {"token": f"{_IHE}|ITI-71"}
    | {name: f"{OWN}|{name}" for name in EVENTS if name not in ("token", "refresh")},
}
"""What can be chosen, in groups: name -> the value of `subtype` that finds it."""
KNOWN: Final = {name: value for group in INTERACTIONS.values() for name, value in group.items()}
_PATIENT: Final = "1"


class Row(NamedTuple):
    """An event. `person`, `app`: ids. `asked`: what was sent, of a security event what there is to tell."""

    id: str
    at: str
    person: str
    role: str
    app: str
    address: str
    what: str
    about: str
    asked: str
    patients: tuple[str, ...]
    outcome: str
    done: bool


def row(body: Mapping[str, Any], origin: str) -> Row:
    """Of an AuditEvent, of hilum's own or of somebody else. `origin`: hilum's, by which it knows its own names."""
    agents = [one for one in body.get("agent", []) if isinstance(one, dict)]
    entities = [one for one in body.get("entity", []) if isinstance(one, dict)]
    people = [one for one in agents if one.get("requestor")] or agents
    identifiers = [one.get("who", {}).get("identifier", {}) for one in agents]
    app = next((str(one["value"]) for one in identifiers if one.get("system") == f"{origin}/clients"), "")
    who = people[0] if people else {}
    person = who.get("who", {}).get("identifier", {})
    own = person.get("system") == f"{origin}/clients"
    outcome = str(body.get("outcome", "0"))
    return Row(
        id=str(body.get("id", "")),
        at=str(body.get("recorded", ""))[:23].replace("T", " "),
        person="" if own else str(person.get("value") or who.get("name") or who.get("who", {}).get("reference", "")),
        role=", ".join(str(one.get("text", "")) for one in who.get("role", [])),
        app=app,
        address=next((str(one["network"].get("address", "")) for one in agents if one.get("network")), ""),
        what=_what(body),
        about=", ".join(dict.fromkeys(_references(entities, "2"))),
        asked=next((_text(one["query"]) for one in entities if one.get("query")), ""),
        patients=tuple(dict.fromkeys(_references(entities, _PATIENT))),
        outcome=OUTCOMES.get(outcome, outcome),
        done=outcome == "0",
    )


def _what(body: Mapping[str, Any]) -> str:
    """The most exact of the codes: hilum's own name for it, where it has one."""
    codings = [*body.get("subtype", []), body.get("type", {})]
    for system in (OWN, REST, _IHE):
        for one in codings:
            if one.get("system") == system and one.get("code"):
                return "token" if system == _IHE else str(one["code"])
    return next((str(one.get("display") or one.get("code")) for one in codings if one.get("code")), "")


def _references(entities: list[dict[str, Any]], type: str) -> list[str]:
    """What entities of a kind name: `Observation/5`, without the version."""
    found = []
    for one in entities:
        reference = one.get("what", {}).get("reference")
        if one.get("type", {}).get("code") == type and isinstance(reference, str):
            found.append(reference.partition("/_history")[0])
    return found


def _text(query: str) -> str:
    try:
        return b64decode(query).decode("utf-8", "replace").removeprefix("{}")
    except ValueError:
        return ""
