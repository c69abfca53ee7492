"""What a resource is held to beyond R4: the profiles required of its type, and those that it claims in meta.profile.

https://hl7.org/fhir/R4/resource.html#Meta says that a claim is one; here it is checked, where the profile is known.
What the server requires of a type (`hilum ig require`) holds for every write, whoever writes and by whatever way.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions.answering import answer
from hilum.interactions.door import Door
from hilum.interactions.shelf import REQUIRED, Setting, Structures, required
from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import SETTING, Lost, Put, read, write
from hilum.problems import Conflict, Invalid, Issue, NotFound, Unprocessable
from hilum.store.interface import Store
from hilum.terminology.questions import Answers, rounds
from hilum.validation.profiles import check

Body = dict[str, Any]

_ATTEMPTS: Final = 5
_LARGE: Final = 1 << 16
"""Bytes of a resource: what is longer is checked in a thread, so that the event loop serves others."""


async def judged(door: Door, type: str, body: Body, size: int = 0) -> tuple[Issue, ...]:
    """What there is to say of a body that is about to be written, but does not refuse it: warnings and informations.

    `size`: bytes of it, if it may be large. Raises Unprocessable with the findings where it does not conform to what is
    required of its type, or to what it claims; Busy.
    """
    needed = await door.shelf.required(door.store, type)
    claims = _claims(body) if door.claims else ()
    if not needed and not claims:
        return ()
    structures = await door.shelf.definitions(door.store)
    told: list[Issue] = []
    refused = False
    for url in dict.fromkeys((*needed, *claims)):
        if url not in needed and structures.structure(url) is None:
            text = f"{type}.meta.profile claims {url[:200]}, which {structures.why_not(url)}."
            told.append(Issue("warning", "not-found", text, f"{type}.meta.profile"))
            continue
        found = await findings(door, structures, body, url, size)
        refused = refused or any(one.severity in ("error", "fatal") for one in found)
        told += found
    if refused:
        raise Unprocessable(issues=tuple(told))
    return tuple(told)


async def findings(door: Door, structures: Structures, body: Body, profile: str, size: int = 0) -> list[Issue]:
    """All findings on a body by one profile, codes looked up in this store and nowhere else."""
    answers = Answers()
    found: list[Issue] = []
    for missing in rounds(answers):
        answers.learn(await answer(door, missing))
        if size > _LARGE:
            found = await asyncio.to_thread(check, body, profile, structures, answers)
        else:
            found = check(body, profile, structures, answers)
    return found


def _claims(body: Body) -> tuple[str, ...]:
    """The profiles that a valid body claims."""
    meta = body.get("meta")
    said = meta.get("profile") if isinstance(meta, dict) else None
    return tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()


async def require(
    store: Store, structures: Structures, type: str, profile: str, *, remove: bool = False
) -> dict[str, tuple[str, ...]]:
    """Require that every resource of a type conforms to a profile from now on, or take that back; all that is required.

    What is stored already is not looked at. Raises Invalid, NotFound, Conflict, Busy.
    """
    if type not in TYPE_NUMBER:
        raise Invalid(f"{type[:64]!r} is no resource type of FHIR R4.")
    if not remove:
        fit(structures, type, profile)
    for _ in range(_ATTEMPTS):
        before, version = await _record(store.ledger)
        own = before.get(type, ())
        if remove and profile not in own:
            raise NotFound(f"{profile[:200]} is not required of {type}.")
        now = tuple(one for one in own if one != profile) if remove else tuple(dict.fromkeys((*own, profile)))
        after = dict(sorted({**before, type: now}.items()))
        if not now:
            del after[type]
        try:
            await store.ledger.many([Put(SETTING, REQUIRED, write(Setting(after)), version=version)])
        except Lost:
            continue
        return after
    raise Conflict("What is required is being changed by somebody else at the same moment. Try again.")


async def _record(ledger: Ledger) -> tuple[dict[str, tuple[str, ...]], int | None]:
    row = await ledger.get(SETTING, REQUIRED)
    return (read(row, Setting).profiles, row.version) if row is not None else ({}, None)


def fit(structures: Structures, type: str, profile: str) -> None:
    """Raises NotFound and Invalid unless that profile is known, can be checked, and is one of that type."""
    body = structures.structure(profile)
    if body is None:
        why = structures.why_not(profile)
        raise NotFound(f"The profile {profile[:200]} {why}. `hilum ig add` loads the guide that has it.")
    if body.get("type") != type:
        raise Invalid(f"{profile[:200]} is a profile of {str(body.get('type'))[:64]}, not of {type}.")


__all__ = ["findings", "fit", "judged", "require", "required"]
