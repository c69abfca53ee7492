"""Codes by their own code systems: whether a system has the code, and calls it so. https://hl7.org/fhir/R4/datatypes.html#Coding"""

from __future__ import annotations

from hilum.terminology.questions import Question
from hilum.validation.profiles.running import Found, error, noted
from hilum.validation.profiles.walking import Here


def coding(here: Here) -> Found:
    """What is wrong with one Coding (or a Quantity's unit), seen from itself. What is not known is not told."""
    value = here.item.value
    system, code, display = value.get("system"), value.get("code"), value.get("display")
    if type(system) is not str or type(code) is not str:
        return None
    known = here.scope.run.definitions.code_system(system)
    if known is not None and (known.get("content") == "supplement" or "supplements" in known):
        return error("not-found", "is a supplement, which adds to another code system and has no codes", ".system")
    version = value.get("version")
    verdict = here.scope.run.answers.ask(
        Question(
            None,
            system,
            code,
            display if type(display) is str and here.item.kind.name == "Coding" else None,
            version if type(version) is str else None,
        )
    )
    if verdict.valid is False and verdict.reason == "unknown-code":
        return error("code-invalid", f"is no code of {system}", ".code")
    if verdict.display_valid is False:
        return noted(here.scope.run.rules.displays, "invalid", f"is not what {system} calls its code", ".display")
    return None
