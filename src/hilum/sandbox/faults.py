"""Faults on demand: what goes wrong between two systems sooner or later, when a test needs it to.

    --fault 429:every=5,retry-after=30      --fault truncated:on=Observation,after=2

Each fault is written KIND or KIND:NAME=VALUE,... It counts the requests that it is about, and strikes where its
numbers say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.sandbox.profile import Profile

About = Literal["fhir", "page", "token"]
"""Requests that a fault is about: any of FHIR; the next page of a search; those of the token endpoint."""


class Kind(NamedTuple):
    """A kind of fault. `numbers`: its own, with their defaults. `on`: the type it is about where none is named."""

    about: About
    help: str
    numbers: Mapping[str, int] = {}
    issue: str = ""
    on: str = ""


KINDS: Final[Mapping[str, Kind]] = {
    "expired": Kind("fhir", "The access token ends: 401, and it is refused from then on. Another one holds."),
    "429": Kind("fhir", "Too many requests: 429 with Retry-After.", {"retry-after": 2}, "throttled"),
    "slow": Kind("fhir", "The answer takes its time, and is right.", {"seconds": 10}),
    "500": Kind("fhir", "Something is broken: 500, as the vendor says it, or a page of HTML."),
    "truncated": Kind("fhir", "The answer ends in its middle: the connection closes before Content-Length is reached."),
    "page-gone": Kind("page", "The next page of a search is no longer kept.", {}, "page-gone"),
    "daily-cap": Kind(
        "fhir", "The most documents of a day were asked for (Epic 4135).", {}, "daily-cap", "DocumentReference"
    ),
    "wrong-match": Kind(
        "fhir", "A Patient is looked for by the number that another site gave: somebody else is found.", on="Patient"
    ),
    "token-400": Kind("token", "The token endpoint refuses without a reason; a second try succeeds."),
}
"""What `--fault` knows."""

COMMON: Final[Mapping[str, str]] = {
    "every": "strike each n-th request that it is about; without it only once",
    "after": "let so many pass first",
    "times": "strike so often at most",
    "on": "be only about this resource type",
}
"""What each fault may be given."""

_WRITTEN: Final = re.compile(r"([a-z0-9-]+)(?::(.+))?")
_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was asked for. `times` 0: without end."""

    kind: str
    every: int
    after: int
    times: int
    on: str
    numbers: Mapping[str, int]

    @property
    def text(self) -> str:
        """As it is written."""
        said = {"every": self.every, "after": self.after, "times": self.times, "on": self.on, **self.numbers}
        return f"{self.kind}:{','.join(f'{name}={value}' for name, value in said.items() if value)}"


def read(text: str, profile: Profile) -> Fault:
    """A fault from its text. Raises Invalid, which says what there is."""
    match = _WRITTEN.fullmatch(text)
    kind = KINDS.get(match[1]) if match else None
    if match is None or kind is None or not possible(match[1], profile):
        there = ", ".join(name for name in KINDS if possible(name, profile))
        raise Invalid(f"{text[:40]!r} is no fault of {profile.title}. There are {there}, as in 429:every=5.")
    given = dict(part.partition("=")[::2] for part in (match[2] or "").split(",") if part)
    known = {*COMMON, *kind.numbers}
    if unknown := sorted(given.keys() - known):
        raise Invalid(f"The fault {match[1]} takes {', '.join(sorted(known))}, and no {unknown[0][:40]!r}.")
    on = given.pop("on", kind.on)
    if on and on not in definitions.TYPE_NUMBER:
        raise Invalid(f"A fault is about a resource type such as Observation; {on[:40]!r} is none.")
    numbers = {name: _number(name, value) for name, value in given.items()}
    own = {name: numbers.get(name, default) for name, default in kind.numbers.items()}
    times = numbers.get("times", 0 if "every" in numbers else 1)
    return Fault(match[1], numbers.get("every", 1), numbers.get("after", 0), times, on, own)


def possible(kind: str, profile: Profile) -> bool:
    """Whether there is such a fault with this profile."""
    issue = KINDS[kind].issue
    return (not issue or issue in profile.issues) and (kind != "wrong-match" or profile.paging is not None)


def _number(name: str, value: str) -> int:
    if (
        not (value.isascii() and value.isdigit())
        or not (name == "after" or int(value[:9]) > 0)
        or int(value[:9]) > _MOST
    ):
        raise Invalid(f"{name} of a fault is a whole number from {int(name != 'after')} to {_MOST}.")
    return int(value)


class _Set:
    """A fault that is set, with what it has counted."""

    def __init__(self, id: int, fault: Fault) -> None:
        self.id, self.fault = id, fault
        self.seen = self.struck = 0

    def strikes(self) -> bool:
        fault = self.fault
        self.seen += 1
        past = self.seen - fault.after
        if past <= 0 or past % fault.every or (fault.times and self.struck >= fault.times):
            return False
        self.struck += 1
        return True


class Faults:
    """Those that are set, in their order."""

    def __init__(self) -> None:
        self._set: list[_Set] = []
        self._last = 0

    def add(self, fault: Fault) -> int:
        """Set one more; its number."""
        self._last += 1
        self._set.append(_Set(self._last, fault))
        return self._last

    def clear(self) -> None:
        """None is set from now on."""
        self._set.clear()

    def strike(self, about: frozenset[About], type: str = "") -> Fault | None:
        """The first fault that strikes a request about this; those after it do not see the request."""
        for one in self._set:
            fault = one.fault
            if KINDS[fault.kind].about in about and fault.on in ("", type) and one.strikes():
                return fault
        return None

    def shown(self) -> list[dict[str, Any]]:
        """What is set, and what it has counted."""
        return [{"id": one.id, "fault": one.fault.text, "seen": one.seen, "struck": one.struck} for one in self._set]
