"""What a gather came to, part by part: what came, what the EHR refused, what failed, what was left out here and why.

All but the resources can stand on a Task: there are names, codes and counts in it, and no patient's data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from hilum.broker.far import Failed, Kind, Note, Side

State = Literal[
    "whole",  # all that the EHR has for us, as far as it says
    "partial",  # something came, and something is missing
    "refused",  # the EHR does not give it
    "failed",  # nothing came, for another reason
    "skipped",  # not asked, since what it starts from did not come
]

REFUSALS: Final = frozenset(("unauthorized", "forbidden", "break-the-glass", "refused"))
"""Kinds of Failed that are the EHR's decision: to ask again changes nothing, a person may."""

Reason = Literal[
    "other-patient",  # it is about somebody else
    "unproven",  # a match that names neither the patient nor what it was asked by
    "unasked",  # a match of another type, an answer under another id, what comes along and no include names
    "incomplete",  # tagged SUBSETTED: elements are left out of it
    "unreadable",  # no resource of R4, or without a legal id
]


class Missing(msgspec.Struct, frozen=True):
    """Requests of one part that came to nothing, for one reason: the fields are those of Failed. `count`: how many."""

    kind: Kind
    text: str
    side: Side = "theirs"
    status: int = 0
    codes: tuple[str, ...] = ()
    retry_at: float | None = None
    again: bool = False
    count: int = 1

    @classmethod
    def of(cls, failed: Failed) -> Missing:
        """That of one request."""
        return cls(
            failed.kind, failed.text, failed.side, failed.status, tuple(failed.codes), failed.retry_at, failed.again
        )

    def failed(self) -> Failed:
        """What was raised."""
        return Failed(
            self.kind,
            self.text,
            side=self.side,
            status=self.status,
            codes=self.codes,
            retry_at=self.retry_at,
            again=self.again,
        )


class Part(msgspec.Struct, frozen=True):
    """One ask of the recipe, the patient first. Each resource is counted in one part only: the first that it matched.

    `came`: matches. `included`: what came along with them (`_include`) and matched nothing. `left_out`: how many came
    and are not used, by their Reason. `notes`: what the EHR said beside.
    """

    name: str
    type: str
    state: State
    came: int = 0
    included: int = 0
    left_out: dict[str, int] = {}
    missing: tuple[Missing, ...] = ()
    notes: tuple[Note, ...] = ()


class Progress(msgspec.Struct, frozen=True):
    """How far a gather is. `part`: the one that has just got on; `done` and `parts`: how many are through, of all."""

    part: str
    done: int
    parts: int
    resources: int
    requests: int


Tell = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """`patient`: the EHR's id of whom it is about; "" when that was not found out, and then nothing was gathered.

    `resources`: each once, the patient first, then by type and id, as they came. `origins`: by (type, id) the name of
    the part that it is counted in. `base`: of the EHR. `requests`: how many it took.
    """

    base: str
    patient: str
    parts: tuple[Part, ...]
    resources: tuple[Mapping[str, Any], ...] = field(repr=False)
    origins: Mapping[tuple[str, str], str] = field(repr=False)
    requests: int = 0

    @property
    def bundle(self) -> dict[str, Any]:
        """All of it as a collection, each resource under its URL there."""
        entries = [
            {"fullUrl": f"{self.base}/{one['resourceType']}/{one['id']}", "resource": one} for one in self.resources
        ]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    @property
    def content(self) -> dict[str, Any]:
        """All of it as JSON, to be held until it is stored or delivered: `Gathered.of` reads it."""
        return {
            "base": self.base,
            "patient": self.patient,
            "requests": self.requests,
            "parts": msgspec.to_builtins(self.parts),
            "origins": list(self.origins.values()),
            "resources": list(self.resources),
        }

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Gathered:
        """What `content` says."""
        resources = tuple(content["resources"])
        names = [(one["resourceType"], one["id"]) for one in resources]
        return cls(
            content["base"],
            content["patient"],
            msgspec.convert(content["parts"], tuple[Part, ...]),
            resources,
            dict(zip(names, content["origins"], strict=True)),
            content["requests"],
        )

    @property
    def whole(self) -> bool:
        """Whether each part is."""
        return all(part.state == "whole" for part in self.parts)

    @property
    def retry_at(self) -> float | None:
        """From when on all that may succeed later may be asked again; None: at no known time."""
        times = [one.retry_at for part in self.parts for one in part.missing if one.retry_at is not None]
        return max(times, default=None)

    @property
    def again(self) -> bool:
        """Whether asking again may bring more."""
        return any(one.again for part in self.parts for one in part.missing)
