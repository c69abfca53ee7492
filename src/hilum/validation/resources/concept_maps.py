"""ConceptMap: what is mapped are codes of the systems that it names. https://hl7.org/fhir/R4/conceptmap.html"""

from __future__ import annotations

from typing import Any

from hilum.terminology.questions import Question
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import numbered, text


def codes(here: Here) -> Found:
    """The codes of each group, sources and targets."""
    out: Found = None
    for path, group in numbered(here.item.value.get("group"), ".group"):
        for at, one in numbered(group.get("element"), ".element"):
            here.scope.run.step()
            if _missing(here, group.get("source"), group.get("sourceVersion"), one):
                out = (out or []) + error("business-rule", "is no code of the source", f"{path}{at}.code")
            for below, target in numbered(one.get("target"), ".target"):
                if _missing(here, group.get("target"), group.get("targetVersion"), target):
                    out = (out or []) + error("business-rule", "is no code of the target", f"{path}{at}{below}.code")
    return out


def _missing(here: Here, system: Any, version: Any, one: dict[str, Any]) -> bool:
    code = text(one.get("code"))
    if type(system) is not str or code is None:
        return False
    verdict = here.scope.run.answers.ask(Question(None, system, code, None, text(version)))
    return verdict.valid is False and verdict.reason == "unknown-code"
