"""`ValueSet/$validate-code` and `CodeSystem/$validate-code`.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from hilum.interactions.build import apart
from hilum.interactions.terminology.expanding import in_language
from hilum.interactions.terminology.judging import in_held, in_members, in_system
from hilum.interactions.terminology.knowledge import Held, held_of
from hilum.interactions.terminology.members import members, members_of
from hilum.problems import Malformed
from hilum.rest.message import Request
from hilum.rest.operations.codes import (
    CONTEXT,
    DATE,
    LANGUAGE,
    RESULT,
    Coded,
    as_of_now,
    codings,
    given,
    instance,
    known,
    value_set,
)
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Body, Returned, value
from hilum.rest.router import Service
from hilum.terminology.questions import Verdict
from hilum.terminology.rows import detail_of

_WHY: Final = {
    "unknown-system": "Nothing can be said: the code system (and version) is not known here. Store or import it.",
    "incomplete": "Nothing can be said: what is known here of the code system is not complete.",
    "unknown-code": "The code system has no such code.",
    "not-in-value-set": "The code is not in the value set.",
}


async def in_value_set(service: Service, request: Request, inputs: Inputs) -> Returned:
    """Whether a code, or one of several, is in a value set."""
    codes = await known(service, request, "ValueSet", "CodeSystem")
    as_of_now(inputs)
    some = codings(inputs, inputs.text("system"), inputs.text("systemVersion") or "")
    name, body = await value_set(service, request, inputs, codes)
    found = await (members(codes, name) if name else members_of(codes, body))

    async def judge(one: Coded) -> Verdict:
        known = one.system is None or not one.version or await codes.system(one.system, one.version) is not None
        if not known and await codes.system(one.system or "") is not None:  # in other versions
            return Verdict(None, "unknown-system", system=one.system)
        return await in_members(codes, found, one.system, one.code, one.display, one.version)

    return await _judged(inputs, some, judge, codes.system)


async def in_code_system(service: Service, request: Request, inputs: Inputs) -> Returned:
    """Whether a code system has a code."""
    codes = await known(service, request, "CodeSystem")
    as_of_now(inputs)
    body, inline = await instance(service, request), await given(request, inputs, "codeSystem")
    url, version = inputs.text("url"), inputs.text("version") or ""
    named = sum(one is not None for one in (body, inline, url))
    if named > 1 or (not named and "coding" not in inputs and "codeableConcept" not in inputs):
        raise Malformed("Name one code system: by its instance, by url, or by codeSystem.")
    if inline is not None:
        held = await apart(request.size, held_of, inline)
        some = codings(inputs, inline.get("url"), version)

        async def sent(system: str, version: str) -> Held:
            return held

        return await _judged(inputs, some, lambda one: in_held(held, one.code, one.display), sent)
    if body is not None:
        url, version = body.get("url"), str(body.get("version", ""))
    some = codings(inputs, url, version)

    async def judge(one: Coded) -> Verdict:
        if url is not None and one.system != url:
            return Verdict(False, "other-system")
        return await in_system(codes, one.system or "", one.code, one.display, version or one.version)

    return await _judged(inputs, some, judge, codes.system)


async def _judged(
    inputs: Inputs,
    some: list[Coded],
    judge: Callable[[Coded], Awaitable[Verdict]],
    systems: Callable[[str, str], Awaitable[Held | None]],
) -> Returned:
    """Valid when one of them is; else what is wrong with each. `systems`: where displays are, by url and version."""
    language = inputs.text("displayLanguage") or ""
    messages: list[str] = []
    for one in some:
        verdict = await judge(one)
        message = _message(verdict, abstract=bool(inputs.flag("abstract")))
        if not message:
            shown: list[Body] = [value("result", "boolean", True)]
            if verdict.inactive:
                shown.append(value("message", "string", "The code is inactive."))
            if verdict.display:
                shown.append(value("display", "string", await _display(verdict, one, systems, language)))
            return Returned(tuple(shown))
        messages.append(message)
    shown = [value("result", "boolean", False), value("message", "string", " ".join(dict.fromkeys(messages)))]
    if len(some) == 1 and verdict.display:
        shown.append(value("display", "string", await _display(verdict, some[0], systems, language)))
    return Returned(tuple(shown))


async def _display(
    verdict: Verdict, one: Coded, systems: Callable[[str, str], Awaitable[Held | None]], language: str
) -> str:
    """In the language that is asked for, where the code has a name in it."""
    held = await systems(verdict.system, one.version) if language and verdict.system else None
    row = await held.one(one.code) if held is not None else None
    found = in_language(detail_of(row).designations, language) if row is not None else None
    return found or verdict.display or ""


def _message(verdict: Verdict, *, abstract: bool) -> str:
    """Why it is not valid; "" when it is."""
    if not verdict.valid:
        return _WHY.get(verdict.reason, "The code is of another code system.")
    if verdict.abstract and not abstract:
        return "The code is abstract: it stands for those under it, and can't be chosen."
    if verdict.display_valid is False:
        return f"The display is none that the code has; it has {verdict.display!r}."
    return ""


_CODE: Final = (
    Parameter("display", "string", "A display that is to be checked, too; case and spaces do not count."),
    Parameter("coding", "Coding", "Instead of code."),
    Parameter("codeableConcept", "CodeableConcept", "Instead of code: one of its codings must be valid."),
    DATE,
    Parameter("abstract", "boolean", "Whether abstract codes count."),
    LANGUAGE,
    *RESULT,
)
_TEXT: Final = (
    " A code of a system that is not known here is not valid, and the message says so. Many are judged at once in a "
    "Bundle of type batch. The token must allow to read all {}."
)

VALUE_SET: Final = Operation(
    code="validate-code",
    name="ValueSet-validate-code",
    title="Whether a code is in a value set.",
    text="A code without a system is looked for in all systems of the value set."
    + _TEXT.format("ValueSets and CodeSystems"),
    levels=("type", "instance"),
    types=("ValueSet",),
    parameters=(
        Parameter("url", "uri", "The canonical url of the value set, `|version` perhaps behind it."),
        CONTEXT,
        Parameter("valueSet", "ValueSet", "A value set that is sent along."),
        Parameter("valueSetVersion", "string", "Of url."),
        Parameter("code", "code", "The code."),
        Parameter("system", "uri", "Its code system."),
        Parameter("systemVersion", "string", "The version of the code system."),
        *_CODE,
    ),
    hl7=True,
    needs="r",
    large=True,
    run=in_value_set,
)

CODE_SYSTEM: Final = Operation(
    code="validate-code",
    name="CodeSystem-validate-code",
    title="Whether a code system has a code.",
    text="Of systems that are rules (UCUM, BCP 47, BCP 13, ISO 3166, time zones) the rule is the judge."
    + _TEXT.format("CodeSystems"),
    levels=("type", "instance"),
    types=("CodeSystem",),
    parameters=(
        Parameter("url", "uri", "The canonical url of the code system."),
        Parameter("codeSystem", "CodeSystem", "A code system that is sent along."),
        Parameter("code", "code", "The code."),
        Parameter("version", "string", "Of the code system."),
        *_CODE,
    ),
    hl7=True,
    needs="r",
    large=True,
    run=in_code_system,
)
