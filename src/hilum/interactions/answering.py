"""What is known of codes: the answers to what validation asks. https://hl7.org/fhir/R4/terminology-service.html#validation

From the store's own tables and R4's definitions: nothing here leaves the machine.
"""

from __future__ import annotations

from collections.abc import Collection

from hilum.interactions.door import Door
from hilum.interactions.terminology.judging import in_members, in_system
from hilum.interactions.terminology.knowledge import Codes, codes
from hilum.interactions.terminology.members import members
from hilum.problems import Invalid
from hilum.terminology.questions import Question, Verdict


async def answer(door: Door, questions: Collection[Question]) -> dict[Question, Verdict]:
    """A verdict for each question."""
    if not questions:
        return {}
    known = await codes(door.store, door.base, door.codes)
    found: dict[Question, Verdict] = {}
    for question in questions:
        verdict = known.known(question)
        if verdict is None:
            verdict = await _verdict(known, question)
            known.keep(question, verdict, rare=question.display is not None)
        found[question] = verdict
    return found


async def _verdict(known: Codes, question: Question) -> Verdict:
    value_set, system, code, display, version = question
    try:
        if value_set is None:
            return await in_system(known, system or "", code, display, version or "")
        if await known.value_set(value_set) is None:
            return Verdict(None, "unknown-value-set")
        found = await members(known, value_set)
        return await in_members(known, found, system, code, display, version or "")
    except Invalid:  # a definition names what is not here, or says what nobody can follow: not the fault of who asks
        return Verdict(None, "unknown-system")
