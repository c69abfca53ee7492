"""App state: what apps keep here as Basic resources. https://hl7.org/fhir/smart-app-launch/app-state.html

A Basic is app state for the client that is registered for its code (`Principal.states`); the states of other clients
are outside of its Policy (`hilum.access.granting`), so that it neither sees nor writes them.
"""

from __future__ import annotations

from typing import Any, Final

from hilum.access.policy import Principal
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.fhirpath.references import local
from hilum.interactions.door import Door
from hilum.interactions.links import relative
from hilum.problems import Forbidden, Invalid, PreconditionFailed, TooLarge

Body = dict[str, Any]

MOST_BYTES: Final = 256 * 1024
"""Of a Basic that is app state, as JSON."""


def is_state(who: Principal, body: Body) -> bool:
    """Whether a body is app state of the client: one of its codings is a code that the client is registered for."""
    if not who.states or body.get("resourceType") != "Basic":
        return False
    codings = body.get("code", {}).get("coding", [])
    return any(f"{one.get('system', '')}|{one.get('code', '')}" in who.states for one in codings)


async def refuse_blind(
    door: Door, who: Principal, current: Resource | None, if_match: str | None, body: Body | None = None
) -> None:
    """Before an update, a patch or a deletion: it must name the version that it changes, and that must exist still.

    `body`: the new one, where it is known. Raises PreconditionFailed.
    """
    if not who.states or (current is not None and current.type != "Basic"):
        return
    last = current
    if current is not None and current.deleted:
        last = await door.store.read(current.type, current.id, current.version - 1)
    old = last is not None and not last.deleted and is_state(who, last.body)
    if not old and (body is None or not is_state(who, body)):
        return
    if if_match is None or if_match.strip() == "*":  # any version at all prevents no contention
        raise PreconditionFailed("App state is changed with If-Match, which names the version that is changed.")
    if current is None or current.deleted:
        raise PreconditionFailed("There is no such app state any more; create it anew with POST.")


def check(door: Door, who: Principal, method: str, body: Body, current: Resource | None) -> None:
    """Judge what is about to be written as the version after `current`.

    Raises Invalid for what is no sound app state, PreconditionFailed for another code or subject than before, TooLarge,
    and Forbidden for state without a subject, which all share, from who may not manage it.
    """
    before = None if current is None or current.deleted or not who.states else current.body
    was = before is not None and is_state(who, before)
    if not was and not is_state(who, body):
        return
    for name in ("code", "subject"):
        if was and before is not None and _said(door, before, name) != _said(door, body, name):
            raise PreconditionFailed(f"Basic.{name} of app state can't be changed.")
    if method == "POST" and ("id" in body or "versionId" in body.get("meta", {})):
        raise Invalid("New app state has neither an id nor a versionId: the server makes them.", expression="Basic.id")
    if len(json.encode(body)) > MOST_BYTES:
        raise TooLarge(f"App state may have {MOST_BYTES} bytes at most.")
    if len(body["code"].get("coding", [])) != 1:
        raise Invalid("App state has exactly one coding.", expression="Basic.code.coding")
    for name in ("extension", "modifierExtension"):
        for number, one in enumerate(body.get(name, [])):
            if not {"url", "valueString"} <= one.keys() <= {"id", "url", "valueString"}:
                raise Invalid("Extensions of app state hold a valueString.", expression=f"Basic.{name}[{number}]")
    subject = _said(door, body, "subject")
    if subject is None:
        if not who.manages:
            raise Forbidden("App state without a subject is for all: only an administrator's app may write it.")
    elif local(subject.get("reference", "")) is None:
        raise Invalid(
            "The subject of app state must be a reference to a resource of this server.",
            expression="Basic.subject.reference",
        )


def _said(door: Door, body: Body, name: str) -> Any:
    """An element, its reference to this server in the one form in which it is stored."""
    return relative({"": body.get(name)}, door.base)[""]
