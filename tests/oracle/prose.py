"""`_text` and `_content`: words and phrases of the narrative, and of all texts. https://hl7.org/fhir/R4/search.html#text

A value is alternatives, parted by `OR` or commas, of conditions side by side (or joined by `AND`, `and`): words, which
must occur in any of the texts, phrases in quotes, whose words stand side by side in one text, `NOT`, and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from unicodedata import category

from tests.oracle import criteria
from tests.oracle.criteria import Refused
from tests.oracle.records import Holds
from tests.oracle.values import fold

Said = list[list[str]]
"""The words of each text of a resource, in order."""
Test = Callable[[Said], bool]

_LEX = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[(),"]|(?:[^\s(),"\\]|\\.)+)\s*')


def words(text: str) -> list[str]:
    """Folded letters and digits; symbols part words as spaces do, and all punctuation but apostrophes."""
    text = "".join(" " if category(c)[0] == "P" and c not in "'’‘ʼ" else c for c in text)
    return "".join(" " if category(c)[0] in "SC" else c for c in fold(text)).split()


def texts(body: dict[str, Any], where: str) -> Said:
    """The narrative, and, for `_content`, every other text of the resource."""
    div = body.get("text", {}).get("div", "")
    found = [words(unescape(re.sub(r"<[^>]*>", _tag, div)))]
    if where == "_content":
        own = {key: value for key, value in body.items() if key not in ("id", "meta")}
        found += [words(text) for text in _strings(own)]
    return found


_INLINE = re.compile(
    "a|abbr|acronym|b|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|q|s|samp|small|span|strike|strong|sub|tt|u|var"
)


def _tag(match: re.Match[str]) -> str:
    """What a tag leaves of itself: an inline one is no end of a word."""
    name = match[0].strip("</>").split()
    return "" if name and _INLINE.fullmatch(name[0].lower()) else " "


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if not (isinstance(one, str) and key in ("data", "div", "resourceType")):
                yield from _strings(one)


def read(where: str, value: str) -> Holds:
    """Whether a resource says so. Raises Refused."""
    criteria.unescape(value)
    left, at = [], 0
    while at < len(value):
        match = _LEX.match(value, at)
        if match is None or match[1] == '"':
            raise Refused("quotes")
        left.append(match[1])
        at = match.end()
    test, rest = _any(left)
    if rest:
        raise Refused("a parenthesis too many")
    return lambda item: test(texts(item.body, where))


def _any(left: list[str]) -> tuple[Test, list[str]]:
    tests = []
    while True:
        test, left = _all(left)
        tests.append(test)
        if left[:1] not in (["OR"], [","]):
            return lambda said: any(one(said) for one in tests), left
        left = left[1:]


def _all(left: list[str]) -> tuple[Test, list[str]]:
    tests = []
    while left and left[0] not in (")", "OR", ","):
        first, *left = left
        if first in ("AND", "and"):
            continue
        if first == "NOT":
            test, left = _one(left)
            tests.append(_not(test))
        elif first == "(" or words(criteria.unescape(first)):
            test, left = _one([first, *left])
            tests.append(test)
    if not tests:
        raise Refused("nothing to look for")
    return lambda said: all(one(said) for one in tests), left


def _not(test: Test) -> Test:
    return lambda said: not test(said)


def _one(left: list[str]) -> tuple[Test, list[str]]:
    first, *left = left or [")"]
    if first == "(":
        test, left = _any(left)
        if left[:1] != [")"]:
            raise Refused("a parenthesis without its end")
        return test, left[1:]
    wanted = words(criteria.unescape(first))
    if first in (")", "AND", "OR", "NOT", ",") or not wanted:
        raise Refused("no word")
    if first[0] == '"':
        return lambda said: any(_beside(wanted, text) for text in said), left
    return lambda said: all(any(word in text for text in said) for word in wanted), left


def _beside(wanted: list[str], text: list[str]) -> bool:
    return any(text[n : n + len(wanted)] == wanted for n in range(len(text)))
