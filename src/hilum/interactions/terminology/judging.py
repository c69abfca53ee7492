"""Whether a code is one of a code system, or of a value set, and what is known of it.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hilum.interactions.terminology.knowledge import Codes, Held, fits
from hilum.interactions.terminology.members import Chosen, Members
from hilum.terminology import bits, grammars
from hilum.terminology.concepts import Row
from hilum.terminology.questions import Verdict
from hilum.terminology.rows import ABSTRACT_FLAG, INACTIVE_FLAG, detail_of


async def in_system(codes: Codes, system: str, code: str, display: str | None = None, version: str = "") -> Verdict:
    """Whether the code system has the code."""
    held = await codes.system(system, version)
    if held is not None:
        return await in_held(held, code, display)
    if not grammars.loaded(system):
        await asyncio.to_thread(grammars.judge, system, "1")
    holds = grammars.judge(system, code)
    if holds is not None:
        return Verdict(holds, "" if holds else "unknown-code", system=system)
    # A fragment or an example that lists nothing says as little as a system that is not here.
    return Verdict(None, "unknown-system", system=system)


async def in_held(held: Held, code: str, display: str | None = None) -> Verdict:
    """Whether a code system whose concepts are known has the code."""
    row = await held.one(code)
    if row is not None:
        return of_row(row, display, held.url)
    if held.complete:
        return Verdict(False, "unknown-code", system=held.url)
    return Verdict(None, "incomplete", system=held.url)


def of_row(row: Row, display: str | None, system: str, said: Iterable[str] = ()) -> Verdict:
    """What is known of a concept. `said`: what a value set calls it."""
    right = None
    if display is not None:
        names = [row.display, *said, *(one.value for one in detail_of(row).designations)]
        right = not any(names) or _plain(display) in {_plain(one) for one in names if one}
    return Verdict(
        True,
        "",
        row.display or None,
        right,
        system,
        bool(row.flags & INACTIVE_FLAG),
        bool(row.flags & ABSTRACT_FLAG),
    )


def _plain(text: str) -> str:
    """Spaces and case do not make another name."""
    return " ".join(text.split()).casefold()


async def in_members(
    codes: Codes, found: Members, system: str | None, code: str, display: str | None = None, version: str = ""
) -> Verdict:
    """Whether the code is one of the value set. `system` None: of whatever system it is there."""
    unknown: Verdict | None = None
    for one in found.values():
        if system is not None and one.url != system:
            continue
        verdict = await _among(codes, one, code, display, version)
        if verdict.valid:
            return verdict
        if verdict.valid is None:
            unknown = unknown or verdict
    if unknown is not None:
        return unknown
    if system is not None and not any(one.url == system for one in found.values()):
        return Verdict(False, "not-in-value-set", system=system)
    if system is not None:
        there = await in_system(codes, system, code, display, version)
        if there.valid is False:
            return there
        return Verdict(False, "not-in-value-set", there.display, None, system, there.inactive, there.abstract)
    return Verdict(False, "not-in-value-set")


async def _among(codes: Codes, one: Chosen, code: str, display: str | None, version: str) -> Verdict:
    if version and one.held is not None and not fits(version, one.held.version):
        there = await codes.system(one.url, version)
        if there is not None and there.complete and await there.one(code) is None:
            return Verdict(False, "unknown-code", system=one.url)
    row = await _row(one.held, code)
    if row is not None and one.held is not None and bits.has(one.bits, row.n):
        return of_row(row, display, one.url, (str(said) for said in _said(one, row.code)))
    if code in one.loose:
        names = [str(said) for said in _said(one, code)]
        right = None if display is None else not names or _plain(display) in {_plain(name) for name in names}
        return Verdict(True, "", names[0] if names else None, right, one.url or None)
    if one.whole and row is None and code not in one.gone:
        return await in_system(codes, one.url, code, display, version or one.version)
    return Verdict(False, "not-in-value-set", system=one.url or None)


async def _row(held: Held | None, code: str) -> Row | None:
    return None if held is None else await held.one(code)


def _said(one: Chosen, code: str) -> list[str]:
    """What the value set calls a code that it lists."""
    said = one.listed.get(code, {})
    return [name for name in (said.get("display"), *(d.get("value") for d in said.get("designation", ()))) if name]
