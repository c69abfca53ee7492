"""Answers to validation's questions from resources in memory, for tests: what is in them is known, the rest is not.

It imports nothing of hilum's terminology but the questions, so that it can judge that as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hilum.terminology.questions import Answers, Question, Verdict
from hilum.validation.profiles.definitions import Definitions

Body = dict[str, Any]

WRITTEN = {
    "urn:ietf:bcp:13": re.compile(r"[a-zA-Z0-9!#$&^_.+-]+/[a-zA-Z0-9!#$&^_.+*-]+(\s*;.*)?", re.DOTALL),
    "urn:ietf:bcp:47": re.compile(r"[a-zA-Z]{2,8}(-[a-zA-Z0-9]{1,8})*"),
}
"""Code systems whose codes are made by a grammar."""


class Oracle(Answers):
    """Answers at once."""

    def __init__(self, definitions: Definitions) -> None:
        super().__init__()
        self.definitions = definitions

    def ask(self, question: Question) -> Verdict:
        verdict = self.known.get(question)
        if verdict is None:
            verdict = self.known[question] = self._answer(question)
        return verdict

    def _answer(self, question: Question) -> Verdict:
        if question.value_set is None:
            return self._in_system(question)
        body = self.definitions.value_set(question.value_set)
        if body is None:
            return Verdict(None, "unknown-value-set")
        found = self._member(body, question.system, question.code, ())
        if found:
            return Verdict(True)
        return Verdict(None, "unknown-system") if found is None else Verdict(False, "not-in-value-set")

    def _in_system(self, question: Question) -> Verdict:
        assert question.system is not None
        found = self._has(question.system, question.code, None)
        if found is None:
            return Verdict(None, "unknown-system")
        if not found:
            return Verdict(False, "unknown-code")
        body = self.definitions.code_system(question.system)
        concept = self._concepts(body).get(_key(body, question.code)) if body else None
        if question.display is None or concept is None:
            return Verdict(True)
        names = {concept.get("display"), *(one.get("value") for one in concept.get("designation", ()))}
        good = _plain(question.display) in {_plain(name) for name in names if name}
        return Verdict(True, display=concept.get("display"), display_valid=good or not names - {None})

    # --- value sets ---------------------------------------------------------------------------------------------------

    def _member(self, body: Body, system: str | None, code: str, within: tuple[str, ...]) -> bool | None:
        url = str(body.get("url"))
        if url in within:
            return None
        within = (*within, url)
        compose = body.get("compose")
        if type(compose) is not dict:
            listed = list(_contains(body.get("expansion", {}).get("contains", [])))
            if not listed:
                return None
            return any(one.get("code") == code and system in (None, one.get("system")) for one in listed)
        if compose.get("inactive") is False and self._inactive(compose, system, code):
            return False
        included = _any(self._selected(one, system, code, within) for one in compose.get("include", ()))
        if included is False:
            return False
        excluded = _any(self._selected(one, system, code, within) for one in compose.get("exclude", ()))
        if excluded:
            return False
        return None if excluded is None else included

    def _inactive(self, compose: Body, system: str | None, code: str) -> bool:
        for part in compose.get("include", ()):
            known = system in (None, part.get("system"))
            body = self.definitions.code_system(str(part.get("system"))) if known else None
            for one in self._concepts(body).get(_key(body, code), {}).get("property", ()) if body else ():
                if one.get("code") == "inactive" and one.get("valueBoolean") is True:
                    return True
                if one.get("code") == "status" and one.get("valueCode") in ("retired", "inactive"):
                    return True
        return False

    def _selected(self, part: Body, system: str | None, code: str, within: tuple[str, ...]) -> bool | None:
        conditions: list[bool | None] = []
        for url in part.get("valueSet", ()):
            body = self.definitions.value_set(url)
            conditions.append(None if body is None else self._member(body, system, code, within))
        own = part.get("system")
        if own is not None:
            if system is not None and system != own:
                return False
            if "concept" in part:
                conditions.append(code in {one.get("code") for one in part["concept"]})
            else:
                conditions.append(self._has(own, code, part.get("version")))
                conditions += [self._filtered(own, one, code) for one in part.get("filter", ())]
        return _all(conditions)

    def _filtered(self, system: str, filter_: Body, code: str) -> bool | None:
        body = self.definitions.code_system(system)
        if body is None or body.get("content") != "complete":
            return None
        concepts, property_, op, value = (
            self._concepts(body),
            filter_.get("property"),
            filter_.get("op"),
            filter_.get("value"),
        )
        one = concepts.get(_key(body, code))
        if one is None:
            return False
        if property_ in ("concept", "code", "parent", "child") and op in ("is-a", "descendent-of", "is-not-a"):
            below = self._below(body, str(value))
            found = code in below or (op != "descendent-of" and code == value)
            return not found if op == "is-not-a" else found
        said = [
            next(v for k, v in p.items() if k.startswith("value"))
            for p in one.get("property", ())
            if p.get("code") == property_
        ]
        texts = [str(v).lower() if type(v) is bool else v.get("code") if type(v) is dict else str(v) for v in said]
        if property_ in ("code", "concept", "display"):
            texts = [code if property_ != "display" else str(one.get("display"))]
        match op:
            case "=":
                return value in texts
            case "in":
                return any(text in str(value).split(",") for text in texts)
            case "not-in":
                return not any(text in str(value).split(",") for text in texts)
            case "exists":
                return bool(texts) == (value == "true")
            case "regex":
                return any(re.fullmatch(str(value), text) for text in texts)
        return None

    # --- code systems -------------------------------------------------------------------------------------------------

    def _has(self, system: str, code: str, version: str | None) -> bool | None:
        if system in WRITTEN:
            return WRITTEN[system].fullmatch(code) is not None
        body = self.definitions.code_system(
            f"{system}|{version}" if version else system
        ) or self.definitions.code_system(system)
        if body is None or "concept" not in body:
            return None
        if _key(body, code) in self._concepts(body):
            return True
        return False if body.get("content") == "complete" else None

    def _concepts(self, body: Body) -> dict[str, Body]:
        kept = _indexed.get(id(body))
        if kept is None:
            found = {_key(body, str(one.get("code"))): one for one in _walk(body.get("concept", []))}
            kept = _indexed[id(body)] = (body, found)
        return kept[1]

    def _below(self, body: Body, code: str) -> set[str]:
        concepts = self._concepts(body)
        found: set[str] = set()
        waiting = [code]
        children: dict[str, list[str]] = {}
        for one in concepts.values():
            for sub in one.get("concept", ()):
                children.setdefault(str(one.get("code")), []).append(str(sub.get("code")))
            for p in one.get("property", ()):
                if p.get("code") in ("parent", "subsumedBy") and "valueCode" in p:
                    children.setdefault(p["valueCode"], []).append(str(one.get("code")))
        while waiting:
            for sub in children.get(waiting.pop(), ()):
                if sub not in found:
                    found.add(sub)
                    waiting.append(sub)
        return found


_indexed: dict[int, tuple[Body, dict[str, Body]]] = {}


def _walk(concepts: list[Body]) -> Iterator[Body]:
    for one in concepts:
        yield one
        yield from _walk(one.get("concept", []))


def _contains(parts: list[Body]) -> Iterator[Body]:
    for one in parts:
        yield one
        yield from _contains(one.get("contains", []))


def _key(body: Body, code: str) -> str:
    return code if body.get("caseSensitive", True) else code.lower()


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().lower()


def _any(parts: Iterator[bool | None]) -> bool | None:
    known = list(parts)
    return True if True in known else None if None in known else False


def _all(parts: list[bool | None]) -> bool | None:
    if not parts or False in parts:
        return False
    return None if None in parts else True
