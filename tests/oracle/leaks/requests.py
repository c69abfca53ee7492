"""A request, its answer, and what an answer tells."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.oracle.records import Name


@dataclass(frozen=True)
class Request:
    """One HTTP request below the base. `form`: sent as a form; `body`: as JSON."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    form: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in (*self.query, *self.form))
        said = f" {json.dumps(self.body)}" if self.body is not None else ""
        head = "".join(f" [{name}: {value}]" for name, value in self.headers)
        return f"{self.method} {self.path}{'?' if query else ''}{query}{head}{said}"


Key = tuple[str, str, int]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @cached_property
    def json(self) -> Any:
        """The body, parsed; {} where there is none."""
        return json.loads(self.body) if self.body else {}

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Of a Bundle, but for outcomes."""
        found = self.json.get("entry", [])
        return [one for one in found if one.get("search", {}).get("mode") != "outcome"]

    @property
    def matches(self) -> list[Name]:
        """The names of what a search found, in order."""
        return [name_of(one) for one in self.entries if one["search"]["mode"] == "match"]

    @property
    def included(self) -> set[Name]:
        """The names of what came along."""
        return {name_of(one) for one in self.entries if one["search"]["mode"] == "include"}

    @property
    def next(self) -> str | None:
        """Where the following page is."""
        links = self.json.get("link", [])
        return next((str(one["url"]) for one in links if one["relation"] == "next"), None)

    @property
    def versions(self) -> list[Key]:
        """The versions of a history."""
        found = []
        for one in self.entries:
            type, id = one["fullUrl"].split("/")[-2:]
            found.append((type, id, int(one["response"]["etag"].strip('W/"'))))
        return found

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


def name_of(entry: dict[str, Any]) -> Name:
    """Type and id of an entry; of what is contained those in its container: `17#a`."""
    url = entry.get("fullUrl")
    if url is None:
        return entry["resource"]["resourceType"], "#"
    type, id = str(url).split("/")[-2:]
    return type, id


_SAME = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "TIME"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"\d+ statements?, \d+ rows?, \d+\.\d+ ms"), "EFFORT"),
)
_CURSOR = re.compile(r'_cursor=[A-Za-z0-9_=.%-]+|"s\.[A-Za-z0-9_=-]{40,}"')
_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def alike(answer: Answer) -> str:
    """An answer without what differs from one server to another: times, and ids that the server made.

    Of cursors the length is left: it would tell of the position in them.
    """
    text = "\n".join((str(answer.status), *map(str, answer.headers), answer.body.decode()))
    for pattern, word in _SAME:
        text = pattern.sub(word, text)
    text = _CURSOR.sub(lambda found: f"CURSOR{len(found[0])}", text)
    ids: dict[str, str] = {}
    return _MADE.sub(lambda found: ids.setdefault(found[0], f"ID{len(ids)}"), text)
