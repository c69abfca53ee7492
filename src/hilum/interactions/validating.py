"""Validation with all that the server knows: R4's own rules, profiles, codes. https://hl7.org/fhir/R4/validation.html

Validation is an ordinary function that asks questions about codes; here they are answered from the store, and it is run
again, until it has no more. Nothing leaves the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions import search as searching
from hilum.interactions.answering import answer
from hilum.interactions.build import apart, rows_of
from hilum.interactions.door import Door
from hilum.interactions.known import Extensions
from hilum.interactions.permit import WORDS, absent, may_remove, permits, seen
from hilum.problems import Conflict, Forbidden, Gone, Issue, Problem
from hilum.search.parse import parse_query
from hilum.terminology.questions import Answers, rounds
from hilum.validation import validate
from hilum.validation.profiles import conformance
from hilum.validation.profiles.definitions import Definitions

Body = dict[str, Any]


def found(body: Body, definitions: Definitions, answers: Answers, profiles: tuple[str, ...]) -> list[Issue]:
    """All findings, as far as the answers go. What R4's own rules say of a place is not said again."""
    own = validate(body, answers=answers, extensions=Extensions(definitions))
    name = body.get("resourceType")
    if type(name) is not str or name not in TYPE_NUMBER:
        return own
    said: dict[tuple[str, str], list[Issue]] = {}
    for issue in own:
        for place in _about(issue.expression):
            said.setdefault((issue.severity, place), []).append(issue)
    more = conformance(body, definitions, answers, profiles=profiles)
    return [*own, *(issue for issue in more if not _said(issue, said))]


def _said(issue: Issue, said: dict[tuple[str, str], list[Issue]]) -> bool:
    """Whether R4's own rules say the same there. A profile may ask for the codes of another value set beside R4's."""
    before = [one for place in _about(issue.expression) for one in said.get((issue.severity, place), ())]
    return any(one.code != "code-invalid" or _urls(one) <= _urls(issue) for one in before)


def _urls(issue: Issue) -> set[str]:
    return {found.partition("|")[0] for found in _URL.findall(issue.diagnostics)}


_URL: Final = re.compile(r"https?://[^\s,()]+")


_PARTS: Final = (".url", ".code", ".system", ".display")


def _about(path: str | None) -> tuple[str, ...]:
    """A place, and the coding or extension that it is a part of."""
    if path is None:
        return ()
    return (path, path.rpartition(".")[0]) if path.endswith(_PARTS) else (path,)


async def validated(door: Door, type: str, body: Body, profiles: tuple[str, ...] = (), size: int = 0) -> list[Issue]:
    """All findings on a `type`: by R4, by what is required of the type, what it claims, and by `profiles`.

    `size`: bytes of it, if it may be large. Raises Busy.
    """
    definitions = await door.shelf.definitions(door.store, fresh=True)
    profiles = tuple(dict.fromkeys((*await door.shelf.required(door.store, type), *profiles)))
    answers = Answers()
    issues: list[Issue] = []
    for missing in rounds(answers):
        answers.learn(await answer(door, missing))
        issues = await apart(size, found, body, definitions, answers, profiles)
    return issues


def may_ask(who: Principal, type: str, letters: str) -> None:
    """Raises Forbidden unless the token may do one of these to the type: the answer tells what the server knows."""
    if not any(who.policy.permits(type, letter) for letter in letters):
        words = " or ".join(WORDS[letter] for letter in letters)
        permits_none = f"The token does not allow to {words} {type}: no scope names it for that."
        raise Forbidden(permits_none)


async def deletable(door: Door, who: Principal, type: str, id: str) -> list[Issue]:
    """Why a deletion would be refused now; nothing is deleted. Raises Forbidden, NotFound, Gone."""
    allowed = permits(who, type, "d")
    current = await seen(door, who, allowed, type, id)
    if current is None:
        raise absent(type, id)
    if current.deleted:
        raise Gone(f"{type}/{current.id} was deleted already.")
    try:
        may_remove(allowed, current.id, rows_of(current, door.store.catalogue.registry))
        if door.integrity and await _referred_to(door, type, id):
            raise Conflict("Another resource still refers to this one; delete or change that first.")
    except Problem as problem:
        return list(problem.issues)
    return []


async def _referred_to(door: Door, type: str, id: str) -> bool:
    """Whether anything refers to it, whoever may see that: as a commit judges."""
    server = Principal("", "", "", EVERYTHING, 1 << 62)
    query = parse_query(type, [("_id", id), ("_revinclude", "*"), ("_count", "1")], base=door.base)
    page = await searching.search(door, server, query)
    return _others(page.included, type, id)


def _others(included: Iterable[Any], type: str, id: str) -> bool:
    return any((resource.type, resource.id) != (type, id) for resource in included)
