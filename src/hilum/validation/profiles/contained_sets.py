"""Value sets that a profile contains: a binding names one by `#id`. https://hl7.org/fhir/R4/references.html#contained

Nobody else knows them, so what is in them is told here: listed codes, whole systems, and value sets that others know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilum.terminology.questions import Answers, Question


def contained(profile: Mapping[str, Any], url: str) -> dict[str, Any] | None:
    """The ValueSet that `#id` means in a profile."""
    held = profile.get("contained")
    for one in held if type(held) is list else ():
        if type(one) is dict and one.get("resourceType") == "ValueSet" and one.get("id") == url[1:]:
            return one
    return None


def has(body: Mapping[str, Any], coding: Mapping[str, Any], answers: Answers) -> bool | None:
    """Whether a coding is in such a value set; None when that can't be told."""
    compose = body.get("compose")
    if type(compose) is not dict:
        return None
    included = _some(compose.get("include"), coding, answers)
    if not included:
        return included
    excluded = _some(compose.get("exclude"), coding, answers)
    return None if excluded is None else not excluded


def _some(parts: Any, coding: Mapping[str, Any], answers: Answers) -> bool | None:
    known = [_selected(one, coding, answers) for one in (parts if type(parts) is list else ()) if type(one) is dict]
    return True if True in known else None if None in known else False


def _selected(part: dict[str, Any], coding: Mapping[str, Any], answers: Answers) -> bool | None:
    system, code = coding.get("system"), coding.get("code")
    if type(code) is not str:
        return False
    conditions: list[bool | None] = []
    sets = part.get("valueSet")
    for url in sets if type(sets) is list else ():
        question = Question(str(url), system if type(system) is str else None, code)
        conditions.append(answers.ask(question).valid)
    own = part.get("system")
    if type(own) is str:
        if system is not None and system != own:
            return False
        listed = part.get("concept")
        if type(listed) is list:
            conditions.append(any(type(one) is dict and one.get("code") == code for one in listed))
        elif part.get("filter"):
            conditions.append(None)
        else:
            conditions.append(answers.ask(Question(None, own, code)).valid)
    if not conditions or False in conditions:
        return False
    return None if None in conditions else True
