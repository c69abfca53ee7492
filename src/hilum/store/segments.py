"""The audit trail as a store keeps it: who wrote, segments of what was read, and anchors that seal the chains of both.

A write's row is committed with it. Reads are noted in files beside the store (`hilum.audit`) and come here in segments,
as the bytes that they were; so an auditor sees those of all processes. An anchor says how far chains had come, and is
linked to the anchor before it: who takes links away has to forge every anchor since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

PATIENT: Final = 1
AGENT: Final = 2
CLIENT: Final = 3
ENTITY: Final = 4
"""What a segment may speak of: `About.what`. Whoever reads the trail may have more of them."""

READ_HEADS: Final = 1
WRITE_HEADS: Final = 2
CHECKPOINT: Final = 3
"""What an anchor is of: segments, chains of writes, or what was pruned."""


class About(NamedTuple):
    """Somebody or something that a segment speaks of: which (above), and a signed number of 64 bits for it."""

    what: int
    key: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames of the trail of one process, one after the other.

    `first`: how many entries of the process came before; `rows`: how many there are here. `low`, `high`: between which
    microseconds. `before`, `after`: the links that the frames stand between. `body`: the frames, as `hilum.audit` has
    them. `id`: given by the store, ascending.
    """

    process: bytes
    first: int
    rows: int
    low: int
    high: int
    before: bytes
    after: bytes
    body: bytes
    id: int = 0


@dataclass(frozen=True, slots=True)
class Anchor:
    """The n-th seal, from 1 without a gap. `at`: microseconds. `digest`: of `previous`, the digest before it, and
    `body`; signed by the key `kid`.
    """

    n: int
    at: int
    kind: int
    body: bytes
    previous: bytes
    digest: bytes
    signature: bytes
    kid: str


class Head(NamedTuple):
    """How far a chain had come. `at`: of writes the seq of the commit, of reads how many entries there were."""

    process: bytes
    at: int
    link: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """What a pruning takes away: of each process a whole number of links from the start, of which these are the last.

    `segments`, `rows`: how many, and how many rows of commits. `before`: the moment (microseconds) up to which.
    """

    before: int
    reads: tuple[Head, ...]
    writes: tuple[Head, ...]
    segments: int
    rows: int


class Version(NamedTuple):
    """A version that a commit made: `method` as in Resource."""

    seq: int
    type: str
    id: str
    version: int
    method: str


@dataclass(frozen=True, slots=True)
class WriteAudited:
    """The audit row of a commit: who made the versions seq ... seq + writes - 1, and its link (`chain`) of `process`.

    The other fields are those of `hilum.store.interface.Audit`; `detail` is empty in rows of before schema 3.
    """

    seq: int
    writes: int
    process: bytes
    agent: str
    client: str
    interaction: str
    token: str
    detail: str
    chain: bytes
    versions: tuple[Version, ...] = ()


Seal = Callable[[Anchor | None], Anchor]
"""Makes the anchor that follows the newest one (None: the first). Called within the transaction, by any thread."""
SealCut = Callable[[Anchor | None, Cut], Anchor]
"""The same for a pruning, whose checkpoint says what is gone."""


class Segments(Protocol):
    """Shared by all processes, durable when a method returns. All may raise Busy, Damaged."""

    async def put(self, segment: Segment, about: Sequence[About], seal: Seal) -> Anchor | None:
        """Keep a segment, with what it speaks of, and an anchor. None: it is here already, and nothing was written."""
        ...

    async def anchor(self, seal: Seal) -> Anchor:
        """Keep an anchor alone."""
        ...

    async def between(
        self,
        low: int,
        high: int,
        about: Sequence[Sequence[About]] = (),
        *,
        before: tuple[int, int] | None = None,
        limit: int = 16,
    ) -> list[Segment]:
        """Segments with entries of between those microseconds, that of the newest entry first.

        `about`: only those that speak of one of each sequence. `before`: (high, id) of the last one of the page before.
        """
        ...

    async def following(self, after: int, limit: int = 16) -> list[Segment]:
        """Segments with a greater id, by id: of each process, those come in the order of its chain."""
        ...

    async def spoken_of(self, id: int) -> list[tuple[About, int]]:
        """By what a segment is found, and the moment of its newest entry as it stands there; in order."""
        ...

    async def anchors(self, after: int, limit: int = 1000) -> list[Anchor]:
        """Those with a greater n, in order."""
        ...

    async def newest(self) -> Anchor | None:
        """The last anchor."""
        ...

    async def heads(self, after: int) -> list[Head]:
        """Of each process that committed with a seq greater than `after`, the last link. Reads all those rows."""
        ...

    async def prune(self, before: int, seal: SealCut) -> Anchor | None:
        """Take away segments and rows of commits of before that moment (microseconds), and keep a checkpoint.

        Of each process only what nothing older is left of. None: there was nothing to take away.
        """
        ...
