"""What the far side answers, in one vocabulary, whatever the vendor: pages of resources, or why there are none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal[
    "unreachable",  # no connection, or none that may be made
    "unauthorized",  # 401: the token is not taken
    "forbidden",  # 403: the EHR does not allow it
    "break-the-glass",  # a person must say why; never asked again by a program
    "absent",  # 404, 410
    "refused",  # another 4xx: the request is not one that this EHR takes
    "throttled",  # 429 or 503 with Retry-After, longer than we wait; a daily cap
    "broken",  # 5xx, or an answer that is no FHIR
    "ambiguous",  # not exactly one patient was meant
    "gone",  # a paging session has ended on their side
    "limit",  # our own bound on pages, bytes or time
]
Side = Literal["ours", "theirs", "network"]


class Failed(Exception):
    """A request came to nothing. `codes`: the vendor's own (Epic's `4119`). `text` is ours: never words of the answer,
    which may hold a patient's. `retry_at`: seconds since 1970 from which on it may be asked again; None: at no known
    time. `again`: whether the same request may succeed later.
    """

    def __init__(
        self,
        kind: Kind,
        text: str,
        *,
        side: Side = "theirs",
        status: int = 0,
        codes: tuple[str, ...] = (),
        retry_at: float | None = None,
        again: bool = False,
    ) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind, self.text, self.side, self.status, self.codes = kind, text, side, status, codes
        self.retry_at, self.again = retry_at, again


@dataclass(frozen=True, slots=True)
class Note:
    """What an answer says beside resources (an OperationOutcome entry). `partial`: something is missing from it."""

    code: str
    severity: str = "warning"
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: matches, what came along with them (`_include`), notes, and whether another one follows."""

    matches: tuple[Mapping[str, Any], ...] = field(repr=False)
    included: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    notes: tuple[Note, ...] = ()
    more: bool = False


class Far(Protocol):
    """A signed-in connection, as gathering sees it: throttled, retried where the vendor's table allows it, its pages
    followed, its quirks met. Every method raises Failed.
    """

    base: str
    patient: str
    """The patient of the launch context; "" where there is none."""
    requests: int
    """How many were sent so far."""

    def search(self, type: str, parameters: Sequence[tuple[str, str]]) -> AsyncIterator[Page]:
        """All pages, in their order. A search that the vendor only takes in parts (Epic's Observation by category) is
        sent in parts.
        """

    async def read(self, type: str, id: str) -> Mapping[str, Any]:
        """One resource."""
