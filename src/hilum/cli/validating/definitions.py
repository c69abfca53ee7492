"""What `hilum validate` knows: R4's own definitions and those of packages; nothing is stored, nothing is fetched."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from hilum.guides import package
from hilum.interactions.shelf import KINDS, Entry, Structures
from hilum.problems import Problem
from hilum.terminology.expansion import Code, Wanted, expand
from hilum.terminology.hierarchy import hierarchy
from hilum.terminology.questions import Question, Verdict

Body = dict[str, Any]


class _Head(msgspec.Struct):
    resourceType: str = ""
    url: str = ""
    version: str = ""


_head = msgspec.json.Decoder(_Head)


def packages(files: Iterable[Path]) -> Structures:
    """The definitions of packages, on top of R4's own. Raises OSError, Malformed, Invalid, TooLarge."""
    entries: dict[tuple[str, str], Entry] = {}
    for file in files:
        with file.open("rb") as stream:
            read = package.read(stream)
        for name, raw in read.files.items():
            try:
                head = _head.decode(raw)
            except msgspec.MsgspecError:
                continue
            if head.resourceType in KINDS and head.url:
                id_ = f"{read.label}/{name}"
                kept = zlib.compress(raw, 1)
                entries[head.resourceType, id_] = Entry(
                    head.resourceType, id_, len(entries), head.url, head.version, kept
                )
    return Structures(entries)


class Codes:
    """Answers about codes from definitions alone; each value set is expanded once."""

    def __init__(self, definitions: Structures) -> None:
        self._definitions = definitions
        self._expanded: dict[str, frozenset[Code] | None] = {}
        self._systems: dict[str, frozenset[str] | None] = {}

    def answer(self, questions: Iterable[Question]) -> dict[Question, Verdict]:
        """A verdict for each question."""
        return {question: self._verdict(question) for question in questions}

    def _verdict(self, question: Question) -> Verdict:
        if question.value_set is None:
            return self._in_system(question.system or "", question.code)
        codes = self._codes(question.value_set)
        if codes is None:
            return Verdict(None, "unknown-value-set")
        if question.system is not None:
            if (question.system, question.code) in codes:
                return Verdict(True, system=question.system)
            if (question.system, None) in codes:
                return self._in_system(question.system, question.code)
            return Verdict(False, "not-in-value-set", system=question.system)
        if any(code == question.code for _, code in codes):
            return Verdict(True)
        open_ = any(code is None for _, code in codes)
        return Verdict(None, "unknown-system") if open_ else Verdict(False, "not-in-value-set")

    def _codes(self, name: str) -> frozenset[Code] | None:
        if name not in self._expanded:
            steps = expand(name)
            try:
                wanted = next(steps)
                while True:
                    wanted = steps.send(self._found(wanted))
            except StopIteration as done:
                self._expanded[name] = done.value
            except Problem:
                self._expanded[name] = None
        return self._expanded[name]

    def _found(self, wanted: Wanted) -> Body | None:
        if wanted.type == "ValueSet":
            return self._definitions.value_set(wanted.name)
        return self._definitions.code_system(wanted.name)

    def _in_system(self, system: str, code: str) -> Verdict:
        if system not in self._systems:
            body = self._definitions.code_system(system)
            whole = body is not None and body.get("content") == "complete"
            self._systems[system] = frozenset(hierarchy(body).over) if body is not None and whole else None
        codes = self._systems[system]
        if codes is None:
            return Verdict(None, "unknown-system")
        return Verdict(True, system=system) if code in codes else Verdict(False, "unknown-code")
