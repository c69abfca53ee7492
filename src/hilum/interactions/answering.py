"""What is known of codes: the answers to what validation asks. https://hl7.org/fhir/R4/terminology-service.html#validation"""

from __future__ import annotations

from collections.abc import Collection

from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.interactions.resolve import definition, expanded
from hilum.problems import Problem
from hilum.terminology.expansion import Wanted
from hilum.terminology.hierarchy import hierarchy
from hilum.terminology.questions import Question, Verdict


async def answer(door: Door, questions: Collection[Question]) -> dict[Question, Verdict]:
    """A verdict for each question, from what the store holds and from R4's own definitions."""
    return {question: await _verdict(door, question) for question in questions}


async def _verdict(door: Door, question: Question) -> Verdict:
    if question.value_set is None:
        return await _in_system(door, question)
    try:
        codes = await expanded(door, question.value_set)
    except Problem:
        return Verdict(None, "unknown-value-set")
    if question.system is not None:
        if (question.system, question.code) in codes:
            return Verdict(True, system=question.system)
        if (question.system, None) in codes:
            return await _in_system(door, question)
        return Verdict(False, "not-in-value-set", system=question.system)
    for system, code in codes:
        if code == question.code:
            return Verdict(True, system=system)
    if any(code is None for _, code in codes):
        return Verdict(None, "unknown-system")
    return Verdict(False, "not-in-value-set")


async def _in_system(door: Door, question: Question) -> Verdict:
    name = f"{question.system}|{question.version}" if question.version else question.system
    found = await definition(door, Wanted("CodeSystem", name or ""))
    if not isinstance(found, Resource) or found.body.get("content") == "not-present":
        return Verdict(None, "unknown-system")
    if question.code in hierarchy(found.body).over:
        return Verdict(True, system=question.system)
    incomplete = found.body.get("content") != "complete"
    return Verdict(None if incomplete else False, "incomplete" if incomplete else "unknown-code")
