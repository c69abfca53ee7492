"""What `hilum validate` knows: R4's own definitions and those it is given; nothing is stored, nothing is fetched."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, cast

import msgspec

from hilum.cli.validating.sources import Unreadable, named, sources
from hilum.fhir import json, xml
from hilum.fhir.resource import Resource
from hilum.guides import package
from hilum.interactions.answering import answer
from hilum.interactions.door import Door
from hilum.interactions.shelf import KINDS, Entry, Structures, packed
from hilum.problems import Problem
from hilum.search.clauses import TokenClause, UriClause
from hilum.search.query import Query
from hilum.store.interface import Page, Store
from hilum.terminology.memory import MemoryConcepts
from hilum.terminology.questions import Question, Verdict
from hilum.validation import validate


class _Head(msgspec.Struct):
    resourceType: str = ""


_head = msgspec.json.Decoder(_Head)


def known(files: Iterable[Path]) -> Structures:
    """The definitions of packages, and those that lie in files and folders, on top of R4's own.

    Raises OSError, Unreadable.
    """
    entries: dict[tuple[str, str], Entry] = {}
    for file in files:
        for name, raw in _loose(file) if file.is_dir() or _LOOSE.search(file.name) else _packed(file):
            try:
                head = _head.decode(raw)
            except msgspec.MsgspecError:
                continue
            entry = packed(head.resourceType, name, len(entries), raw) if head.resourceType in KINDS else None
            if entry is not None:
                entries[entry.type, name] = entry
    return Structures(entries)


_LOOSE: Final = re.compile(r"\.(?:json|ndjson|xml)(?:\.gz)?$")


_OF_ANOTHER_TYPE: Final = ", but is "
"""What makes a definition useless; that it says more than R4 lets it say does not."""


def _packed(file: Path) -> Iterator[tuple[str, bytes]]:
    """The definitions of a package by names of their own."""
    try:
        with file.open("rb") as stream:
            read = package.read(stream)
    except Problem as problem:
        raise Unreadable(f"{file}: {problem}") from None
    for name, raw in read.files.items():
        yield f"{read.label}/{name}", raw


def _loose(path: Path) -> Iterator[tuple[str, bytes]]:
    """The definitions in a file, or in a folder, where what is no resource is passed over. Raises Unreadable."""
    for name in named([str(path)]):
        for source in sources(name):
            try:
                body = xml.read(source.data, ordered=False)[0] if source.xml else json.parse(source.data)
            except Problem as problem:
                if path.is_dir():
                    continue
                why = str(problem).replace("The body", "It", 1)
                raise Unreadable(f"{name}: {why}") from None
            if body.get("resourceType") not in KINDS:
                continue
            for issue in validate(body):
                if issue.code == "structure" and _OF_ANOTHER_TYPE in issue.diagnostics:
                    raise Unreadable(f"{name}: {issue.diagnostics}")
            yield f"{name}:{source.line}", json.encode(body)


class _Files:
    """A store for questions about codes, which holds what the packages have and keeps nothing."""

    def __init__(self, definitions: Structures) -> None:
        self.concepts = MemoryConcepts()
        self._found: dict[tuple[str, str], list[Resource]] = {}
        for kind in KINDS:
            for seq, entry in enumerate(definitions.named(kind), 1):
                raw = zlib.decompress(entry.packed)
                self._found.setdefault((kind, entry.url), []).append(Resource(kind, str(seq), 1, seq, raw))

    async def read(self, type: str, id: str, version: int | None = None) -> Resource | None:
        """Nothing: here definitions have urls only."""
        return None

    async def search(self, query: Query) -> Page:
        """Those of a url, and a version where it is named."""
        part = query.parts[0]
        urls = [url for clause in part.clauses if isinstance(clause, UriClause) for url in clause.values]
        found = [one for url in urls for one in self._found.get((part.type, url), ())]
        versions = {value.code for clause in part.clauses if isinstance(clause, TokenClause) for value in clause.values}
        return Page(
            tuple(one for one in found if not versions or str(one.body.get("version", "")).casefold() in versions)
        )


class Codes:
    """Answers about codes, as the server gives them."""

    def __init__(self, definitions: Structures) -> None:
        self._door = Door(cast(Store, _Files(definitions)), "")

    def answer(self, questions: Iterable[Question]) -> dict[Question, Verdict]:
        """A verdict for each question."""
        asked = set(questions)
        return asyncio.run(answer(self._door, asked)) if asked else {}
