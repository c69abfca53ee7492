"""Does a connection work? Each step is tried as it is done in earnest, and what fails is told with whose side it is on.

Discovery, clock, key, sign-in, CapabilityStatement, and one search of one resource, of which nothing is kept or shown.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from hilum.broker import file, rules
from hilum.broker.backend import Backend
from hilum.broker.connection import Connection
from hilum.broker.discovery import METADATA, MOST_METADATA_BYTES, WELL_KNOWN, Discovery, Found
from hilum.broker.far import Failed, Side
from hilum.broker.reach import CAUSES, Send, object_of, unreachable
from hilum.broker.refusals import SKEW
from hilum.broker.token_endpoint import Granted, Keys, Refused
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.problems import Problem
from hilum.web.outbound import Fetched, Unreachable

State = Literal["works", "note", "fails", "skipped"]
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of a search for one resource; some EHRs send more than they were asked for."""
FHIR_JSON: Final = "application/fhir+json"
_SCOPE: Final = re.compile(r"system/([A-Za-z]+|\*)\.(?:read|\*|[cruds]*s[cruds]*)(?:\?.*)?")
_LONGEST_SCOPE: Final = 255
_VERSION: Final = re.compile(r"\d{1,2}\.\d{1,2}(\.\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried, and what came of it. `side`: whose it is on, where it does not simply work."""

    step: str
    state: State
    found: str
    todo: str = ""
    side: Side | Literal[""] = ""


class Reading(NamedTuple):
    """What a status says of a search that was asked with a token. `found` and `todo` may name the {type}."""

    state: State
    side: Side | Literal[""]
    found: str
    todo: str = ""


READINGS: Final[Mapping[int, Reading]] = {
    400: Reading(
        "works", "", "The token is taken; a search of {type} has to be narrower here, as at most vendors."
    ),
    401: Reading(
        "fails",
        "theirs",
        "The EHR gave the token, and its FHIR server does not take it.",
        "Look whether base URL and client are of the same environment and site; if they are, tell the EHR.",
    ),
    403: Reading(
        "fails",
        "ours",
        "The token is taken, and does not allow a search of {type}.",
        "In the EHR's portal, give the client this API, or the user behind it the permission (at Epic both: the API is "
        "chosen in the app, and each site maps the client to a user).",
    ),
    404: Reading(
        "fails",
        "ours",
        "There is no {type} below the base URL.",
        "Look whether the base URL is that of R4, and whether the EHR has this type.",
    ),
    422: Reading("works", "", "The token is taken; a search of {type} has to be narrower here."),
    429: Reading("note", "theirs", "The EHR asks for less often.", "Try again later; ask the EHR for its limits."),
}  # fmt: skip
BROKEN: Final = Reading(
    "fails", "theirs", "The EHR's FHIR server fails by itself.", "Try again later; if it stays so, tell the EHR."
)
ODD: Final = Reading(
    "fails",
    "theirs",
    "The answer to a search of {type} is no FHIR.",
    "Look whether the base URL leads to a page, a proxy or another API.",
)


async def steps(
    connection: Connection, backend: Backend, discovery: Discovery, keys: Keys, send: Send, origin: str = ""
) -> AsyncIterator[Step]:
    """One after the other, as they are done. `origin`: hilum's own, where browsers reach it. Raises Busy, Damaged:
    where it lies with our own store.
    """
    if connection.disabled:
        filed = connection.origin == file.ORIGIN
        todo = f"Take `disabled` out of {file.FILE}." if filed else f"hilum ehr change {connection.name} --enable"
        yield Step("connection", "note", "It is disabled: nothing uses it.", todo, "ours")
    try:
        found = await discovery.of(connection.base, again=True)
    except Failed as failure:
        yield _failed("discovery", failure)
        return
    yield Step("discovery", "works", f"{_place(found)} names the token endpoint {found.token}")
    for step in (*_clock(found), *_abilities(connection, found)):
        yield step
    granted: Granted | None = None
    sound = True
    if connection.method == rules.KEYS:
        try:
            signing = await keys.signing(connection.alg)
            yield Step("key", "works", f"{signing.alg}, kid {signing.kid}")
        except Problem as problem:
            sound = False
            yield Step("key", "fails", str(problem), side="ours")
    if rules.BACKEND in connection.grants and sound:
        try:
            granted = await backend.sign_in(connection)
            yield Step("sign-in", "works", f"The EHR gave a token{_for(granted)}.")
        except Failed as failure:
            yield _failed("sign-in", failure)
        except Problem as problem:  # a secret that does not open
            yield Step("key", "fails", str(problem), side="ours")
    if rules.LAUNCH in connection.grants:
        yield _launch(connection, origin)
    for step in _scopes(connection, granted):
        yield step
    yield await _metadata(connection, granted, send)
    if granted is not None:
        yield await _search(connection, granted, send)
    elif rules.BACKEND not in connection.grants:
        yield Step("read", "skipped", "What may be read is known when somebody has signed in.")


def works(all: list[Step]) -> bool:
    """Whether nothing fails."""
    return not any(step.state == "fails" for step in all)


def untried(all: list[Step]) -> list[str]:
    """What can't be tried from here, or was not, by its step."""
    return [step.step for step in all if step.state == "skipped"]


def _launch(connection: Connection, origin: str) -> Step:
    """Only a person can sign in."""
    name = connection.name
    found = "A person signs in at the EHR: hilum can't try that by itself."
    todo = f"Have the EHR register {origin}/callback/{name} as redirect URI."
    return Step("launch", "skipped", found, f"{todo} Then open {origin}/connect/{name} in a browser.")


def _for(granted: Granted) -> str:
    return f" for {granted.seconds} seconds" if granted.seconds else ", and does not say for how long"


def _failed(step: str, failure: Failed) -> Step:
    if isinstance(failure, Refused):
        code = f" ({failure.codes[0]})" if failure.codes else f" (status {failure.status})"
        return Step(step, "fails", failure.found.removesuffix(".") + code + ".", failure.todo, failure.side)
    todo = next((CAUSES[code].todo for code in failure.codes if code in CAUSES), "")
    return Step(step, "fails", failure.text.removesuffix(f" {todo}"), todo, failure.side)


def _place(found: Found) -> str:
    return {WELL_KNOWN: "smart-configuration", METADATA: "The CapabilityStatement"}[found.source]


def _clock(found: Found) -> Iterator[Step]:
    if found.ahead is None:
        return
    seconds = round(abs(found.ahead))
    if seconds > SKEW:
        yield Step(
            "clock",
            "note",
            f"The EHR's clock is {seconds} seconds {'ahead of' if found.ahead > 0 else 'behind'} ours.",
            "Set the clock of this machine by NTP; if it is right already, tell the EHR. Assertions hold four minutes.",
            "ours",
        )
    else:
        yield Step("clock", "works", "The clocks agree to the minute that assertions allow.")


def _abilities(connection: Connection, found: Found) -> Iterator[Step]:
    """What the EHR says that it can't do. Only a note: what is published is often less than what works."""
    needed: list[tuple[frozenset[str], str, str]] = [
        (found.methods, connection.method, "this way to prove who hilum is"),
        *((found.grants, grant, "this grant") for grant in connection.grants),
    ]
    if connection.method == rules.KEYS:
        needed.append((found.algorithms, connection.alg, "this algorithm of assertions"))
    if rules.LAUNCH in connection.grants:
        needed.append((found.challenges, "S256", "this PKCE method, without which hilum sends nobody there"))
        if not found.authorize:
            yield Step("abilities", "fails", "The EHR names no authorization endpoint.", "Ask the EHR.", "theirs")
    for said, name, what in needed:
        if said and name not in said and name != "none":  # which nobody lists
            yield Step(
                "abilities",
                "note",
                f"The EHR does not list {name}: {what}.",
                "If signing in fails, use what it lists (curl its smart-configuration).",
                "ours",
            )


def _scopes(connection: Connection, granted: Granted | None) -> Iterator[Step]:
    if granted is None or not granted.scope:  # not told: as asked (RFC 6749, 5.1)
        return
    given = set(granted.scope.split())
    missing = [one for one in connection.system_scopes.split() if one not in given]
    if missing:
        yield Step(
            "scopes",
            "note",
            f"Not given as they were asked for: {' '.join(missing)}.",
            "EHRs give what a client is registered for, and may spell it their way. Compare with its registration.",
            "ours",
        )
    else:
        yield Step("scopes", "works", "All that were asked for were given.")


async def _metadata(connection: Connection, granted: Granted | None, send: Send) -> Step:
    url = connection.base + METADATA
    try:
        answer = await _got(url, granted, send, MOST_METADATA_BYTES)
    except Failed as failure:
        return _failed("metadata", failure)
    said = object_of(answer)
    if answer.status != 200 or said.get("resourceType") != "CapabilityStatement":
        todo = BROKEN.todo if answer.status >= 500 else ODD.todo
        return Step("metadata", "fails", f"Status {answer.status}, and no CapabilityStatement.", todo, "theirs")
    version = said.get("fhirVersion")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        return Step("metadata", "note", "The CapabilityStatement names no version of FHIR.", side="theirs")
    if not version.startswith("4."):
        todo = "Use the base URL of R4: hilum gathers no other version."
        return Step("metadata", "fails", f"This is FHIR {version}.", todo, "ours")
    return Step("metadata", "works", f"A CapabilityStatement of FHIR {version}.")


async def _search(connection: Connection, granted: Granted, send: Send) -> Step:
    type = searched(granted.scope or connection.system_scopes)
    if type is None:
        return Step("read", "skipped", "The scopes allow no search.")
    try:
        answer = await _got(f"{connection.base}/{type}?_count=1", granted, send, MOST_BYTES)
    except Failed as failure:
        return _failed("read", failure)
    if answer.status == 200 and object_of(answer).get("resourceType") == "Bundle":
        return Step("read", "works", f"A search of {type} was answered with a Bundle.")
    reading = _reading(answer.status)
    return Step("read", reading.state, reading.found.format(type=type), reading.todo.format(type=type), reading.side)


def searched(scopes: str) -> str | None:
    """The type to search for: Patient where that is allowed, else the first that is. None: none is."""
    types = [found[1] for one in scopes.split() if len(one) <= _LONGEST_SCOPE and (found := _SCOPE.fullmatch(one))]
    if not types or "*" in types or "Patient" in types:
        return "Patient" if types else None
    return next((one for one in types if one in TYPE_NUMBER), None)


def _reading(status: int) -> Reading:
    return BROKEN if status >= 500 else READINGS.get(status, ODD)


async def _got(url: str, granted: Granted | None, send: Send, limit: int) -> Fetched:
    headers = {"accept": FHIR_JSON} | ({"authorization": f"Bearer {granted.token}"} if granted is not None else {})
    try:
        return await send("GET", url, headers, b"", limit=limit)
    except Unreachable as error:
        raise unreachable(error, url) from None
